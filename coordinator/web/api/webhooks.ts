/** Webhooks, as far as this page looks at them. */

export const EVENT_TYPES = [
  ...['video.uploaded', 'video.playable', 'video.ready', 'video.failed', 'video.deleted'],
  ...['node.joined', 'node.down', 'node.up', 'node.lost', 'node.drained', 'node.removed'],
] as const;

export interface Webhook {
  readonly id: string;
  readonly scope: 'all' | 'own';
  readonly url: string;
  readonly description: string;
  readonly eventTypes: readonly string[] | null;
  readonly enabled: boolean;
  readonly disabledReason: 'switchedOff' | 'gone' | 'failing' | null;
  readonly failingSince: string | null;
  readonly createdAt: string;
}

export interface WebhookWithSecret extends Webhook {
  readonly secret: string;
}

export interface Delivery {
  readonly id: string;
  readonly eventType: string;
  readonly state: 'pending' | 'delivered' | 'failed' | 'held';
  readonly attempts: number;
  readonly lastAttempt: {
    readonly at: string;
    readonly statusCode: number | null;
    readonly error: string | null;
    readonly response: string | null;
    readonly durationMs: number;
  } | null;
  readonly nextAttemptAt: string | null;
  readonly createdAt: string;
}
