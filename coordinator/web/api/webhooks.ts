/** Webhooks and their deliveries. */

import type { z } from 'zod';
import type { deliverySchema, webhookSchema, webhookWithSecretSchema } from '../../webhooks/schema.ts';

export const EVENT_TYPES = [
  ...['video.uploaded', 'video.playable', 'video.ready', 'video.failed', 'video.deleted'],
  ...['node.joined', 'node.down', 'node.up', 'node.lost', 'node.drained', 'node.removed'],
] as const;

export type Webhook = z.infer<typeof webhookSchema>;
export type WebhookWithSecret = z.infer<typeof webhookWithSecretSchema>;
export type Delivery = z.infer<typeof deliverySchema>;
