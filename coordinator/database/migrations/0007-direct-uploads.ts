import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  // The bytes of direct uploads never pass a coordinator: their SHA-256 is computed afterwards.
  sql`alter table objects drop constraint objects_check1`,
  sql`alter table objects add constraint objects_committed_size check (state <> 'committed' or size is not null)`,
  sql`alter table videos alter column sha256 drop not null`,
  sql`create index videos_without_sha256 on videos (id) where sha256 is null`,

  // An upload lives as long as its object: open until its lease runs out, and then as long as the video.
  sql`create table direct_uploads (
    id uuid primary key references objects (id) on delete cascade,
    video_id uuid not null unique,
    owner_id uuid,
    size bigint not null check (size > 0),
    part_bytes integer not null check (part_bytes > 0),
    nonce bytea not null,
    sha256 bytea,
    metadata text not null,
    created_at timestamptz(3) not null default now(),
    completed_at timestamptz(3)
  )`,
  sql`create table direct_parts (
    upload_id uuid not null references direct_uploads (id) on delete cascade,
    index integer not null,
    attempt smallint not null,
    node_id uuid not null,
    primary key (upload_id, index, attempt)
  )`,
];

/** Videos whose bytes clients send to the storage nodes themselves. */
export const directUploads: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
