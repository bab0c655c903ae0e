import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  // Null: what the configuration says. 0: no limit.
  sql`alter table users add column quota_bytes bigint check (quota_bytes >= 0)`,
  sql`alter table users add column quota_videos integer check (quota_videos >= 0)`,

  // What each owner has, and what uploads under way may still take. Whoever reserves changes the one row, so many at once
  // cannot take more together than one after the other.
  sql`create table owner_usage (
    owner_id uuid primary key,
    bytes bigint not null default 0,
    videos integer not null default 0,
    reserved_bytes bigint not null default 0,
    reserved_videos integer not null default 0
  )`,
  sql`insert into owner_usage (owner_id, bytes, videos)
    select owner_id, sum(size), count(*) from videos where owner_id is not null group by owner_id`,

  // Triggers, because every way in which a video comes, goes or changes hands has to count. Rows are taken in the order of
  // the owners, so that two changes of hands cannot wait for each other.
  sql`create function count_owned_video() returns trigger language plpgsql as $$
    begin
      insert into owner_usage as usage (owner_id, bytes, videos)
      select changed.owner_id, sum(changed.bytes), sum(changed.videos)
      from (values (new.owner_id, new.size, 1), (old.owner_id, -old.size, -1)) as changed (owner_id, bytes, videos)
      where changed.owner_id is not null
      group by changed.owner_id
      order by changed.owner_id
      on conflict (owner_id) do update
      set bytes = usage.bytes + excluded.bytes, videos = usage.videos + excluded.videos;
      return null;
    end $$`,
  sql`create trigger videos_owned after insert or delete or update of owner_id, size on videos
    for each row execute function count_owned_video()`,

  // A reservation lives as long as its object is open: what gives up the object gives it back.
  sql`create table quota_reservations (
    object_id uuid primary key references objects (id) on delete cascade,
    owner_id uuid not null,
    bytes bigint not null,
    videos integer not null
  )`,
  sql`create function give_back_reservation() returns trigger language plpgsql as $$
    begin
      update owner_usage
      set reserved_bytes = reserved_bytes - old.bytes, reserved_videos = reserved_videos - old.videos
      where owner_id = old.owner_id;
      return null;
    end $$`,
  sql`create trigger quota_reservations_gone after delete on quota_reservations
    for each row execute function give_back_reservation()`,
];

/** What each owner may store. */
export const uploads: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
