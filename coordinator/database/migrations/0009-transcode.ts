import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  sql`create table video_media (
    video_id uuid primary key references videos (id) on delete cascade,
    status text not null default 'processing'
      check (status in ('processing', 'playable', 'ready', 'unplayable', 'failed')),
    reason text,
    job_id uuid,
    probe jsonb,
    updated_at timestamptz(3) not null default now()
  )`,
  // Whom nobody has made a job for yet: those from before there were jobs, and those of a recovery.
  sql`create index video_media_without_job on video_media (video_id) where job_id is null`,
  sql`insert into video_media (video_id) select id from videos`,
  // However a video comes to be, also by a coordinator of an earlier version, it is noticed.
  sql`create function note_video_media() returns trigger language plpgsql as $$
    begin
      insert into video_media (video_id) values (new.id);
      return null;
    end $$`,
  sql`create trigger videos_media after insert on videos for each row execute function note_video_media()`,

  sql`create table transcode_jobs (
    id uuid primary key,
    video_id uuid not null references videos (id) on delete cascade,
    state text not null default 'queued'
      check (state in ('queued', 'running', 'complete', 'failed', 'cancelled')),
    is_urgent boolean not null default true,
    reason text,
    probe jsonb,
    plan jsonb,
    created_at timestamptz(3) not null default now(),
    started_at timestamptz(3),
    finished_at timestamptz(3)
  )`,
  sql`create index transcode_jobs_video on transcode_jobs (video_id)`,
  sql`create index transcode_jobs_order on transcode_jobs (created_at desc, id desc)`,
  sql`create index transcode_jobs_state on transcode_jobs (state, created_at desc, id desc)`,

  sql`create table transcode_tasks (
    id uuid primary key,
    job_id uuid not null references transcode_jobs (id) on delete cascade,
    kind text not null check (kind in ('inspect', 'copy', 'encode', 'audio', 'pictures')),
    spec jsonb not null,
    renditions text[] not null default '{}',
    state text not null default 'queued'
      check (state in ('queued', 'running', 'complete', 'failed', 'cancelled')),
    priority bigint not null,
    weight double precision not null,
    progress real not null default 0,
    attempts integer not null default 0,
    fence bigint not null default 0,
    worker_id uuid,
    worker_name text,
    reason text,
    due_at timestamptz(3) not null default now(),
    lease_expires_at timestamptz(3),
    created_at timestamptz(3) not null default now(),
    started_at timestamptz(3),
    finished_at timestamptz(3)
  )`,
  sql`create index transcode_tasks_job on transcode_tasks (job_id)`,
  sql`create index transcode_tasks_queue on transcode_tasks (priority, id) where state = 'queued'`,
  sql`create index transcode_tasks_leased on transcode_tasks (lease_expires_at) where state = 'running'`,

  // Objects that tasks write.
  sql`create table transcode_outputs (
    object_id uuid primary key references objects (id) on delete cascade,
    task_id uuid not null references transcode_tasks (id) on delete cascade,
    fence bigint not null,
    name text not null,
    content_type text not null,
    size bigint not null default 0,
    chunk_count integer not null default 0,
    unique (task_id, fence, name)
  )`,

  // Which renditions a job makes, and of how many pieces.
  sql`create table transcode_renditions (
    job_id uuid not null references transcode_jobs (id) on delete cascade,
    name text not null,
    kind text not null check (kind in ('video', 'audio')),
    rendition_id uuid not null,
    pieces integer not null,
    pieces_done integer not null default 0,
    is_created boolean not null default false,
    is_published boolean not null default false,
    primary key (job_id, name)
  )`,

  sql`create table transcode_workers (
    id uuid primary key,
    name text not null,
    concurrency integer not null,
    started_at timestamptz(3) not null default now(),
    seen_at timestamptz(3) not null default now()
  )`,
];

/** Transcoding: what is to be done for videos, who does it, and what has become of it. */
export const transcode: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
