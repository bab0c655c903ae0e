import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/*
 * Only what reads by id and the import need has an index of PostgreSQL's: everything else is found by the segments of
 * `catalog/index/`, which cost a tenth of what a GIN index and one B-tree an order cost to keep.
 */
const STATEMENTS = [
  sql`create table movies (
    id uuid primary key,
    title text not null,
    original_title text,
    year smallint,
    directors text[] not null default '{}',
    genres text[] not null default '{}',
    score float8 check (score between 0 and 10),
    popularity float8 check (popularity between 0 and 100),
    runtime_minutes integer,
    synopsis text,
    poster text,
    video_id uuid references videos (id) on delete set null,
    identity uuid not null,
    imported uuid,
    import_id uuid,
    version integer not null default 1,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now()
  )`,
  sql`create index movies_identity on movies (identity)`,
  sql`create index movies_video on movies (video_id) where video_id is not null`,
  // Whoever deletes a video knows nothing of movies, but the movie's entity tag has to change.
  sql`create function movies_lose_video() returns trigger language plpgsql as $$
    begin
      new.version := old.version + 1;
      new.updated_at := clock_timestamp();
      perform pg_notify('movies', json_build_object('ids', json_build_array(new.id))::text);
      return new;
    end
  $$`,
  sql`create trigger movies_lose_video before update of video_id on movies for each row
    when (old.video_id is not null and new.video_id is null and new.version = old.version)
    execute function movies_lose_video()`,

  sql`create table movie_genres (
    key text primary key,
    name text not null
  )`,

  // Grows with every change of what can be found; whoever changes that holds this row until the commit.
  sql`create table movie_index (
    singleton boolean primary key default true check (singleton),
    version bigint not null
  )`,
  sql`insert into movie_index (version) values (0)`,
  sql`create table movie_segments (
    id bigint generated always as identity primary key,
    import_id uuid,
    docs integer not null,
    dead bytea,
    dead_count integer not null default 0,
    created_at timestamptz(3) not null default now()
  )`,
  sql`create table movie_segment_parts (
    segment_id bigint not null references movie_segments (id) on delete cascade,
    kind text not null,
    number integer not null,
    data bytea not null,
    primary key (segment_id, kind, number)
  )`,
  // Compressing them costs more than it saves.
  sql`alter table movie_segment_parts alter column data set storage external`,
  // Movies that changed since their segment was made, deleted ones too.
  sql`create table movie_changes (movie_id uuid primary key)`,

  // Running imports: what is after published_to is nobody's to see yet.
  sql`create table movie_imports (
    id uuid primary key,
    mode text not null check (mode in ('atomic', 'keep-going')),
    committed boolean not null default false,
    published_to uuid,
    created_at timestamptz(3) not null default now()
  )`,
  sql`create table movie_import_updates (
    import_id uuid not null references movie_imports (id) on delete cascade,
    movie_id uuid not null,
    movie text not null,
    primary key (import_id, movie_id)
  )`,
];

/** Movies, and how they are found. */
export const catalog: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
