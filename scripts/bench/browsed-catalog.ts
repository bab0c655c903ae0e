import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { importFile } from '../catalog/import-file.ts';
import { type SampledMovie, writeMovies } from './generated-movies.ts';
import { WATCH_FRAMES } from './page-frames.ts';
import { SeededRandom } from './seeded-random.ts';

/** What a catalog is like in the page while somebody looks for movies in it. */
export interface Browsed {
  /** Each keystroke, from the event to two frames after its results, or those of a later one, had come. */
  readonly keystrokesMs: readonly number[];
  /** Each page of a list, from the scroll to its end until it stands there. */
  readonly pagesMs: readonly number[];
  /** Longest task of the page's own thread meanwhile; 0 when none took 50 ms. */
  readonly longestTaskMs: number;
  readonly longestFrameMs: number;
}

/** Between two keystrokes of somebody who types well. */
const KEY_MS = 120;
const SEARCHES = 24;
const PAGES = 25;

/** Fills a coordinator's catalog with generated movies and returns some of them. */
export async function fillCatalog(
  url: string,
  token: string,
  count: number,
  directory: string,
): Promise<SampledMovie[]> {
  const file = join(directory, 'movies.ndjson');
  const samples = await writeMovies(file, count, 10 * SEARCHES);
  const { status, problem } = await importFile({ file, url, token, mode: 'keep-going' });
  if (status !== 200) throw new Error(`the import failed: ${status} ${problem}`);
  return samples;
}

const WATCH_KEYS = `(() => {
  const keys = (window.keys = []);
  window.longestTaskMs = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longestTaskMs = Math.max(window.longestTaskMs, duration);
  }).observe({ type: 'longtask' });
  const input = document.querySelector('.search-input');
  input.addEventListener('input', () => {
    const value = input.value.trim();
    // The list of everything was there before.
    if (value !== '') keys.push({ value, atMs: performance.now(), shownMs: undefined });
  });
  const ask = window.fetch;
  window.fetch = async (...wanted) => {
    const response = await ask(...wanted);
    const { pathname, searchParams } = new URL(wanted[0], location.href);
    if (pathname.endsWith('/movies') && response.ok) {
      const q = (searchParams.get('q') ?? '').trim();
      void response.clone().text().then(() => requestAnimationFrame(() => requestAnimationFrame(() => {
        const last = keys.findLastIndex(({ value }) => value === q);
        for (const key of keys.slice(0, last + 1)) key.shownMs ??= performance.now();
      })));
    }
    return response;
  };
})()`;

const IS_ALL_SHOWN = 'window.keys.every(({ shownMs }) => shownMs !== undefined)';

/** Resolves when it is so; what Playwright has for that the page's policy forbids. */
function until(isSo: string): string {
  return `new Promise((resolve) => {
    const look = () => (${isSo} ? resolve() : setTimeout(look, 10));
    look();
  })`;
}

/** Types titles, half of them with a slip, and scrolls through a long list. */
export async function browseCatalog(
  page: Page,
  url: string,
  samples: readonly SampledMovie[],
): Promise<Browsed> {
  const random = new SeededRandom(11);
  await page.goto(url);
  await page.locator('.movie-card').first().waitFor();
  await page.evaluate(WATCH_FRAMES);
  await page.evaluate(WATCH_KEYS);
  const input = page.locator('.search-input');
  for (let search = 0; search < SEARCHES; search++) {
    const { title } = random.pick(samples);
    const words = title.toLowerCase().split(' ').slice(0, 3).join(' ');
    await input.fill('');
    await input.pressSequentially(search % 2 === 0 ? words : slipped(words, random), { delay: KEY_MS });
    await page.evaluate(until(IS_ALL_SHOWN));
  }
  const keystrokesMs = await page.evaluate<number[]>(
    'window.keys.map(({ atMs, shownMs }) => shownMs - atMs)',
  );
  const everything = page.waitForResponse((response) => {
    const { pathname, searchParams } = new URL(response.url());
    return pathname.endsWith('/movies') && !searchParams.has('q');
  });
  await input.fill('');
  await (await everything).finished();
  await page.evaluate(until("document.querySelector('.movies-found[aria-busy=false]') !== null"));
  await page.evaluate(
    'new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))',
  );
  const pagesMs: number[] = [];
  for (let turn = 0; turn < PAGES; turn++) pagesMs.push(await page.evaluate<number>(SCROLL));
  const [longestTaskMs, longestFrameMs] = await page.evaluate<[number, number]>(
    '[window.longestTaskMs, window.longestFrameMs]',
  );
  return { keystrokesMs, pagesMs, longestTaskMs, longestFrameMs };
}

/** Pages, not movies, are counted: the page keeps no movies in the document that are far from what is seen. */
const SCROLL = `new Promise((resolve, reject) => {
  const grids = () => document.querySelectorAll('.movie-grid');
  const before = grids().length;
  const begunMs = performance.now();
  scrollTo(0, document.documentElement.scrollHeight);
  const look = () => {
    const now = grids();
    const isThere = now.length > before && now[now.length - 1].querySelector('.movie-card') !== null;
    if (isThere) requestAnimationFrame(() => resolve(performance.now() - begunMs));
    else if (performance.now() - begunMs > 10000) reject(new Error('no more movies came after page ' + before));
    else requestAnimationFrame(look);
  };
  look();
})`;

/** With two letters in the wrong order, one too few or another one. */
function slipped(text: string, random: SeededRandom): string {
  const at = 1 + random.below(Math.max(1, text.length - 2));
  const [before, here, after] = [text.slice(0, at), text[at] ?? '', text.slice(at + 1)];
  switch (random.below(3)) {
    case 0:
      return before + after.slice(0, 1) + here + after.slice(1);
    case 1:
      return before + after;
    default:
      return `${before}e${after}`;
  }
}
