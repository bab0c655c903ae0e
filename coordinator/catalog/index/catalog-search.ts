import { type Clock, repeat } from '../../../lib/clock/clock.ts';
import type { Logger } from '../../../lib/logging/logger.ts';
import {
  SEARCH_THREAD_MOVIES_MIN,
  SEARCH_WAIT_MS,
  SYNC_INTERVAL_MS,
  THREAD_RESTART_MAX_MS,
  THREAD_RESTART_MIN_MS,
  THREAD_STEADY_MS,
} from '../limits.ts';
import type { IndexedMovie } from '../movie.ts';
import type { ChangedPlaces, IndexChange, IndexSource, SegmentIds, SegmentSummary } from './catalog-index.ts';
import type { CatalogQuery, FacetValue, PageRequest } from './query.ts';
import { type FoundPage, type IndexState, type SearchCalls, SearchCore } from './search-core.ts';
import { SearchLostError, SearchThread } from './search-thread.ts';
import { type BuiltSegment, buildSegment } from './segment-builder.ts';
import type { SegmentStore } from './segment-store.ts';
import type { Suggestion } from './suggestions.ts';

export interface CatalogSearchOptions {
  readonly store: Pick<SegmentStore, 'version'> & IndexSource;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Bytes of segments that are kept in memory; beyond it they are read again. */
  readonly cacheBytesMax: number;
  /** From so many movies on there is a thread; only tests pass others. */
  readonly threadMoviesMin?: number;
  /** What the thread runs; only tests pass another. */
  readonly threadEntry?: URL;
}

/**
 * The index of a catalog: in this thread while the catalog is small, which costs nothing, and in a thread of its own from
 * then on, so that searches hold up nobody but each other. When that thread ends, whoever waits for it fails as `too_busy`,
 * and another one is started; until it knows what the database has, searches wait for it, and fail alike after
 * `SEARCH_WAIT_MS`. The index follows the database by what it is told, and looks itself every `SYNC_INTERVAL_MS`.
 */
export class CatalogSearch implements SearchCalls, AsyncDisposable {
  readonly #options: CatalogSearchOptions;
  readonly #stop = new AbortController();
  /** What answers; undefined while a thread is being started. */
  #current: SearchCore | SearchThread | undefined;
  /** What will: it is told of changes already. */
  #next: SearchThread | undefined;
  /** Resolves when there is a `#current` again. */
  #arrival = Promise.withResolvers<void>();
  #lastState: IndexState;
  #checking: Promise<void> = Promise.resolve();
  #threads: Promise<void> | undefined;
  #starts = 0;

  private constructor(options: CatalogSearchOptions) {
    this.#options = options;
    const { store: source, cacheBytesMax } = options;
    this.#current = new SearchCore({ source, cacheBytesMax, isWarm: false });
    this.#lastState = this.#current.state;
    this.#arrival.promise.catch(() => {});
  }

  /** Resolves when it has seen how large the catalog is. */
  static async open(options: CatalogSearchOptions): Promise<CatalogSearch> {
    const search = new CatalogSearch(options);
    await search.sync();
    return search;
  }

