import { expect, test } from 'vitest';
import { isEmbeddable, matchPage, PAGE_PATHS, type PageName, pathOf } from './paths.ts';

const ID = '01a1fffa-d046-7634-8f76-d313d2bb6371';

test('every page is found by its own address', () => {
  for (const page of Object.keys(PAGE_PATHS) as PageName[]) {
    const params = PAGE_PATHS[page].includes(':id') ? { id: ID } : {};
    expect(matchPage(pathOf(page, params))).toEqual({ page, params });
  }
});

test('a slash at the end changes nothing, and what is no page is none', () => {
  expect(matchPage('/videos/')).toEqual({ page: 'videos', params: {} });
  expect(matchPage('/movies/new')?.page).toBe('newMovie');
  for (const path of [
    '/api/v1/videos',
    '/watch',
    `/watch/${ID}/more`,
    '/admin/nothing',
    '//',
    '/watch/a%2Fb',
    '/docs',
  ]) {
    expect([path, matchPage(path)]).toEqual([path, undefined]);
  }
});

test('others may show nothing in their frames but the page for that', () => {
  const pages = Object.keys(PAGE_PATHS) as PageName[];
  expect(pages.filter(isEmbeddable)).toEqual(['embed']);
});
