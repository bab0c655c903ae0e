import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

const STATEMENTS = [
  sql`create table webhook_endpoints (
    id uuid primary key,
    owner_id uuid references users (id) on delete cascade,
    scope text not null check (scope in ('all', 'own')),
    url text not null,
    description text not null,
    event_types text[],
    enabled boolean not null default true,
    disabled_reason text check (disabled_reason in ('switchedOff', 'gone', 'failing')),
    failing_since timestamptz(3),
    paused_until timestamptz(3),
    version integer not null default 1,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(),
    check (scope = 'all' or owner_id is not null),
    check (enabled = (disabled_reason is null))
  )`,
  sql`create index webhook_endpoints_owner on webhook_endpoints (owner_id)`,
  sql`create index webhook_endpoints_paused on webhook_endpoints (paused_until) where paused_until is not null`,
  sql`create table webhook_secrets (
    id uuid primary key,
    endpoint_id uuid not null references webhook_endpoints (id) on delete cascade,
    sealed bytea not null,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3)
  )`,
  sql`create index webhook_secrets_endpoint on webhook_secrets (endpoint_id)`,
  sql`create table webhook_events (
    id uuid primary key,
    type text not null,
    payload text not null,
    created_at timestamptz(3) not null default now()
  )`,
  sql`create index webhook_events_created on webhook_events (created_at)`,
  // No reference to the endpoint: whoever deletes one would have to wait for transactions in which events happen, and
  // make those fail that have just read that it is there.
  sql`create table webhook_deliveries (
    id uuid primary key,
    endpoint_id uuid not null,
    event_id uuid not null references webhook_events (id) on delete cascade,
    state text not null check (state in ('pending', 'delivered', 'failed', 'held')),
    attempts integer not null default 0,
    tries integer not null default 0,
    due_at timestamptz(3) not null,
    holder uuid,
    lease_expires_at timestamptz(3),
    attempted_at timestamptz(3),
    status_code integer,
    error text,
    response text,
    duration_ms integer,
    created_at timestamptz(3) not null default now(),
    unique (event_id, endpoint_id)
  )`,
  sql`create index webhook_deliveries_endpoint on webhook_deliveries (endpoint_id, id)`,
  // What is to be sent to an endpoint, and what is being sent. With one on the time alone the planner would look for an
  // endpoint's next delivery among those of all.
  sql`create index webhook_deliveries_waiting on webhook_deliveries (endpoint_id, due_at) where state = 'pending'`,
  sql`create index webhook_deliveries_leased on webhook_deliveries (endpoint_id, lease_expires_at)
    where lease_expires_at is not null`,
  sql`create table webhook_node_health (
    node_id uuid primary key,
    health text not null check (health in ('up', 'down')),
    seen_by uuid not null,
    changed_at timestamptz(3) not null
  )`,
];

/** Endpoints that are told of events, and what is on its way to them. */
export const webhooks: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
