import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { v7 as uuidv7 } from 'uuid';
import { freeNow } from '../../../lib/bytes/free-now.ts';
import type { YoungGarbage } from '../../../lib/bytes/young-garbage.ts';
import { type Clock, repeat } from '../../../lib/clock/clock.ts';
import { AppError } from '../../../lib/errors/app-error.ts';
import type { Logger } from '../../../lib/logging/logger.ts';
import type { Database, Transaction } from '../../database/database.ts';
import type { Leases } from '../../database/leases.ts';
import type { ErrorCode } from '../../errors.ts';
import { invalidRequest } from '../../parse-fields.ts';
import type { IndexChange } from '../index/catalog-index.ts';
import type { CatalogSearch } from '../index/catalog-search.ts';
import type { IndexUpkeep } from '../index/index-upkeep.ts';
import type { SegmentStore } from '../index/segment-store.ts';
import {
  CHANGES_MAX,
  IMPORT_BUFFER_BYTES,
  IMPORT_BYTES_MAX,
  IMPORT_IDLE_TIMEOUT_MS,
  IMPORT_LEASE_MS,
  IMPORT_ROWS,
} from '../limits.ts';
import type { MovieCache } from '../movie-cache.ts';
import type { MovieRepository } from '../movie-repository.ts';
import type { ImportReport } from '../schema.ts';
import type { CallName, FromThread, ImportThreadData, ToThread } from './import-messages.ts';
import type { ImportCalls, ImportOutcome } from './import-pipeline.ts';
import type { ImportRepository } from './import-repository.ts';
import { columnsOf, type MovieRow } from './movie-columns.ts';
import type { MovieCopy } from './movie-copy.ts';

export interface ImporterOptions {
  readonly database: Database;
  readonly repository: ImportRepository;
  readonly movies: MovieRepository;
  readonly cache: MovieCache;
  readonly store: SegmentStore;
  readonly index: Pick<CatalogSearch, 'apply' | 'take' | 'state'>;
  readonly upkeep: Pick<IndexUpkeep, 'flush'>;
  readonly leases: Leases;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly announce: (transaction: Transaction, change: IndexChange) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of what comes in and goes to the database in buffers. */
  readonly garbage: Pick<YoungGarbage, 'add'>;
}

type Mode = ImportReport['mode'];

const LEASE = 'movie-import';
/** Announced by their ids; more of them are read again as a whole. */
const ANNOUNCED_IDS_MAX = 100;
const REMOVED_ROWS = 1000;
const FOREIGN_KEY_VIOLATION = '23503';

/**
 * Takes files of movies, one at a time for all coordinators. An atomic import is decided in one transaction at its end:
 * until then nobody sees its movies, and whatever ends it takes them back; from then on its updates are made even if
 * another coordinator has to. With keep-going each segment counts once it is published, and the same file once more
 * adds the rest.
 */
export class Importer implements AsyncDisposable {
  readonly #options: ImporterOptions;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #isRunning = false;

