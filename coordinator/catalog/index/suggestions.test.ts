import { expect, test } from 'vitest';
import { idOf, movieOf, segmentOf } from '../test-support/memory-index.ts';
import { Searcher } from './searcher.ts';
import type { Snapshot } from './segment.ts';
import { suggest } from './suggestions.ts';

const MOVIES = [
  movieOf(1, { title: 'Amélie — Le  Fabuleux Destin', year: 2001, directors: ['Jean-Pierre Jeunet'] }),
  movieOf(2, { title: 'AMELIA', directors: ['Mira Nair', 'Amelie Example'] }),
  movieOf(3, { title: 'Amelia', popularity: 5 }),
];
const snapshot: Snapshot = {
  version: 1,
  segments: [segmentOf(1, MOVIES), segmentOf(2, [movieOf(4, { title: '千と千尋の神隠し', year: 2001 })])],
};
const suggested = (text: string, limit = 8) =>
  suggest({ index: { run: (query) => query(snapshot) }, searcher: new Searcher() }, text, limit);

test('titles and directors are suggested as they are written, with the year if there is one', async () => {
  const found = await suggested('ameli');
  expect(found).toContainEqual({
    kind: 'movie',
    text: 'Amélie — Le  Fabuleux Destin',
    movieId: idOf(1),
    year: 2001,
  });
  expect(found).toContainEqual({ kind: 'movie', text: 'AMELIA', movieId: idOf(2), year: null });
  expect(found).toContainEqual({ kind: 'movie', text: 'Amelia', movieId: idOf(3), year: null });
  expect(found.at(-1)).toEqual({ kind: 'director', text: 'Amelie Example' });
  expect(await suggested('千と')).toEqual([
    { kind: 'movie', text: '千と千尋の神隠し', movieId: idOf(4), year: 2001 },
  ]);
});

test('there are no more than asked for, and none for nothing', async () => {
  expect(await suggested('ameli', 2)).toHaveLength(2);
  expect(await suggested(' —')).toEqual([]);
});
