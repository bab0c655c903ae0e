import { sql } from 'kysely';
import type { Database } from './database.ts';

/**
 * Named leases, so that one of several coordinators at a time does a periodic duty. All times are the
 * database's: the holders' clocks do not matter. A lease does not stop its late holder; what it guards must
 * stay harmless when two run for a moment.
 */
export class Leases {
  readonly #database: Database;
  readonly #holder: string;

  /** `holder` is unique to this process. */
  constructor(database: Database, holder: string) {
    this.#database = database;
    this.#holder = holder;
  }

  /** True when this holder has the lease for `ttlMs` from now: it was free, had run out, or was its own. */
  async acquire(name: string, ttlMs: number): Promise<boolean> {
    const row = await this.#database
      .insertInto('leases')
      .values({ name, holder: this.#holder, expires_at: inMs(ttlMs) })
      .onConflict((conflict) =>
        conflict
          .column('name')
          .doUpdateSet({ holder: this.#holder, expires_at: inMs(ttlMs) })
          .where((where) =>
            where.or([
              where('leases.holder', '=', this.#holder),
              where('leases.expires_at', '<=', sql<Date>`clock_timestamp()`),
            ]),
          ),
      )
      .returning('name')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Extends a lease that this holder still has; false when it ran out or went to another. */
  async renew(name: string, ttlMs: number): Promise<boolean> {
    const row = await this.#database
      .updateTable('leases')
      .set({ expires_at: inMs(ttlMs) })
      .where('name', '=', name)
      .where('holder', '=', this.#holder)
      .where('expires_at', '>', sql<Date>`clock_timestamp()`)
      .returning('name')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Gives the lease back at once; nothing happens when another has it. */
  async release(name: string): Promise<void> {
    await this.#database
      .deleteFrom('leases')
      .where('name', '=', name)
      .where('holder', '=', this.#holder)
      .execute();
  }
}

function inMs(ttlMs: number) {
  return sql<Date>`clock_timestamp() + ${ttlMs}::integer * interval '1 millisecond'`;
}
