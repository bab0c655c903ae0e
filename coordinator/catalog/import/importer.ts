import type { Readable } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import { repeat } from '../../../lib/clock/clock.ts';
import { AppError } from '../../../lib/errors/app-error.ts';
import type { Logger } from '../../../lib/logging/logger.ts';
import type { Leases } from '../../database/leases.ts';
import type { ErrorCode } from '../../errors.ts';
import { IMPORT_LEASE_MS, IMPORT_ROWS } from '../limits.ts';
import type { ImportReport } from '../schema.ts';
import type { ImportOutcome } from './import-pipeline.ts';
import { ImportRun, type ImportRunOptions } from './import-run.ts';
import type { MovieRow } from './movie-columns.ts';
import { updateMovies } from './update-movies.ts';

export interface ImporterOptions extends ImportRunOptions {
  readonly leases: Leases;
  readonly logger: Logger;
}

type Mode = ImportReport['mode'];

const LEASE = 'movie-import';
const REMOVED_ROWS = 1000;

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
