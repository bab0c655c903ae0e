import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { invalidRequest } from '../parse-fields.ts';
import type { Cursors } from './cursor.ts';
import { identityOf } from './identity.ts';
import type { IndexChange } from './index/catalog-index.ts';
import type { CatalogSearch } from './index/catalog-search.ts';
import type { CatalogQuery, Facets, FacetValue } from './index/query.ts';
import type { SegmentStore } from './index/segment-store.ts';
import { QUERY_WORDS_MAX } from './limits.ts';
import type { Movie, MovieFields } from './movie.ts';
import type { CachedMovie, MovieCache } from './movie-cache.ts';
import type { MovieRepository } from './movie-repository.ts';
import type { MovieChanges, MovieListQuery } from './schema.ts';
import { normalizeText, queryWordsOf } from './text.ts';

export interface CatalogServiceOptions {
  readonly movies: MovieRepository;
  readonly cache: MovieCache;
  readonly store: SegmentStore;
  readonly index: Pick<CatalogSearch, 'apply' | 'page' | 'genres'>;
  readonly cursors: Cursors;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** Tells all coordinators, once the transaction commits. */
  readonly announce: (transaction: Transaction, change: IndexChange) => Promise<void>;
  readonly clock: Clock;
}

/** Which state of a movie a change is meant for; absent means whatever it is now. */
export type VersionTest = (movie: Movie) => boolean;

export interface MoviePage {
  readonly movies: readonly CachedMovie[];
  readonly nextCursor: string | null;
  readonly facets: Facets | undefined;
}

const FOREIGN_KEY_VIOLATION = '23503';

/** Movies that administrators add, change and remove, and everybody finds. */
export class CatalogService {
  readonly #options: CatalogServiceOptions;

  constructor(options: CatalogServiceOptions) {
    this.#options = options;
  }

  /** When this resolves, the movie can be found. Rejects with `invalid_request` when there is no such video. */
  async create(fields: MovieFields): Promise<Movie> {
    const id = uuidv7();
    return await this.#change(id, async (transaction) => {
      const genres = await this.#options.movies.nameGenres(transaction, fields.genres);
      const movie = { ...fields, genres };
      return await this.#options.movies.insert(transaction, id, movie, identityOf(movie));
    });
  }

  /** Rejects with `movie_not_found`, `precondition_failed`, or like `create`. */
  async replace(id: string, fields: MovieFields, accepts?: VersionTest): Promise<Movie> {
    return await this.#edit(id, () => fields, accepts);
  }

  /** What is not among the changes stays. Rejects like `replace`. */
  async change(id: string, changes: MovieChanges, accepts?: VersionTest): Promise<Movie> {
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    for (const list of ['directors', 'genres']) if (given[list] === null) given[list] = [];
    return await this.#edit(id, (current) => ({ ...current, ...given }), accepts);
  }

  /** A video that it plays stays. Rejects with `movie_not_found` or `precondition_failed`. */
  async delete(id: string, accepts?: VersionTest): Promise<void> {
    await this.#change(id, async (transaction) => {
      await this.#lock(transaction, id, accepts);
      await this.#options.movies.delete(transaction, id);
    });
  }

  /** The movie if it is in memory. */
  cached(id: string): CachedMovie | undefined {
    return this.#options.cache.peek(id);
  }

  /** Rejects with `movie_not_found`. */
  async find(id: string): Promise<CachedMovie> {
    const [movie] = await this.#options.cache.getMany([id]);
    return movie ?? throwNotFound(id);
  }

  /** Rejects with `invalid_request` for a cursor that is not of this list. */
  async list(wanted: MovieListQuery): Promise<MoviePage> {
    const { index, cursors, cache } = this.#options;
    const query = toQuery(wanted);
    if (wanted.q.trim() !== '' && query.words.length === 0) {
      // Nothing but punctuation: no movie is found by that.
      return { movies: [], nextCursor: null, facets: wanted.facets ? NO_FACETS : undefined };
    }
    const { limit, facets } = wanted;
    const after = wanted.cursor === undefined ? undefined : cursors.decode(query, wanted.cursor);
    const page = await index.page(query, { limit, after, facets });
    const movies = await cache.getMany(page.places.map(({ id }) => id));
    const last = page.places.at(-1);
    return {
      movies,
      nextCursor: page.hasMore && last !== undefined ? cursors.encode(query, page.effort, last) : null,
      facets: page.facets,
    };
  }

  /** Every genre that a movie has, by name, with the number of its movies. */
  async genres(): Promise<readonly FacetValue[]> {
    return await this.#options.index.genres();
  }

  async #edit(
    id: string,
    edit: (current: Movie) => MovieFields,
    accepts: VersionTest | undefined,
  ): Promise<Movie> {
    const { movies } = this.#options;
    return await this.#change(id, async (transaction) => {
      const wanted = edit(await this.#lock(transaction, id, accepts));
      const genres = await movies.nameGenres(transaction, wanted.genres);
      return await movies.update(transaction, id, { ...wanted, genres });
    });
  }

  async #lock(transaction: Transaction, id: string, accepts: VersionTest | undefined): Promise<Movie> {
    const current = (await this.#options.movies.lock(transaction, id)) ?? throwNotFound(id);
    if (accepts && !accepts(current)) {
      throw new AppError<ErrorCode>(
        'precondition_failed',
        'The movie is not in the state that If-Match names.',
      );
    }
    return current;
  }

  /** One change of one movie: stored, announced, and shown here, too. */
  async #change<Result>(id: string, work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const { store, index, cache, inTransaction, announce } = this.#options;
    const [result, change] = await inTransaction(async (transaction): Promise<[Result, IndexChange]> => {
      const change = { version: await store.lock(transaction), ids: [id] };
      const result = await work(transaction).catch(rethrow);
      await store.addChanges(transaction, change.ids);
      await announce(transaction, change);
      return [result, change];
    });
    cache.invalidate(id);
    await index.apply(change);
    return result;
  }
}

const NO_FACETS: Facets = { genres: [], years: [], directors: [], directorsSampled: false };

function toQuery(wanted: MovieListQuery): CatalogQuery {
  const { q, genre, director, minScore, maxScore, yearFrom, yearTo, sort } = wanted;
  const words = queryWordsOf(q).slice(0, QUERY_WORDS_MAX);
  const genres = genre === undefined ? [] : [genre].flat();
  return {
    words,
    // Who has typed a blank has finished the word.
    isTyping: !/\s$/.test(q),
    genres: [...new Set(genres.map(normalizeText))].sort(),
    director: director === undefined ? undefined : normalizeText(director),
    minScore,
    maxScore,
    yearFrom,
    yearTo,
    sort: sort ?? (words.length > 0 ? 'relevance' : 'popularity'),
  };
}

function throwNotFound(id: string): never {
  throw new AppError<ErrorCode>('movie_not_found', `There is no movie ${id}.`);
}

function rethrow(error: unknown): never {
  if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) {
    throw invalidRequest([{ field: 'videoId', message: 'there is no such video' }]);
  }
  throw error;
}
