import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  sql`create table record_writes (
    id uuid primary key,
    object_id uuid not null references objects (id) on delete cascade,
    lease_expires_at timestamptz(3) not null,
    created_at timestamptz(3) not null default clock_timestamp()
  )`,
  sql`create index record_writes_object on record_writes (object_id)`,
];

/** Every manifest lies on the storage nodes as well. */
export const records: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
