import { batch, signal } from '@preact/signals';
import { ask, isAbort, queryOf } from '../../api/client.ts';
import type { Facets, Movie, MovieList } from '../../api/types.ts';
import { type MovieQuery, toApiQuery } from './movie-query.ts';

const PAGE_LENGTH = 48;
/** Lists that are kept, so that going back shows what was there. */
const LISTS_KEPT = 12;
const KEPT_MS = 60_000;
/** So long browsers may use the server's answers again; who has changed something does not want them to. */
const ANSWERS_KEPT_MS = 30_000;

/** One search: what was found so far, page by page. */
export class MovieListing {
  readonly pages = signal<readonly (readonly Movie[])[]>([]);
  readonly facets = signal<Facets | undefined>(undefined);
  readonly error = signal<unknown>(undefined);
  readonly isLoading = signal(false);
  /** Null: that was all. Undefined: nothing has been asked for yet. */
  readonly nextCursor = signal<string | null | undefined>(undefined);
  readonly madeMs = Date.now();
  readonly #query: MovieQuery;
  #abort = new AbortController();

  constructor(query: MovieQuery) {
    this.#query = query;
  }

  /** Loads the next page, if there is one and it is not under way. */
  async loadMore(): Promise<void> {
    const cursor = this.nextCursor.peek();
    if (cursor === null || this.isLoading.peek()) return;
    this.isLoading.value = true;
    this.error.value = undefined;
    const query = { ...toApiQuery(this.#query), limit: PAGE_LENGTH };
    const place = cursor === undefined ? { facets: true } : { cursor };
    try {
      const signal = this.#abort.signal;
      const list = await ask<MovieList>('GET', '/movies', {
        query: { ...query, ...place },
        signal,
        isFresh: Date.now() - changedMs < ANSWERS_KEPT_MS,
      });
      batch(() => {
        this.pages.value = list.items.length === 0 ? this.pages.value : [...this.pages.value, list.items];
        this.facets.value = list.facets ?? this.facets.value;
        this.nextCursor.value = list.nextCursor;
      });
    } catch (error) {
      if (!isAbort(error)) this.error.value = error;
    } finally {
      this.isLoading.value = false;
    }
  }

  /** Nobody waits for the page that is being loaded; the list itself may be shown and go on again. */
  abandon(): void {
    if (!this.isLoading.peek()) return;
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  get isWorthKeeping(): boolean {
    return this.pages.peek().length > 0 && Date.now() - this.madeMs < KEPT_MS;
  }
}

let changedMs = 0;
const kept = new Map<string, MovieListing>();

/** The list of a query: a kept one if that is wanted, or one that begins anew. */
export function openListing(query: MovieQuery, mayBeKept: boolean): MovieListing {
  const key = queryOf(toApiQuery(query));
  const known = kept.get(key);
  kept.delete(key);
  const listing = mayBeKept && known?.isWorthKeeping ? known : new MovieListing(query);
  kept.set(key, listing);
  const oldest = kept.keys().next().value;
  if (kept.size > LISTS_KEPT && oldest !== undefined) kept.delete(oldest);
  return listing;
}

/** After a change of the catalog. */
export function forgetListings(): void {
  kept.clear();
  changedMs = Date.now();
}
