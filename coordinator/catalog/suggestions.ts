import type { CatalogIndex } from './index/catalog-index.ts';
import type { Searcher } from './index/searcher.ts';
import { QUERY_WORDS_MAX } from './limits.ts';
import type { MovieCache } from './movie-cache.ts';
import type { MovieJson } from './schema.ts';
import { queryWordsOf } from './text.ts';

export interface Suggestion {
  readonly kind: 'movie' | 'director';
  readonly text: string;
  readonly movieId?: string;
  readonly year?: number | null;
}

export interface SuggestionsOptions {
  readonly index: CatalogIndex;
  readonly searcher: Searcher;
  readonly cache: Pick<MovieCache, 'getMany'>;
}

/** Directors among the suggestions. */
const DIRECTORS_SHARE = 0.25;

/** Titles and directors that somebody who types may mean: the best matches of what has been typed so far. */
export async function suggest(
  { index, searcher, cache }: SuggestionsOptions,
  text: string,
  limit: number,
): Promise<readonly Suggestion[]> {
  const words = queryWordsOf(text).slice(0, QUERY_WORDS_MAX);
  if (words.length === 0) return [];
  const query = {
    words,
    isTyping: true,
    genres: [],
    director: undefined,
    minScore: undefined,
    maxScore: undefined,
    yearFrom: undefined,
    yearTo: undefined,
    sort: 'relevance',
  } as const;
  const page = await index.run((snapshot) =>
    searcher.page(snapshot, query, { limit: limit * 2, after: undefined, facets: false, popularOnly: true }),
  );
  const found = await cache.getMany(page.places.map(({ id }) => id));
  const movies = found.map(({ json }) => JSON.parse(json) as MovieJson);

  const titles = new Map<string, Suggestion>();
  const directors = new Map<string, Suggestion>();
  for (const movie of movies) {
    for (const name of movie.directors) {
      const isMeant = words.every((word) => queryWordsOf(name).some((part) => part.startsWith(word)));
      if (isMeant && !directors.has(name)) directors.set(name, { kind: 'director', text: name });
    }
    const key = `${movie.title}\n${movie.year}`;
    if (!titles.has(key)) {
      titles.set(key, { kind: 'movie', text: movie.title, movieId: movie.id, year: movie.year });
    }
  }
  const people = [...directors.values()].slice(0, Math.max(1, Math.floor(limit * DIRECTORS_SHARE)));
  return [...[...titles.values()].slice(0, limit - people.length), ...people];
}
