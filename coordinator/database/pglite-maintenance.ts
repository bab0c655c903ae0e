import { sql } from 'kysely';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import {
  CHECKPOINT_AGE_MS,
  CHECKPOINT_LOOK_INTERVAL_MS,
  CHECKPOINT_WAL_BYTES,
  EARLY_WAL_BYTES_MAX,
  EARLY_WAL_BYTES_MIN,
  LOOKS_PER_ROUND,
  VACUUM_ROWS_MIN,
  VACUUM_ROWS_SHARE,
} from './limits.ts';
import type { Database } from './schema.ts';

export interface PgliteMaintenanceOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * What PostgreSQL's background processes do, and PGlite, which is one process, leaves undone: checkpoints, without
 * which the write-ahead log grows for ever and a start after a crash replays all of it, and vacuuming.
 */
export class PgliteMaintenance implements AsyncDisposable {
  readonly #options: PgliteMaintenanceOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  /** Bytes that the last look found. */
  #lastWal = 0;

  constructor(options: PgliteMaintenanceOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, logger } = this.#options;
    let looks = 0;
    this.#loop = repeat(clock, CHECKPOINT_LOOK_INTERVAL_MS, this.#stop.signal, () => {
      const isRound = looks++ % LOOKS_PER_ROUND === 0;
      return (isRound ? this.runOnce() : this.lookOnce()).catch((error: unknown) =>
        logger.warn({ err: error }, 'database maintenance failed'),
      );
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the database is closing'));
    await this.#loop;
  }

  /** Vacuums or analyzes the one table that needs it most, if any does, and makes a checkpoint if one is due. */
  async runOnce(): Promise<void> {
    // In this order, because vacuuming writes too.
    await this.#vacuumOne();
    const { wal, age } = await this.#written();
    // A checkpoint itself writes a little: on an idle database the next one would find something, for ever.
    if (wal >= CHECKPOINT_WAL_BYTES || (wal >= 1024 && age >= CHECKPOINT_AGE_MS)) await this.#checkpoint(wal);
  }

  /**
   * Makes a checkpoint of what little there is, so that nobody waits for much at once. Not while very much is being written:
   * after a checkpoint every page costs more again.
   */
  async lookOnce(): Promise<void> {
    const before = this.#lastWal;
    const { wal } = await this.#written();
    if (wal >= EARLY_WAL_BYTES_MIN && wal - before <= EARLY_WAL_BYTES_MAX) await this.#checkpoint(wal);
  }

  /** Since the last checkpoint. */
  async #written(): Promise<{ wal: number; age: number }> {
    const { rows } = await sql<{ wal: number; age: number }>`
      select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn)::bigint as wal,
        (extract(epoch from now() - checkpoint_time) * 1000)::bigint as age
      from pg_control_checkpoint()
    `.execute(this.#options.database);
    this.#lastWal = rows[0]!.wal;
    return rows[0]!;
  }

  async #checkpoint(wal: number): Promise<void> {
    await this.#run('checkpoint', { wal });
    this.#lastWal = 0;
  }

  async #vacuumOne(): Promise<void> {
    const { database } = this.#options;
    // Counts stay with the session until it is idle, which PGlite's never is.
    await sql`select pg_stat_force_next_flush()`.execute(database);
    const { rows } = await sql<{ name: string; dead: number; changed: number; is_dead: boolean }>`
      select format('%I.%I', schemaname, relname) as name, n_dead_tup as dead, n_mod_since_analyze as changed,
        n_dead_tup > bound as is_dead
      from (
        select *, ${VACUUM_ROWS_MIN}::integer + ${VACUUM_ROWS_SHARE}::float8 * n_live_tup as bound
        from pg_stat_user_tables
      ) as tables
      where n_dead_tup > bound or n_mod_since_analyze > bound
      order by n_dead_tup + n_mod_since_analyze desc limit 1
    `.execute(database);
    for (const { name, dead, changed, is_dead: isDead } of rows) {
      // Rows that are only new need no vacuum, which would read the whole table while everybody waits.
      await this.#run(`${isDead ? 'vacuum (analyze)' : 'analyze'} ${name}`, { dead, changed });
    }
  }

  async #run(statement: string, why: Record<string, number>): Promise<void> {
    const { database, clock, logger } = this.#options;
    const startMs = clock.monotonicMs();
    await sql.raw(statement).execute(database);
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    logger.debug({ statement, ...why, tookMs }, 'database maintenance');
  }
}
