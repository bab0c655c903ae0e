import type { Selectable } from 'kysely';
import type { WebhookDeliveriesTable } from '../database/schema.ts';
import type { WebhookDeliveryState, WebhookDisabledReason } from './schema.ts';

/** An event on its way to an endpoint. */
export interface Delivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly state: WebhookDeliveryState;
  /** Begun so often. */
  readonly attempts: number;
  /** Null before the first attempt has ended. */
  readonly last: {
    readonly at: Date;
    readonly statusCode: number | null;
    readonly error: string | null;
    readonly response: string | null;
    readonly durationMs: number;
  } | null;
  /** When it is tried again at the earliest; what is being tried now counts as due. */
  readonly dueAt: Date;
  readonly createdAt: Date;
}

/** A delivery that this coordinator is to try, with what that takes. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly url: string;
  /** JSON, to be sent as it is. */
  readonly payload: string;
  /** This attempt's number; whoever has another one can note nothing. */
  readonly attempts: number;
  /** The same, since the delivery was last asked for. */
  readonly tries: number;
}

/** What an attempt came to. */
export interface AttemptResult {
  /** Null when there was no answer. */
  readonly statusCode: number | null;
  /** Why it does not count as delivered; null when it does. */
  readonly error: string | null;
  /** The beginning of the answer's body; null when it had none. */
  readonly response: string | null;
  readonly durationMs: number;
}

/** What follows from it. */
export type Verdict =
  | { readonly state: 'delivered' }
  | {
      readonly state: 'pending';
      readonly retryInMs: number;
      /** So long the endpoint wants to be left alone altogether. */
      readonly pauseMs: number;
    }
  | {
      readonly state: 'failed';
      readonly pauseMs: number;
      /** Whether the endpoint wants nothing any more. */
      readonly isGone: boolean;
      /** Whether the failure says nothing about the endpoint. */
      readonly isTest: boolean;
    };

/** Null: the endpoint is as enabled as it was. */
export type Disabled = Exclude<WebhookDisabledReason, 'switchedOff'> | null;

export function deliveryOf(
  row: Selectable<WebhookDeliveriesTable> & { readonly event_type: string },
): Delivery {
  const { attempted_at, duration_ms, status_code, error, response } = row;
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    eventType: row.event_type,
    state: row.state,
    attempts: row.attempts,
    last:
      attempted_at === null || duration_ms === null
        ? null
        : { at: attempted_at, statusCode: status_code, error, response, durationMs: duration_ms },
    dueAt: row.due_at,
    createdAt: row.created_at,
  };
}
