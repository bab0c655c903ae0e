import { QUERY_WORDS_MAX } from '../limits.ts';
import { queryWordsOf } from '../text.ts';
import type { CatalogIndex } from './catalog-index.ts';
import { EVERYTHING } from './query.ts';
import type { Searcher } from './searcher.ts';

export interface Suggestion {
  readonly kind: 'movie' | 'director';
  readonly text: string;
  readonly movieId?: string;
  readonly year?: number | null;
}

export interface SuggestionsOptions {
  readonly index: Pick<CatalogIndex, 'run'>;
  readonly searcher: Searcher;
}

/** Directors among the suggestions. */
const DIRECTORS_SHARE = 0.25;

/**
 * Titles and directors that somebody who types may mean: the best matches of what has been typed so far. The index has all
 * that is shown of them; the database is not asked.
 */
export async function suggest(
  { index, searcher }: SuggestionsOptions,
  text: string,
  limit: number,
): Promise<readonly Suggestion[]> {
  const words = queryWordsOf(text).slice(0, QUERY_WORDS_MAX);
  if (words.length === 0) return [];
  const query = { ...EVERYTHING, words, isTyping: true, sort: 'relevance' } as const;
  const page = await index.run((snapshot) =>
    searcher.page(snapshot, query, {
      limit: limit * 2,
      after: undefined,
      facets: false,
      forSuggestions: true,
    }),
  );

  const titles = new Map<string, Suggestion>();
  const directors = new Map<string, Suggestion>();
  for (const { id, docs, doc } of page.places) {
    for (const name of docs.directorNamesOf(doc)) {
      const isMeant = words.every((word) => queryWordsOf(name).some((part) => part.startsWith(word)));
      if (isMeant && !directors.has(name)) directors.set(name, { kind: 'director', text: name });
    }
    const title = docs.titleOf(doc);
    const year = docs.yearOf(doc);
    const key = `${title}\n${year}`;
    if (!titles.has(key)) titles.set(key, { kind: 'movie', text: title, movieId: id, year });
  }
  const people = [...directors.values()].slice(0, Math.max(1, Math.floor(limit * DIRECTORS_SHARE)));
  return [...[...titles.values()].slice(0, limit - people.length), ...people];
}
