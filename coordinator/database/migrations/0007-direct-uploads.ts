import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  // The bytes of direct uploads never pass a coordinator: their SHA-256 is computed afterwards.
  sql`alter table objects drop constraint objects_check1`,
  sql`alter table objects add constraint objects_committed_size check (state <> 'committed' or size is not null)`,
  sql`alter table videos alter column sha256 drop not null`,
  sql`create index videos_without_sha256 on videos (id) where sha256 is null`,
];

/** Videos whose bytes clients send to the storage nodes themselves. */
export const directUploads: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
