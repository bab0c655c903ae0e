import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { WebhookEndpointsTable } from '../database/schema.ts';
import type { WebhookDisabledReason, WebhookScope } from './schema.ts';

/** Where somebody wants to be told of events. */
export interface Endpoint {
  readonly id: string;
  /** Null: the operator's. */
  readonly ownerId: string | null;
  readonly scope: WebhookScope;
  readonly url: string;
  readonly description: string;
  /** Null: all. */
  readonly eventTypes: readonly string[] | null;
  readonly enabled: boolean;
  /** Null while it is enabled. */
  readonly disabledReason: WebhookDisabledReason | null;
  readonly failingSince: Date | null;
  /** 1 at first, one more with every change. */
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export function endpointOf(row: Selectable<WebhookEndpointsTable>): Endpoint {
  return {
    id: row.id,
    ownerId: row.owner_id,
    scope: row.scope,
    url: row.url,
    description: row.description,
    eventTypes: row.event_types,
    enabled: row.enabled,
    disabledReason: row.disabled_reason,
    failingSince: row.failing_since,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/**
 * The moment by which everything here is timed: the database's, so that the clocks of coordinators do not matter. Only
 * tests pass another one.
 */
export type Now = () => RawBuilder<Date>;
export const databaseNow: Now = () => sql<Date>`now()`;

export function later(now: Now, milliseconds: number): RawBuilder<Date> {
  return sql<Date>`${now()} + ${Math.round(milliseconds)}::bigint * interval '1 millisecond'`;
}

/**
 * Whether the owner of a row of `webhook_endpoints` may still hear what it was made for: rights that were taken away since
 * end with that.
 */
export function isEntitled(): RawBuilder<boolean> {
  return sql<boolean>`(
    webhook_endpoints.owner_id is null or exists (
      select from users
      where users.id = webhook_endpoints.owner_id and not users.disabled
        and (users.role = 'admin' or (users.role = 'uploader' and webhook_endpoints.scope = 'own'))
    )
  )`;
}
