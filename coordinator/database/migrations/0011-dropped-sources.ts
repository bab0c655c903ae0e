import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  sql`alter table videos add column source_dropped_at timestamptz(3)`,
  // What becomes of the source when the job has made everything; as configured when the job was made.
  sql`alter table transcode_jobs add column source text not null default 'keep'
    check (source in ('keep', 'drop', 'dropped'))`,
  sql`create index transcode_jobs_source on transcode_jobs (video_id) where source = 'drop' and state = 'complete'`,

  // A source that was dropped takes no room of its owner; the video still is one.
  sql`create or replace function count_owned_video() returns trigger language plpgsql as $$
    begin
      insert into owner_usage as usage (owner_id, bytes, videos)
      select changed.owner_id, sum(changed.bytes), sum(changed.videos)
      from (values
        (new.owner_id, case when new.source_dropped_at is null then new.size else 0 end, 1),
        (old.owner_id, case when old.source_dropped_at is null then -old.size else 0 end, -1)
      ) as changed (owner_id, bytes, videos)
      where changed.owner_id is not null
      group by changed.owner_id
      order by changed.owner_id
      on conflict (owner_id) do update
      set bytes = usage.bytes + excluded.bytes, videos = usage.videos + excluded.videos;
      return null;
    end $$`,
  sql`drop trigger videos_owned on videos`,
  sql`create trigger videos_owned after insert or delete or update of owner_id, size, source_dropped_at on videos
    for each row execute function count_owned_video()`,
];

/** Videos whose source was dropped once everything had been made of it. */
export const droppedSources: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
