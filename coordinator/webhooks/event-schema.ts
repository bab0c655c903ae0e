import { z } from 'zod';
import { videoSchema } from '../videos/schema.ts';
import { VIDEO_EVENT_TYPES } from '../videos/video-event.ts';

export const NODE_EVENT_TYPES = [
  'node.joined',
  'node.down',
  'node.up',
  'node.lost',
  'node.drained',
  'node.removed',
] as const;
export type NodeEventType = (typeof NODE_EVENT_TYPES)[number];

/** What endpoints can ask for. A type is part of the API: never rename one. */
export const EVENT_TYPES = [...VIDEO_EVENT_TYPES, ...NODE_EVENT_TYPES] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Only an endpoint that is tried gets it, whatever it asks for. */
export const TEST_EVENT_TYPE = 'webhook.test';

export const videoEventDataSchema = videoSchema.extend({
  reason: z.string().nullable().describe('Why it failed, for people; null otherwise.'),
});

export const nodeEventDataSchema = z.object({
  id: z.uuid(),
  url: z.string(),
  zone: z.string(),
  reason: z.string().nullable().describe('Of `node.down`: what went wrong.'),
});

export const testEventDataSchema = z.object({ webhookId: z.uuid() });

/** The body of a delivery. */
export function eventSchemaOf(type: string, data: z.ZodType) {
  return z.object({
    type: z.literal(type),
    timestamp: z.iso.datetime().describe('When it happened, which may be long before the delivery.'),
    data,
  });
}
