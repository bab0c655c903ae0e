import { expect, test } from 'vitest';
import { movieOf, segmentOf } from '../test-support/memory-index.ts';
import { FIELDS } from './terms-part.ts';

test('of the terms that begin alike the most frequent ones are found', async () => {
  // The word "ma<n>" is in n % 7 + 1 titles, and "mb" in many.
  const titles = Array.from({ length: 60 }, (_, word) => Array(1 + (word % 7)).fill(`ma${word}`)).flat();
  const movies = [...titles, ...Array(30).fill('mb'), ...Array(40).fill('n')].map((title, number) =>
    movieOf(number, { title }),
  );
  const terms = await segmentOf(1, movies).terms();
  const frequencies = (countMax: number) =>
    [...terms.frequentFrom(`${FIELDS.title}m`, countMax)].map((number) => terms.frequencyAt(number)).sort();
  const [from, to] = terms.rangeOf(`${FIELDS.title}m`);
  const all = Array.from({ length: to - from }, (_, index) => terms.frequencyAt(from + index)).sort();
  expect(all).toHaveLength(61);
  expect(frequencies(20)).toEqual(
    all
      .toSorted((a, b) => b - a)
      .slice(0, 20)
      .sort(),
  );
});

test('where there are few of them, all are', async () => {
  const movies = ['ma', 'mb', 'n'].map((title, number) => movieOf(number, { title }));
  const terms = await segmentOf(1, movies).terms();
  const found = [...terms.frequentFrom(`${FIELDS.title}m`, 20)].map((number) => terms.termAt(number));
  expect(found).toEqual(['tma', 'tmb']);
});
