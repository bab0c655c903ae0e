import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { freeNow } from '../../../lib/bytes/free-now.ts';
import type { YoungGarbage } from '../../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../../lib/clock/clock.ts';
import { AppError } from '../../../lib/errors/app-error.ts';
import type { Database } from '../../database/database.ts';
import type { ErrorCode } from '../../errors.ts';
import { IMPORT_BUFFER_BYTES, IMPORT_BYTES_MAX, IMPORT_IDLE_TIMEOUT_MS } from '../limits.ts';
import type { MovieRepository } from '../movie-repository.ts';
import type { ImportReport } from '../schema.ts';
import type { CallName, FromThread, ImportThreadData, ToThread } from './import-messages.ts';
import type { ImportCalls, ImportOutcome } from './import-pipeline.ts';
import type { MovieRow } from './movie-columns.ts';
import type { MovieCopy } from './movie-copy.ts';
import { refuseUnknownVideo, type UpdateMoviesOptions, updateMovies } from './update-movies.ts';

export interface ImportRunOptions extends UpdateMoviesOptions {
  readonly database: Database;
  readonly movies: MovieRepository;
  readonly clock: Clock;
  /** Told of what comes in and goes to the database in buffers. */
  readonly garbage: Pick<YoungGarbage, 'add'>;
}

/** One import: its thread, and the calls that the thread makes. */
export class ImportRun {
  readonly #options: ImportRunOptions;
  readonly #importId: string;
  readonly #mode: ImportReport['mode'];
  readonly #signal: AbortSignal;
  readonly #calls: ImportCalls;
  readonly #underWay = new Set<Promise<unknown>>();
  #lastId: string;