  get state(): IndexState {
    if (this.#current !== undefined) this.#lastState = this.#current.state;
    return this.#lastState;
  }

  /** Threads that were started: every one but the first took the place of one that had ended. */
  get threadStarts(): number {
    return this.#starts;
  }

  start(): void {
    const { store, clock, logger } = this.#options;
    this.#checking = repeat(clock, SYNC_INTERVAL_MS, this.#stop.signal, async () => {
      try {
        if ((await store.version()) !== this.state.version) await this.sync();
      } catch (error) {
        logger.warn({ err: error }, 'the index of movies could not be compared with the database');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the index is closing'));
    this.#arrival.reject(new SearchLostError(this.#stop.signal.reason));
    const threads = [this.#current, this.#next].filter((place) => place instanceof SearchThread);
    await Promise.all(threads.map((thread) => thread[Symbol.asyncDispose]()));
    await this.#threads;
    await this.#checking;
  }

  async apply(change: IndexChange): Promise<void> {
    await this.#update((place) => place.apply(change));
    // Whatever was answered before is void even while nobody answers: it is known by its version.
    if (this.#current === undefined && change.version > this.#lastState.version) {
      this.#lastState = { ...this.#lastState, version: change.version };
    }
  }

  async sync(): Promise<void> {
    await this.#update((place) => place.sync());
  }

  async take(segment: number, built: BuiltSegment): Promise<void> {
    // To take a large one into this thread would hold it up; the other one, which comes now, reads it.
    const isForThread = built.docs >= this.#threadMoviesMin;
    if (this.#current instanceof SearchCore && isForThread) return;
    // It can be read from the database as well.
    await this.#current?.take(segment, built).catch(() => {});
  }

  page(query: CatalogQuery, request: PageRequest): Promise<FoundPage> {
    return this.#ask((place) => place.page(query, request));
  }

  suggest(text: string, limit: number): Promise<readonly Suggestion[]> {
    return this.#ask((place) => place.suggest(text, limit));
  }

  genres(): Promise<readonly FacetValue[]> {
    return this.#ask((place) => place.genres());
  }

  segments(): Promise<readonly SegmentSummary[]> {
    return this.#ask((place) => place.segments());
  }

  idsOf(segment: number): Promise<SegmentIds | null> {
    return this.#ask((place) => place.idsOf(segment));
  }

  changedPlaces(): Promise<ChangedPlaces> {
    return this.#ask((place) => place.changedPlaces());
  }

  /** While a thread is being started, here: who asks may hold the one session of the database that it begins with. */
  async build(movies: readonly IndexedMovie[]): Promise<BuiltSegment> {
    return this.#current === undefined ? buildSegment(movies) : await this.#current.build(movies);
  }

  get #threadMoviesMin(): number {
    return this.#options.threadMoviesMin ?? SEARCH_THREAD_MOVIES_MIN;
  }

  async #ask<Result>(question: (place: SearchCalls) => Promise<Result>): Promise<Result> {
    return await question(this.#current ?? (await this.#arrived()));
  }

  /**
   * When this resolves, whoever asks is answered by an index that has made the update. While there is none that holds as
   * well, and nobody has to wait: the next one begins with what the database has then.
   */
  async #update(update: (place: SearchCalls) => Promise<void>): Promise<void> {
    const place = this.#current ?? this.#next;
    try {
      if (place !== undefined) await update(place);
    } catch (error) {
      // One that has not begun to answer will not: another one follows.
      if (!(error instanceof SearchLostError) && place === this.#current) throw error;
      this.#leave(place!);
    }
    if (this.#current instanceof SearchCore && this.state.movies >= this.#threadMoviesMin) {
      this.#leave(this.#current);
      this.#threads ??= this.#keepThread();
    }
  }

  /** From now on it answers nobody who asks. */
  #leave(place: SearchCore | SearchThread): void {
    if (this.#current !== place) return;
    this.#lastState = place.state;
    this.#current = undefined;
    this.#arrival = Promise.withResolvers();
    this.#arrival.promise.catch(() => {});
  }

  async #arrived(): Promise<SearchCalls> {
    for (;;) {
      if (this.#stop.signal.aborted) throw new SearchLostError(this.#stop.signal.reason);
      const late = Promise.withResolvers<never>();
      const cancel = this.#options.clock.after(SEARCH_WAIT_MS, () =>
        late.reject(new SearchLostError(undefined)),
      );
      await Promise.race([this.#arrival.promise, late.promise]).finally(cancel);
      if (this.#current !== undefined) return this.#current;
    }
  }

  /** Has a thread answer, and another one when that has ended, until this is disposed of. */
  async #keepThread(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    let delayMs = 0;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const reason = await this.#runThread().catch((error: unknown) => error);
      if (signal.aborted) return;
      logger.error({ err: reason }, 'the thread that finds movies ended and is started again');
      const wasSteady = clock.monotonicMs() - startedMs >= THREAD_STEADY_MS;
      delayMs = wasSteady ? 0 : Math.min(Math.max(delayMs * 2, THREAD_RESTART_MIN_MS), THREAD_RESTART_MAX_MS);
      await clock.sleep(delayMs, signal).catch(() => {});
    }
  }

  /** Resolves with why the thread has ended; rejects when its index could not be filled. */
  async #runThread(): Promise<Error> {
    const { store: source, cacheBytesMax, threadEntry: entry } = this.#options;
    const thread = SearchThread.start({ source, cacheBytesMax, entry });
    this.#starts += 1;
    this.#next = thread;
    try {
      await thread.sync();
      this.#current = thread;
      this.#arrival.resolve();
    } catch (error) {
      await thread[Symbol.asyncDispose]();
      throw error;
    } finally {
      this.#next = undefined;
    }
    const reason = await thread.ended;
    this.#leave(thread);
    return reason;
  }
}
