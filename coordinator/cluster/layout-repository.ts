import { sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import { decodeLayout, encodeLayout, type Layout } from '../../lib/hashring/index.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';

/** The log of layouts: epochs 1, 2, 3 and so on without a gap. A layout in it never changes. */
export class LayoutRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The epoch of the latest layout; 0 when there is none. */
  async latestEpoch(within?: Transaction): Promise<number> {
    const row = await (within ?? this.#database)
      .selectFrom('layouts')
      .select(({ fn }) => fn.max('epoch').as('epoch'))
      .executeTakeFirst();
    return row?.epoch ?? 0;
  }

  /** Null when there is no layout yet. */
  async latest(): Promise<Layout | null> {
    const row = await this.#database
      .selectFrom('layouts')
      .select('encoded')
      .orderBy('epoch', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : decodeLayout(row.encoded);
  }

  /** Null when there is no such epoch. */
  async byEpoch(epoch: number, within?: Transaction): Promise<Layout | null> {
    const row = await (within ?? this.#database)
      .selectFrom('layouts')
      .select('encoded')
      .where('epoch', '=', epoch)
      .executeTakeFirst();
    return row === undefined ? null : decodeLayout(row.encoded);
  }

  /**
   * Compare-and-set: stores the layout if its epoch follows the latest one. Of several coordinators that
   * append the same epoch exactly one succeeds; the others get `conflict` and must look again. Within a
   * transaction the outcome holds when that commits, and a conflict leaves the transaction usable.
   */
  async append(layout: Layout, within?: Transaction): Promise<void> {
    const encoded = encodeLayout(layout);
    // Epochs are never deleted, so the one before either is there for good or the epoch does not follow.
    const { rows } = await sql`
      insert into layouts (epoch, encoded)
      select ${layout.epoch}::integer, ${encoded}::bytea
      where coalesce((select max(epoch) from layouts), 0) = ${layout.epoch}::integer - 1
      on conflict (epoch) do nothing
      returning epoch
    `.execute(within ?? this.#database);
    if (rows.length === 0) {
      throw new AppError<ErrorCode>('conflict', `Layout ${layout.epoch} does not follow the latest one.`, {
        retryable: true,
      });
    }
  }
}
