import { afterEach, expect, test, vi } from 'vitest';
import { queryOf } from '../../api/client.ts';
import type { Movie } from '../../api/types.ts';
import { fieldsOf, movieOf, NO_FIELDS } from './movie-fields.ts';
import { MovieListing } from './movie-list.ts';
import { decadesOf, isNarrowed, readQuery, toApiQuery } from './movie-query.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

test('a list that was left while it loaded a page goes on when it is shown again', async () => {
  let asked = 0;
  vi.stubGlobal('fetch', async (_: string, { signal }: { signal: AbortSignal }) => {
    asked += 1;
    signal.throwIfAborted();
    if (asked === 2)
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    return Response.json({ items: [{ id: String(asked) }], nextCursor: 'more' });
  });
  const listing = new MovieListing(readQuery(new URLSearchParams()));
  await listing.loadMore();
  const loading = listing.loadMore();
  listing.abandon();
  await loading;
  expect([listing.pages.value.length, listing.error.value]).toEqual([1, undefined]);
  await listing.loadMore();
  expect(listing.pages.value.flat().map(({ id }) => id)).toEqual(['1', '3']);
});

test('what an address asks for is asked of the API, and nonsense is left out', () => {
  const query = readQuery(
    new URLSearchParams(
      'q=wizzard&genre=Fantasy&genre=Fantasy&genre=Musical&yearFrom=1930&yearTo=x&sort=nope&minScore=7',
    ),
  );
  expect(query).toMatchObject({ genres: ['Fantasy', 'Musical'], yearFrom: '1930', yearTo: '', sort: '' });
  expect(queryOf(toApiQuery(query))).toBe('?q=wizzard&genre=Fantasy&genre=Musical&yearFrom=1930&minScore=7');
  expect(isNarrowed(query)).toBe(true);
  expect(isNarrowed(readQuery(new URLSearchParams('sort=title')))).toBe(false);
});

test('years are counted by decades, the latest first', () => {
  const years = [1939, 1931, 1999, 2001].map((value) => ({ value, count: 2 }));
  expect(decadesOf(years)).toEqual([
    { from: 2000, count: 2 },
    { from: 1990, count: 2 },
    { from: 1930, count: 4 },
  ]);
});

test('a movie goes into a form and comes out of it as it was', () => {
  const id = '01a1fffa-d046-7634-8f76-d313d2bb6371';
  const fields = {
    ...{
      title: 'The Wizard of Oz',
      originalTitle: null,
      year: 1939,
      directors: ['Victor Fleming', 'King Vidor'],
    },
    ...{
      genres: [],
      score: 8.1,
      popularity: null,
      runtimeMinutes: 102,
      synopsis: 'A storm.',
      poster: null,
      videoId: id,
    },
  };
  const movie = { ...fields, id, createdAt: '', updatedAt: '' } as Movie;
  expect(movieOf(fieldsOf(movie))).toEqual(fields);
  expect(
    movieOf({
      ...NO_FIELDS,
      title: ' x ',
      score: '7,5',
      videoId: `http://here/watch/${id.toUpperCase()}?t=3`,
    }),
  ).toMatchObject({
    title: 'x',
    score: 7.5,
    videoId: id,
  });
});
