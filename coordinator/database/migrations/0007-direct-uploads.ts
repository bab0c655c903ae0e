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

  sql`create table imports (
    id uuid primary key,
    owner_id uuid,
    url text not null,
    metadata text not null,
    video_id uuid not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'complete', 'failed', 'cancelled')),
    received_bytes bigint not null default 0,
    total_bytes bigint,
    attempts integer not null default 0,
    error_code text,
    error_detail text,
    holder text,
    lease_expires_at timestamptz(3),
    due_at timestamptz(3) not null default now(),
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now()
  )`,
  sql`create index imports_open on imports (created_at) where state in ('waiting', 'running')`,

  sql`create table idempotency_keys (
    owner text not null,
    key text not null,
    fingerprint bytea not null,
    resource_id uuid not null,
    answer text,
    holder uuid not null,
    lease_expires_at timestamptz(3) not null,
    expires_at timestamptz(3) not null,
    primary key (owner, key)
  )`,
  sql`create index idempotency_keys_expiry on idempotency_keys (expires_at)`,

  // The video goes first when it is deleted, in the same transaction.
  sql`create table attachments (
    object_id uuid primary key references objects (id) on delete cascade,
    video_id uuid not null references videos (id) deferrable initially deferred,
    owner_id uuid,
    name text not null,
    kind text not null,
    language text,
    label text,
    content_type text not null,
    size bigint not null,
    sha256 bytea not null,
    created_at timestamptz(3) not null default now(),
    unique (video_id, name)
  )`,
  // They count for whoever owns the video, also when that changes.
  sql`create function count_owned_attachment() returns trigger language plpgsql as $$
    begin
      insert into owner_usage as usage (owner_id, bytes)
      select changed.owner_id, sum(changed.bytes)
      from (values (new.owner_id, new.size), (old.owner_id, -old.size)) as changed (owner_id, bytes)
      where changed.owner_id is not null
      group by changed.owner_id
      order by changed.owner_id
      on conflict (owner_id) do update set bytes = usage.bytes + excluded.bytes;
      return null;
    end $$`,
  sql`create trigger attachments_owned after insert or delete or update of owner_id on attachments
    for each row execute function count_owned_attachment()`,
  sql`create function attachments_follow_video() returns trigger language plpgsql as $$
    begin
      update attachments set owner_id = new.owner_id where video_id = new.id;
      return null;
    end $$`,
  sql`create trigger videos_attachments_owner after update of owner_id on videos
    for each row when (old.owner_id is distinct from new.owner_id) execute function attachments_follow_video()`,
];

/** Videos whose bytes clients send to the storage nodes themselves. */
export const directUploads: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
