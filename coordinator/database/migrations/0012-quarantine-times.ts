import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/** When nodes last set a damaged copy aside: their number alone is the same when one was replaced and another came. */
export const quarantineTimes: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    await sql`alter table nodes add column last_quarantined_at timestamptz`.execute(database);
  },
};