  constructor(options: ImporterOptions) {
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new AppError<ErrorCode>('database_unavailable', 'The server is stopping.'));
    await this.#running.catch(() => {});
  }

  /**
   * Rejects with `import_running`, `incomplete_body`, `invalid_json` when the file is broken (with the report of what
   * was taken all the same), or `import_rejected` when an atomic import had anything to reject.
   */
  async run(body: Readable, mode: Mode, gone: AbortSignal): Promise<ImportReport> {
    const { leases } = this.#options;
    if (!(await leases.acquire(LEASE, IMPORT_LEASE_MS)) || this.#isRunning) {
      throw new AppError<ErrorCode>('import_running', 'Another import is running.', { retryable: true });
    }
    this.#isRunning = true;
    const ended = new AbortController();
    const signal = AbortSignal.any([gone, ended.signal, this.#stop.signal]);
    const renewals = this.#keepLease(ended);
    try {
      const running = this.#recover().then(() => this.#run(body, mode, signal));
      this.#running = running;
      return await running;
    } finally {
      ended.abort();
      await renewals;
      this.#isRunning = false;
      await leases.release(LEASE);
    }
  }

  /** Ends what a coordinator that died has left. */
  async recoverOnce(): Promise<void> {
    const { repository, leases } = this.#options;
    if (this.#isRunning || (await repository.unfinished()).length === 0) return;
    if (!(await leases.acquire(LEASE, IMPORT_LEASE_MS)) || this.#isRunning) return;
    this.#isRunning = true;
    const ended = new AbortController();
    const renewals = this.#keepLease(ended);
    try {
      this.#running = this.#recover();
      await this.#running;
    } finally {
      ended.abort();
      await renewals;
      this.#isRunning = false;
      await leases.release(LEASE);
    }
  }

  async #keepLease(ended: AbortController): Promise<void> {
    const { leases, clock } = this.#options;
    await repeat(clock, IMPORT_LEASE_MS / 3, ended.signal, async () => {
      const isOurs = await leases.renew(LEASE, IMPORT_LEASE_MS).catch(() => true);
      if (!isOurs) {
        const lost = new AppError<ErrorCode>('conflict', 'The import took too long to answer.', {
          retryable: true,
        });
        ended.abort(lost);
      }
    });
  }

  async #recover(): Promise<void> {
    for (const { id, committed, publishedTo } of await this.#options.repository.unfinished()) {
      this.#options.logger.info({ importId: id, committed }, 'an import that broke off is ended');
      if (committed) await this.#complete(id);
      else await this.#takeBack(id, publishedTo);
    }
  }

  async #run(body: Readable, mode: Mode, signal: AbortSignal): Promise<ImportReport> {
    const { repository } = this.#options;
    const importId = uuidv7();
    await repository.begin(importId, mode);
    const run = new ImportRun(this.#options, importId, mode, signal);
    try {
      const { report, broken } = await run.read(body);
      if (mode === 'atomic') {
        if (broken !== undefined || report.rejected > 0) {
          await this.#takeBack(importId, null);
          const nothing = { ...report, added: 0, updated: 0 };
          throw broken === undefined ? rejected(nothing) : brokenFile(broken, nothing);
        }
        await run.commit();
      }
      await this.#complete(importId);
      if (broken !== undefined) throw brokenFile(broken, report);
      return report;
    } catch (error) {
      // What a decided import still has to do, `recoverOnce` does.
      const left = (await repository.unfinished()).find(({ id }) => id === importId);
      if (left !== undefined && !left.committed) await this.#takeBack(importId, left.publishedTo);
      throw error;
    }
  }

  /** Makes the updates of an import that counts, a few at a time, and forgets it. */
  async #complete(importId: string): Promise<void> {
    const { repository } = this.#options;
    for (;;) {
      const waiting = await repository.someUpdates(importId, IMPORT_ROWS);
      if (waiting.length === 0) break;
      const rows = waiting.map(({ movie }) => JSON.parse(movie) as MovieRow);
      await updateMovies(this.#options, rows, (transaction) =>
        repository.removeUpdates(
          transaction,
          importId,
          waiting.map(({ movieId }) => movieId),
        ),
      );
    }
    await repository.end(importId);
  }

  /** Removes what nobody has seen, a few at a time. */
  async #takeBack(importId: string, publishedTo: string | null): Promise<void> {
    const { repository } = this.#options;
    await repository.removeSegments(importId);
    let last = publishedTo;
    do last = await repository.removeHidden(importId, last, REMOVED_ROWS);
    while (last !== null);
    await repository.end(importId);
  }
}

/** One import: its thread, and the calls that the thread makes. */
class ImportRun {
  readonly #options: ImporterOptions;
  readonly #importId: string;
  readonly #mode: Mode;
  readonly #signal: AbortSignal;
  readonly #calls: ImportCalls;
  readonly #underWay = new Set<Promise<unknown>>();
  #lastId: string;

  constructor(options: ImporterOptions, importId: string, mode: Mode, signal: AbortSignal) {
    this.#options = options;
    this.#importId = importId;
    this.#mode = mode;
    this.#signal = signal;
    this.#lastId = importId;
    const { repository, movies, database } = options;
    this.#calls = {
      nameGenres: (genres) => movies.nameGenres(database, genres),
      lookUp: (identities) => repository.lookUp(identities),
      insert: (copy) => this.#insert(copy).catch(rethrow),
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

/** Updates movies that no person has touched, for everybody to see; returns how many. */
async function updateMovies(
  options: ImporterOptions,
  rows: readonly MovieRow[],
  alongside?: (transaction: Transaction) => Promise<void>,
): Promise<number> {
  const { store, index, cache, repository, upkeep, inTransaction, announce } = options;
  const columns = columnsOf(rows);
  const [ids, change] = await inTransaction(async (transaction): Promise<[string[], IndexChange]> => {
    const version = await store.lock(transaction);
    const ids = await repository.update(transaction, columns).catch(rethrow);
    await store.addChanges(transaction, ids);
    await alongside?.(transaction);
    const change = { version, ids: ids.length <= ANNOUNCED_IDS_MAX ? ids : undefined };
    await announce(transaction, change);
    return [ids, change];
  });
  for (const id of ids) cache.invalidate(id);
  await index.apply(change);
  if (index.state.changes >= CHANGES_MAX) await upkeep.flush();
  return ids.length;
}

function rejected(report: ImportReport): AppError {
  return new AppError<ErrorCode>(
    'import_rejected',
    `Nothing was changed: ${report.rejected} movies cannot be taken.`,
    { details: { report } },
  );
}

function brokenFile(broken: NonNullable<ImportOutcome['broken']>, report: ImportReport): AppError {
  const { byte, line, message } = broken;
  const text = `The file is broken at byte ${byte} (line ${line}): ${message}.`;
  return new AppError<ErrorCode>('invalid_json', text, { details: { byte, line, report } });
}

function rethrow(error: unknown): never {
  if ((error as { code?: unknown }).code === FOREIGN_KEY_VIOLATION) {
    throw invalidRequest([{ field: 'videoId', message: 'there is no such video' }]);
  }
  throw error;
}
