import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  sql`alter table nodes drop constraint nodes_state_check`,
  sql`alter table nodes add constraint nodes_state_check
    check (state in ('joined', 'active', 'draining', 'drained', 'lost', 'removed'))`,
  // What the node said of its data when a coordinator last believed it.
  sql`alter table nodes add column data_id uuid`,
  // Copies set aside by the node whose ranges have been suspected for it.
  sql`alter table nodes add column quarantined_count integer not null default 0`,

  // Where the ring stands: exactly one row once there is a layout.
  sql`create table ring (
    singleton boolean primary key default true check (singleton),
    step integer not null check (step > 0),
    base_epoch integer not null references layouts (epoch),
    target_epoch integer references layouts (epoch),
    phases bytea,
    rebalance_id uuid,
    changed_at timestamptz(3) not null default now(),
    check ((target_epoch is null) = (phases is null))
  )`,
  sql`insert into ring (step, base_epoch) select max(epoch), max(epoch) from layouts having max(epoch) is not null`,

  sql`create table coordinators (
    id text primary key,
    step integer not null,
    read_p99_ms real,
    started_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null
  )`,

  sql`create table rebalances (
    id uuid primary key,
    state text not null
      check (state in ('running', 'paused', 'cancelling', 'superseded', 'cancelled', 'finished')),
    reason text not null,
    changes jsonb not null,
    plan jsonb not null,
    before_epoch integer not null references layouts (epoch),
    base_epoch integer not null references layouts (epoch),
    target_epoch integer not null references layouts (epoch),
    bytes_per_second bigint,
    concurrency integer,
    progress jsonb,
    error text,
    created_at timestamptz(3) not null default now(),
    finished_at timestamptz(3)
  )`,
  sql`create index rebalances_newest on rebalances (created_at desc, id desc)`,

  // What each node that gains ranges has to copy, and what of it is done. Ranges are inclusive.
  sql`create table rebalance_copies (
    rebalance_id uuid not null references rebalances (id) on delete cascade,
    first_range integer not null,
    last_range integer not null,
    node_id uuid not null,
    chunks bigint not null,
    bytes bigint not null,
    copied_chunks bigint not null default 0,
    copied_bytes bigint not null default 0,
    done boolean not null default false,
    primary key (rebalance_id, first_range, node_id)
  )`,

  // What a census found in each range, and since when something may be wrong with it.
  sql`create table range_checks (
    range integer primary key,
    checked_step integer,
    checked_at timestamptz(3),
    chunks bigint not null default 0,
    bytes bigint not null default 0,
    missing_copies bigint not null default 0,
    suspected_at timestamptz(3),
    suspicion text,
    tried_at timestamptz(3)
  )`,

  // Chunks that a check found with fewer good copies than R.
  sql`create table short_chunks (
    id text primary key,
    range integer not null,
    position bigint not null,
    length integer not null,
    checksum bigint not null,
    copies integer not null,
    found_at timestamptz(3) not null default now(),
    problem text
  )`,
  sql`create index short_chunks_fewest on short_chunks (copies, id)`,
  sql`create index short_chunks_range on short_chunks (range)`,

  sql`create table cluster_events (
    id bigint generated always as identity primary key,
    at timestamptz(3) not null default now(),
    kind text not null,
    node_id uuid,
    details jsonb not null
  )`,
];

/** Ranges change hands, nodes leave, and every copy is accounted for. */
export const rebalancing: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