  constructor(options: ImportRunOptions, importId: string, mode: ImportReport['mode'], signal: AbortSignal) {
    this.#options = options;
    this.#importId = importId;
    this.#mode = mode;
    this.#signal = signal;
    this.#lastId = importId;
    const { repository, movies, database } = options;
    this.#calls = {
      nameGenres: (genres) => movies.nameGenres(database, genres),
      lookUp: (identities) => repository.lookUp(identities),
      insert: (copy) => this.#insert(copy).catch(refuseUnknownVideo),
      update: (rows) => this.#update(rows),
      publish: (segment, lastId) => this.#publish(segment, lastId),
    };
  }

  /** Passes the body to the thread, no faster than that takes it. */
  async read(body: Readable): Promise<ImportOutcome> {
    this.#signal.throwIfAborted();
    const data: ImportThreadData = { mode: this.#mode, importId: this.#importId };
    const worker = new Worker(new URL('./import-thread-main.ts', import.meta.url), { workerData: data });
    const outcome = Promise.withResolvers<ImportOutcome>();
    const credit = new Credit();
    const fail = (error: unknown) => {
      outcome.reject(error);
      credit.fail(error);
    };
    const onAbort = () => fail(this.#signal.reason);
    this.#signal.addEventListener('abort', onAbort, { once: true });
    const send = (message: ToThread) => worker.postMessage(message);
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`the thread of an import ended with ${code}`)));
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'taken') credit.give(message.bytes);
      else if (message.kind === 'done') outcome.resolve(message.outcome);
      else {
        const { id, name, args } = message;
        const call: Promise<unknown> = this.#call(name, args)
          .then((value) => send({ kind: 'answer', id, value }), fail)
          .finally(() => this.#underWay.delete(call));
        this.#underWay.add(call);
      }
    });
    outcome.promise.catch(() => {});
    try {
      await this.#pump(body, send, credit);
      return await outcome.promise;
    } finally {
      this.#signal.removeEventListener('abort', onAbort);
      await worker.terminate();
      // What is taken back must not arrive later.
      await Promise.all(this.#underWay);
    }
  }

  /** All of it counts from here on. */
  async commit(): Promise<void> {
    const { store, index, repository, inTransaction, announce } = this.#options;
    this.#signal.throwIfAborted();
    const change = await inTransaction(async (transaction) => {
      const change = { version: await store.lock(transaction) };
      await repository.commit(transaction, this.#importId, this.#lastId);
      await announce(transaction, change);
      return change;
    });
    await index.apply(change);
  }

  async #pump(body: Readable, send: (message: ToThread) => void, credit: Credit): Promise<void> {
    const { garbage } = this.#options;
    let total = 0;
    const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer<ArrayBuffer>>;
    for (;;) {
      const { done, value } = await this.#next(chunks, credit);
      if (done) break;
      total += value.length;
      if (total > IMPORT_BYTES_MAX) {
        throw new AppError<ErrorCode>('body_too_large', `The limit is ${IMPORT_BYTES_MAX} bytes.`);
      }
      send({ kind: 'bytes', bytes: value });
      garbage.add(value.length);
      await credit.take(value.length);
    }
    send({ kind: 'end' });
  }

  /** The next piece of the body; rejects when it ends early, stays away or the import has failed. */
  async #next(
    chunks: AsyncIterator<Buffer<ArrayBuffer>>,
    credit: Credit,
  ): Promise<IteratorResult<Buffer<ArrayBuffer>>> {
    const late = Promise.withResolvers<never>();
    const cancel = this.#options.clock.after(IMPORT_IDLE_TIMEOUT_MS, () =>
      late.reject(new AppError<ErrorCode>('request_timeout', 'The body stopped arriving.')),
    );
    try {
      return await Promise.race([chunks.next(), late.promise, credit.failure]);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
        throw new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.', {
          cause: error,
        });
      }
      throw error;
    } finally {
      cancel();
    }
  }

  async #call(name: CallName, args: readonly unknown[]): Promise<unknown> {
    this.#signal.throwIfAborted();
    const method = this.#calls[name] as (...given: readonly unknown[]) => Promise<unknown>;
    return await method(...args);
  }

  async #insert(copy: MovieCopy): Promise<void> {
    await this.#options.repository.insert(copy);
    // Had it failed, a part might still be on its way.
    freeNow(copy.bytes);
  }

  async #update(rows: readonly MovieRow[]): Promise<number> {
    if (this.#mode === 'keep-going') return await updateMovies(this.#options, rows);
    const ids = rows.map(({ id }) => id);
    const movies = rows.map((row) => JSON.stringify(row));
    await this.#options.repository.addUpdates(this.#importId, ids, movies);
    return rows.length;
  }

  async #publish(...[segment, lastId]: Parameters<ImportCalls['publish']>): Promise<void> {
    const { database, store, index, repository, garbage, inTransaction, announce } = this.#options;
    this.#lastId = lastId;
    const id = await store.insert(database, segment, { importId: this.#importId });
    garbage.add(segment.docsPart.length + segment.termsPart.length);
    if (this.#mode === 'atomic') return;
    const change = await inTransaction(async (transaction) => {
      const change = { version: await store.lock(transaction) };
      await repository.publishSegment(transaction, this.#importId, id, lastId);
      await announce(transaction, change);
      return change;
    });
    await index.take(id, segment);
    await index.apply(change);
  }
}

/** Bytes on their way to the thread. */
class Credit {
  readonly failure: Promise<never>;
  readonly #fail: (error: unknown) => void;
  #used = 0;
  #wake: (() => void) | undefined;

  constructor() {
    const failure = Promise.withResolvers<never>();
    failure.promise.catch(() => {});
    this.failure = failure.promise;
    this.#fail = failure.reject;
  }

  /** Resolves when there is room for more. */
  async take(bytes: number): Promise<void> {
    this.#used += bytes;
    while (this.#used > IMPORT_BUFFER_BYTES) {
      const room = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await Promise.race([room, this.failure]);
    }
  }

  give(bytes: number): void {
    this.#used -= bytes;
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#fail(error);
  }
}
