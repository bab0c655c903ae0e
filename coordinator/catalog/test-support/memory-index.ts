import { readFileSync } from 'node:fs';
import { mapRecord } from '../import/formats.ts';
import { DocsPart } from '../index/docs-part.ts';
import { type CatalogQuery, EVERYTHING, type PageRequest } from '../index/query.ts';
import { Searcher } from '../index/searcher.ts';
import type { Segment, Snapshot } from '../index/segment.ts';
import { buildSegment } from '../index/segment-builder.ts';
import { TermsPart } from '../index/terms-part.ts';
import type { IndexedMovie } from '../movie.ts';
import { newMovieSchema } from '../schema.ts';
import { queryWordsOf } from '../text.ts';

/** The two real files: 246 movies with directors, and 3,201 of vega-datasets. */
export const REAL_FILES = {
  imdb: new URL('./imdb.json', import.meta.url),
  vega: new URL('../../../node_modules/vega-datasets/data/movies.json', import.meta.url),
} as const;

/** The movies of a file that can be taken, with ids in its order. */
export function readMovies(file: URL, firstNumber = 0): IndexedMovie[] {
  const records = JSON.parse(readFileSync(file, 'utf8')) as unknown[];
  return records.flatMap((record, index) => {
    const result = newMovieSchema.safeParse(mapRecord(record).movie);
    return result.success ? [{ id: idOf(firstNumber + index), ...result.data }] : [];
  });
}

export function idOf(number: number): string {
  return `00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`;
}

export function movieOf(number: number, given: Partial<IndexedMovie>): IndexedMovie {
  const nothing = { originalTitle: null, year: null, score: null, popularity: null, synopsis: null };
  return { id: idOf(number), title: `Movie ${number}`, directors: [], genres: [], ...nothing, ...given };
}

export function segmentOf(
  id: number,
  movies: readonly IndexedMovie[],
  dead: Uint8Array | null = null,
): Segment {
  const built = buildSegment(movies);
  const docs = new DocsPart(built.docsPart);
  const terms = new TermsPart(built.termsPart);
  return { id, count: built.docs, dead: () => dead, docs: async () => docs, terms: async () => terms };
}

/** An index without a database. */
export class MemoryIndex {
  readonly #searcher = new Searcher();
  readonly #movies: ReadonlyMap<string, IndexedMovie>;
  readonly #snapshot: Snapshot;

  /** One segment for each list of movies. */
  constructor(...lists: readonly (readonly IndexedMovie[])[]) {
    this.#movies = new Map(lists.flat().map((movie) => [movie.id, movie]));
    this.#snapshot = { version: 1, segments: lists.map((movies, index) => segmentOf(index + 1, movies)) };
  }

  async page(query: Partial<CatalogQuery>, request: Partial<PageRequest> = {}) {
    const wanted = { limit: 20, after: undefined, facets: false, ...request };
    const page = await this.#searcher.page(
      this.#snapshot,
      { ...EVERYTHING, isTyping: true, ...query },
      wanted,
    );
    return { ...page, movies: page.places.map(({ id }) => this.#movies.get(id)!) };
  }

  async titles(text: string, query: Partial<CatalogQuery> = {}): Promise<string[]> {
    const { movies } = await this.page({ words: queryWordsOf(text), sort: 'relevance', ...query });
    return movies.map(({ title }) => title);
  }
}
