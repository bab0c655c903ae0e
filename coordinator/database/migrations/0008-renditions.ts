import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  // The video goes first when it is deleted, in the same transaction.
  sql`create table renditions (
    id uuid primary key,
    video_id uuid not null references videos (id) deferrable initially deferred,
    name text not null,
    kind text not null check (kind in ('video', 'audio')),
    origin text not null check (origin in ('virtual', 'copied', 'encoded')),
    media jsonb not null,
    is_ready boolean not null default false,
    created_at timestamptz(3) not null default now()
  )`,
  sql`create index renditions_video on renditions (video_id)`,
  sql`create table rendition_pieces (
    rendition_id uuid not null references renditions (id) on delete cascade,
    index integer not null,
    object_id uuid not null unique references objects (id),
    init bytea not null,
    timescale integer not null,
    durations integer[] not null,
    lengths integer[] not null,
    served_lengths integer[],
    primary key (rendition_id, index)
  )`,
  sql`create table pictures (
    object_id uuid primary key references objects (id),
    video_id uuid not null references videos (id) deferrable initially deferred,
    name text not null,
    content_type text not null,
    width integer,
    height integer,
    created_at timestamptz(3) not null default now(),
    unique (video_id, name)
  )`,
];

/** What is derived of videos: renditions that players are given, and pictures. */
export const renditions: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
