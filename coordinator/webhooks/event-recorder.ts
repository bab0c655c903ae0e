import { sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Transaction } from '../database/database.ts';
import type { Notifications } from '../database/notifications.ts';
import { databaseNow, isEntitled, type Now } from './endpoint.ts';
import type { EventType } from './event-schema.ts';
import { EVENT_BYTES_MAX } from './limits.ts';

/** Tells all coordinators that there may be something to deliver. */
export const WEBHOOKS_CHANNEL = 'webhooks';

export interface WebhookEvent {
  readonly type: EventType;
  /** Whose video it is about; null when it is nobody's, or about no video. */
  readonly ownerId: string | null;
  readonly data: Readonly<Record<string, unknown>> & { readonly id: string };
}

export interface EventRecorderOptions {
  readonly notifications: Pick<Notifications, 'publish'>;
  readonly clock: Clock;
  /** UUIDv7; never the same twice. */
  readonly createId: () => string;
  readonly now?: Now;
}

/** Notes events for the endpoints that want to hear of them. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /**
   * In the transaction that makes the event true, so that none is lost and none invented: notes a delivery to each endpoint
   * that wants it, once. Those of endpoints that are disabled are held. One query when nobody wants to know.
   */
  async record(transaction: Transaction, { type, ownerId, data }: WebhookEvent): Promise<void> {
    const endpoints = await transaction
      .selectFrom('webhook_endpoints')
      .select(['id', 'enabled'])
      .where(sql<boolean>`(event_types is null or ${type} = any(event_types))`)
      .where((eb) =>
        eb.or([
          eb('scope', '=', 'all'),
          ...(ownerId === null ? [] : [eb.and([eb('scope', '=', 'own'), eb('owner_id', '=', ownerId)])]),
        ]),
      )
      .where(isEntitled())
      .execute();
    if (endpoints.length > 0) await this.#insert(transaction, type, data, endpoints);
  }

  /** An event for one endpoint alone; returns the delivery's id. */
  async recordFor(
    transaction: Transaction,
    endpointId: string,
    type: string,
    data: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const [id] = await this.#insert(transaction, type, data, [{ id: endpointId, enabled: true }]);
    return id!;
  }

  async #insert(
    transaction: Transaction,
    type: string,
    data: Readonly<Record<string, unknown>>,
    endpoints: readonly { readonly id: string; readonly enabled: boolean }[],
  ): Promise<string[]> {
    const { notifications, clock, createId, now = databaseNow } = this.#options;
    const eventId = createId();
    const timestamp = new Date(clock.nowMs()).toISOString();
    await transaction
      .insertInto('webhook_events')
      .values({ id: eventId, type, payload: payloadOf(type, timestamp, data), created_at: now() })
      .execute();
    const rows = endpoints.map(({ id, enabled }) => ({
      id: createId(),
      endpoint_id: id,
      event_id: eventId,
      state: enabled ? ('pending' as const) : ('held' as const),
      ...{ due_at: now(), created_at: now(), holder: null, lease_expires_at: null, attempted_at: null },
      ...{ status_code: null, error: null, response: null, duration_ms: null },
    }));
    await transaction.insertInto('webhook_deliveries').values(rows).execute();
    await notifications.publish(WEBHOOKS_CHANNEL, '', transaction);
    return rows.map(({ id }) => id);
  }
}

/** As it is sent, and signed. */
function payloadOf(type: string, timestamp: string, data: Readonly<Record<string, unknown>>): string {
  const payload = JSON.stringify({ type, timestamp, data });
  if (Buffer.byteLength(payload) <= EVENT_BYTES_MAX) return payload;
  // Whoever makes events keeps them short; one that is not must not keep from happening what it tells of.
  return JSON.stringify({ type, timestamp, data: { id: data.id, truncated: true } });
}
