import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/*
 * Timestamps have whole milliseconds, like the Date they arrive as: otherwise a keyset cursor would fall between
 * the value in the table and the value that the client was shown.
 */
const STATEMENTS = [
  sql`create table cluster (
    singleton boolean primary key default true check (singleton),
    id uuid not null default gen_random_uuid(),
    created_at timestamptz(3) not null default now(),
    replicas integer not null,
    range_count integer not null,
    admin_token_hash bytea
  )`,

  sql`create table nodes (
    id uuid primary key,
    url text not null,
    zone text not null,
    weight integer not null check (weight >= 0),
    state text not null check (state in ('joined', 'active', 'removed')),
    capacity_bytes bigint not null,
    registered_at timestamptz(3) not null default now(),
    last_seen_at timestamptz(3) not null default now()
  )`,
  // A removed node keeps its row, but its address is free for another.
  sql`create unique index nodes_url_unique on nodes (url) where state <> 'removed'`,

  sql`create table layouts (
    epoch integer primary key check (epoch > 0),
    encoded bytea not null,
    created_at timestamptz(3) not null default now()
  )`,

  sql`create table objects (
    id uuid primary key,
    state text not null check (state in ('open', 'committed')),
    size bigint,
    sha256 bytea,
    lease_expires_at timestamptz(3),
    created_at timestamptz(3) not null default now(),
    check (state <> 'open' or lease_expires_at is not null),
    check (state <> 'committed' or (size is not null and sha256 is not null))
  )`,
  sql`create index objects_open_lease on objects (lease_expires_at) where state = 'open'`,

  sql`create table chunks (
    object_id uuid not null references objects (id) on delete cascade,
    index integer not null,
    id text not null,
    position bigint not null,
    length integer not null,
    checksum bigint not null,
    primary key (object_id, index)
  )`,
  sql`create index chunks_position on chunks (position, id)`,

  sql`create table videos (
    id uuid primary key,
    object_id uuid not null unique references objects (id),
    title text not null,
    description text not null default '',
    filename text,
    content_type text not null,
    size bigint not null,
    sha256 bytea not null,
    version integer not null default 1,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now()
  )`,
  sql`create index videos_newest on videos (created_at desc, id desc)`,

  sql`create table leases (
    name text primary key,
    holder text not null,
    expires_at timestamptz(3) not null
  )`,
];

export const initial: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
