import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

/*
 * Of passwords, refresh tokens and API keys there are only hashes here, and private keys are encrypted: who reads the
 * database can neither log in nor make tokens.
 */
const STATEMENTS = [
  sql`create table users (
    id uuid primary key,
    email text not null unique,
    name text not null,
    password_hash text not null,
    role text not null check (role in ('admin', 'uploader', 'viewer')),
    disabled boolean not null default false,
    generation integer not null default 1,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now(),
    last_login_at timestamptz(3)
  )`,
  sql`create index users_newest on users (created_at desc, id desc)`,

  sql`create table sessions (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null
  )`,
  sql`create index sessions_user on sessions (user_id)`,
  sql`create index sessions_expiry on sessions (expires_at)`,

  // A session's refresh tokens, used ones too: whoever shows one of those again has stolen it, or was stolen from.
  sql`create table refresh_tokens (
    hash bytea primary key,
    session_id uuid not null references sessions (id) on delete cascade,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null,
    used_at timestamptz(3)
  )`,
  sql`create index refresh_tokens_session on refresh_tokens (session_id)`,
  sql`create index refresh_tokens_expiry on refresh_tokens (expires_at)`,

  // What is no longer to be believed of access tokens, for as long as such a token may live.
  sql`create table revocations (
    kind text not null check (kind in ('session', 'user')),
    subject uuid not null,
    generation integer not null,
    expires_at timestamptz(3) not null,
    primary key (kind, subject)
  )`,

  sql`create table api_keys (
    id uuid primary key,
    user_id uuid not null references users (id) on delete cascade,
    name text not null,
    hash bytea not null unique,
    scopes text[] not null,
    created_at timestamptz(3) not null default now(),
    expires_at timestamptz(3) not null,
    last_used_at timestamptz(3)
  )`,
  sql`create index api_keys_user on api_keys (user_id, created_at desc)`,

  sql`create table signing_keys (
    id text primary key,
    public_key text not null,
    private_key bytea not null,
    created_at timestamptz(3) not null default now(),
    active_at timestamptz(3) not null,
    expires_at timestamptz(3)
  )`,

  sql`create table rate_limits (
    key text primary key,
    used integer not null,
    expires_at timestamptz(3) not null
  )`,
  sql`create index rate_limits_expiry on rate_limits (expires_at)`,

  sql`create table audit_events (
    id bigint generated always as identity primary key,
    at timestamptz(3) not null default now(),
    kind text not null,
    actor_id uuid,
    actor text not null,
    subject_id uuid,
    address text,
    request_id text,
    details jsonb not null
  )`,
  sql`create index audit_events_subject on audit_events (subject_id, id desc)`,

  // What was there before accounts stays what it was: everybody's to read, nobody's to change but administrators'.
  // An owner's id outlives the account, and a recovery brings it back without one: it is no foreign key.
  sql`alter table videos add column owner_id uuid`,
  sql`alter table videos add column visibility text not null default 'public'
    check (visibility in ('public', 'unlisted', 'private'))`,
  sql`create index videos_owner on videos (owner_id, created_at desc, id desc)`,
];

/** Accounts, their sessions and keys, and whose a video is. */
export const accounts: Migration = {
  async up(database: Kysely<unknown>): Promise<void> {
    for (const statement of STATEMENTS) await statement.execute(database);
  },
};
