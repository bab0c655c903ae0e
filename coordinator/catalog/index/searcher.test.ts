import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IndexedMovie } from '../movie.ts';
import { MemoryIndex, movieOf } from '../test-support/memory-index.ts';
import { normalizeText } from '../text.ts';
import { type CatalogQuery, EVERYTHING } from './query.ts';
import { editDistance, maskDistance, maskOf } from './spelling.ts';

const movieArbitrary = fc.record({
  title: fc.constantFrom('Alpha', 'beta', 'Beta two', 'Gamma', 'Über alles', 'zz'),
  year: fc.option(fc.integer({ min: 1950, max: 1955 })),
  score: fc.option(fc.integer({ min: 0, max: 40 }).map((quarters) => quarters / 4)),
  popularity: fc.option(fc.integer({ min: 0, max: 5 })),
  genres: fc.uniqueArray(fc.constantFrom('Drama', 'War', 'Sci-Fi'), { maxLength: 3 }),
  directors: fc.uniqueArray(fc.constantFrom('Ann Lee', 'Bo Ek'), { maxLength: 2 }),
});
const queryArbitrary = fc.record({
  genres: fc.uniqueArray(fc.constantFrom('drama', 'war', 'western'), { maxLength: 2 }),
  director: fc.option(fc.constantFrom('ann lee', 'bo ek', 'nobody'), { nil: undefined }),
  minScore: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  maxScore: fc.option(fc.integer({ min: 0, max: 10 }), { nil: undefined }),
  yearFrom: fc.option(fc.integer({ min: 1949, max: 1956 }), { nil: undefined }),
  yearTo: fc.option(fc.integer({ min: 1949, max: 1956 }), { nil: undefined }),
  sort: fc.constantFrom('popularity', 'score', 'title', 'year', 'newest'),
}) as fc.Arbitrary<Partial<CatalogQuery>>;

function passes(movie: IndexedMovie, query: CatalogQuery): boolean {
  const { score, year } = movie;
  const within = (value: number | null, least: number | undefined, most: number | undefined) =>
    (least === undefined && most === undefined) ||
    (value !== null && value >= (least ?? -1) && value <= (most ?? 9999));
  return (
    query.genres.every((genre) => movie.genres.some((own) => normalizeText(own) === genre)) &&
    (query.director === undefined || movie.directors.some((own) => normalizeText(own) === query.director)) &&
    within(score, query.minScore, query.maxScore) &&
    within(year, query.yearFrom, query.yearTo)
  );
}

function inOrder(movies: readonly IndexedMovie[], sort: CatalogQuery['sort']): IndexedMovie[] {
  const keyOf = ({ score, popularity, year }: IndexedMovie) =>
    ({ score, popularity, year })[sort as 'score' | 'popularity' | 'year'] ?? -1;
  return movies.toSorted((a, b) => {
    const [one, other] = [normalizeText(a.title), normalizeText(b.title)];
    if (sort === 'title' && one !== other) return one < other ? -1 : 1;
    const difference = sort === 'title' || sort === 'newest' ? 0 : keyOf(b) - keyOf(a);
    return difference || (a.id < b.id ? 1 : -1);
  });
}

describe('lists', () => {
  test('are what filtering and sorting everything would give, page by page, with the right facets', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(movieArbitrary, fc.integer({ min: 0, max: 2 })), { maxLength: 30 }),
        queryArbitrary,
        async (given, partial) => {
          const query = { ...EVERYTHING, ...partial };
          const movies = given.map(([movie], number) => movieOf(number + 1, movie));
          const lists = [0, 1, 2].map((list) => movies.filter((_, at) => given[at]![1] === list));
          const index = new MemoryIndex(...lists);
          const expected = inOrder(
            movies.filter((movie) => passes(movie, query)),
            query.sort,
          );
          const found: IndexedMovie[] = [];
          let page = await index.page(query, { limit: 4, facets: true });
          const { facets } = page;
          for (;;) {
            found.push(...page.movies);
            if (!page.hasMore) break;
            const after = { ...page.places.at(-1)!, effort: page.effort };
            page = await index.page(query, { limit: 4, after });
          }
          expect(found.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
          const dramas = expected.filter(({ genres }) => genres.includes('Drama')).length;
          expect(facets!.genres.find(({ value }) => value === 'Drama')?.count ?? 0).toBe(dramas);
          const in1950 = expected.filter(({ year }) => year === 1950).length;
          expect(facets!.years.find(({ value }) => value === 1950)?.count ?? 0).toBe(in1950);
          const anns = expected.filter(({ directors }) => directors.includes('Ann Lee')).length;
          expect(facets!.directors.find(({ value }) => value === 'Ann Lee')?.count ?? 0).toBe(anns);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('searches', () => {
  test('put exact titles before popular ones, and those before the rest', async () => {
    const index = new MemoryIndex(
      [movieOf(1, { title: 'Heat Wave', popularity: 90 }), movieOf(2, { title: 'Heat', popularity: 10 })],
      [
        movieOf(3, { title: 'Heat Wave', popularity: 20 }),
        movieOf(4, { synopsis: 'in the heat', popularity: 99 }),
      ],
    );
    const { movies } = await index.page({ words: ['heat'], sort: 'relevance' });
    expect(movies.map(({ id }) => Number.parseInt(id.slice(-4), 16))).toEqual([2, 1, 3, 4]);
  });

  test('find joined and separated words', async () => {
    const index = new MemoryIndex([
      movieOf(1, { title: 'Spider-Man' }),
      movieOf(2, { title: "O'Brien's U.S.A." }),
    ]);
    for (const text of ['spiderman', 'spider man', 'man spider', 'Spider-Man']) {
      expect(await index.titles(text)).toEqual(['Spider-Man']);
    }
    for (const text of ['obriens', 'usa', 'U.S.A.', 'o’briens usa']) {
      expect(await index.titles(text)).toEqual(["O'Brien's U.S.A."]);
    }
  });

  test('do not take a finished word for the beginning of another', async () => {
    const index = new MemoryIndex(
      ['Star', 'Stars', 'Starling', 'Start'].map((title, at) => movieOf(at + 1, { title })),
    );
    expect(await index.titles('star')).toHaveLength(4);
    expect((await index.titles('starl', { isTyping: true }))[0]).toBe('Starling');
  });
});

test('words that are few edits apart share most of their letters', () => {
  const word = fc.stringMatching(/^[a-e]{1,8}$/);
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b, 8);
      expect(distance).toBe(editDistance(b, a, 8));
      expect(maskDistance(maskOf(a), maskOf(b))).toBeLessThanOrEqual(2 * distance);
    }),
  );
  expect(editDistance('matirx', 'matrix', 2)).toBe(1);
  expect(editDistance('hitchcok', 'hitchcock', 2)).toBe(1);
  expect(editDistance('abc', 'xyz', 2)).toBe(3);
});
