import { Worker } from 'node:worker_threads';
import { AppError } from '../../../lib/errors/app-error.ts';
import type { ErrorCode } from '../../errors.ts';
import type { IndexedMovie } from '../movie.ts';
import { CallPort } from './call-port.ts';
import type { ChangedPlaces, IndexChange, IndexSource, SegmentIds, SegmentSummary } from './catalog-index.ts';
import type { CatalogQuery, FacetValue, PageRequest } from './query.ts';
import type { FoundPage, IndexState, SearchCalls } from './search-core.ts';
import type { BuiltSegment } from './segment-builder.ts';
import type { Suggestion } from './suggestions.ts';

export interface SearchThreadOptions {
  readonly source: IndexSource;
  readonly cacheBytesMax: number;
  /** What the thread runs; only tests pass another. */
  readonly entry?: URL | undefined;
}

/** What the thread is given when it starts. */
export interface SearchThreadData {
  readonly cacheBytesMax: number;
}

/** The thread ended before it had answered. */
export class SearchLostError extends AppError<ErrorCode> {
  constructor(cause: unknown) {
    super('too_busy', 'What finds movies is being started again.', { cause, retryable: true });
  }
}

const ENTRY = new URL('./search-thread-main.ts', import.meta.url);

/** A `SearchCore` in a thread of its own, which reads through this one. Its index is empty until it is synced. */
export class SearchThread implements SearchCalls, AsyncDisposable {
  /** Resolves with the reason when the thread has ended, however it did; whoever waits for it has failed then. */
  readonly ended: Promise<Error>;
  readonly #source: IndexSource;
  readonly #worker: Worker;
  readonly #calls: CallPort;
  #state: IndexState = { version: -1, movies: 0, changes: 0, cachedBytes: 0 };

  private constructor({ source, cacheBytesMax, entry = ENTRY }: SearchThreadOptions) {
    this.#source = source;
    const data: SearchThreadData = { cacheBytesMax };
    this.#worker = new Worker(entry, { workerData: data });
    this.#calls = new CallPort(this.#worker, (name, args) => this.#answer(name, args));
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.#worker.once('error', resolve);
    this.#worker.once('exit', (code) => resolve(new Error(`the thread ended with ${code}`)));
    this.ended = promise.then((reason) => {
      this.#calls.close(new SearchLostError(reason));
      return reason;
    });
  }

  static start(options: SearchThreadOptions): SearchThread {
    return new SearchThread(options);
  }

  get state(): IndexState {
    return this.#state;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
    await this.ended;
  }

  apply(change: IndexChange): Promise<void> {
    return this.#calls.call('apply', [change]);
  }

  sync(): Promise<void> {
    return this.#calls.call('sync', []);
  }

  /** Its bytes go to the thread: they cannot be used here any more. */
  take(segment: number, built: BuiltSegment): Promise<void> {
    const transfer = [built.docsPart.buffer, built.termsPart.buffer] as ArrayBuffer[];
    return this.#calls.call('take', [segment, built], transfer);
  }

  page(query: CatalogQuery, request: PageRequest): Promise<FoundPage> {
    return this.#calls.call('page', [query, request]);
  }

  suggest(text: string, limit: number): Promise<readonly Suggestion[]> {
    return this.#calls.call('suggest', [text, limit]);
  }

  genres(): Promise<readonly FacetValue[]> {
    return this.#calls.call('genres', []);
  }

  segments(): Promise<readonly SegmentSummary[]> {
    return this.#calls.call('segments', []);
  }

  idsOf(segment: number): Promise<SegmentIds | null> {
    return this.#calls.call('idsOf', [segment]);
  }

  changedPlaces(): Promise<ChangedPlaces> {
    return this.#calls.call('changedPlaces', []);
  }

  build(movies: readonly IndexedMovie[]): Promise<BuiltSegment> {
    return this.#calls.call('build', [movies]);
  }

  async #answer(name: string, args: readonly unknown[]): Promise<unknown> {
    if (name === 'tellState') {
      this.#state = args[0] as IndexState;
      return undefined;
    }
    const method = this.#source[name as keyof IndexSource] as (
      ...given: readonly unknown[]
    ) => Promise<unknown>;
    return await method.apply(this.#source, [...args]);
  }
}
