import { z } from 'zod';
import { URL_LENGTH_MAX } from '../imports/limits.ts';
import { pageLimitSchema } from '../page-limit.ts';
import { EVENT_TYPES } from './event-schema.ts';
import {
  DESCRIPTION_LENGTH_MAX,
  LIST_LENGTH_DEFAULT,
  LIST_LENGTH_MAX,
  ROTATION_OVERLAP_S_DEFAULT,
  ROTATION_OVERLAP_S_MAX,
} from './limits.ts';

/** `all`: whatever happens, for administrators. `own`: what happens to the owner's videos. */
export const WEBHOOK_SCOPES = ['all', 'own'] as const;
export type WebhookScope = (typeof WEBHOOK_SCOPES)[number];

/** `switchedOff`: by a request. `gone`: the endpoint answered 410. `failing`: nothing has arrived there for days. */
export const WEBHOOK_DISABLED_REASONS = ['switchedOff', 'gone', 'failing'] as const;
export type WebhookDisabledReason = (typeof WEBHOOK_DISABLED_REASONS)[number];

/** `pending`: due, or waiting for another try. `held`: the endpoint is disabled. `failed`: given up. */
export const WEBHOOK_DELIVERY_STATES = ['pending', 'delivered', 'failed', 'held'] as const;
export type WebhookDeliveryState = (typeof WEBHOOK_DELIVERY_STATES)[number];

const urlSchema = z.string().max(URL_LENGTH_MAX).describe('Where to post: http or https.');
const descriptionSchema = z
  .string()
  .max(DESCRIPTION_LENGTH_MAX)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'control characters are not allowed');
const eventTypesSchema = z
  .array(z.enum(EVENT_TYPES))
  .min(1)
  .max(EVENT_TYPES.length)
  .refine((types) => new Set(types).size === types.length, 'names a type twice')
  .nullable()
  .describe('What to tell; null for everything.');

/** `POST /webhooks`. */
export const newWebhookSchema = z.strictObject({
  url: urlSchema,
  description: descriptionSchema.default(''),
  eventTypes: eventTypesSchema.default(null),
  scope: z
    .enum(WEBHOOK_SCOPES)
    .optional()
    .describe(
      '`own`: what happens to one’s own videos. `all`: everything; for administrators, and what they get by default.',
    ),
  enabled: z.boolean().default(true),
});
export type NewWebhook = z.infer<typeof newWebhookSchema>;

/** `PATCH /webhooks/{id}`. */
export const webhookChangesSchema = z.strictObject({
  url: urlSchema.optional(),
  description: descriptionSchema.optional(),
  eventTypes: eventTypesSchema.optional(),
  enabled: z.boolean().optional(),
});
export type WebhookChanges = z.infer<typeof webhookChangesSchema>;

const cursorSchema = z.uuid().toLowerCase().optional().describe('The `nextCursor` of the page before.');

export const webhookIdSchema = z.object({ id: z.uuid().toLowerCase() });
export const deliveryIdSchema = webhookIdSchema.extend({ deliveryId: z.uuid().toLowerCase() });

export const webhookListQuerySchema = z.object({
  limit: pageLimitSchema(LIST_LENGTH_DEFAULT, LIST_LENGTH_MAX),
  cursor: cursorSchema,
});

export const deliveryListQuerySchema = z.object({
  limit: pageLimitSchema(LIST_LENGTH_DEFAULT, LIST_LENGTH_MAX),
  cursor: cursorSchema,
  state: z.enum(WEBHOOK_DELIVERY_STATES).optional().describe('Only deliveries in this state.'),
});

/** `POST /webhooks/{id}/rotate-secret`. */
export const rotationSchema = z.strictObject({
  overlapS: z
    .int()
    .min(0)
    .max(ROTATION_OVERLAP_S_MAX)
    .default(ROTATION_OVERLAP_S_DEFAULT)
    .describe('How many seconds the secrets before sign as well; 0 when one of them has leaked.'),
});

/** `POST /webhooks/{id}/replay`. */
export const replaySchema = z.strictObject({
  since: z.iso.datetime({ offset: true }).describe('Events from then on.'),
});

export const replayedSchema = z.object({
  replayed: z.int().nonnegative().describe('Deliveries that are sent again.'),
  hasMore: z.boolean().describe('Whether to ask again for the rest.'),
});

/** An endpoint as the API shows it. */
export const webhookSchema = z.object({
  id: z.uuid(),
  ownerId: z.uuid().nullable().describe('Whose it is; null for the operator’s.'),
  scope: z.enum(WEBHOOK_SCOPES),
  url: z.string(),
  description: z.string(),
  eventTypes: z.array(z.string()).nullable(),
  enabled: z.boolean(),
  disabledReason: z.enum(WEBHOOK_DISABLED_REASONS).nullable(),
  failingSince: z.iso.datetime().nullable().describe('Null when the last attempt arrived.'),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  links: z.object({ self: z.string(), deliveries: z.string() }),
});
export type WebhookJson = z.infer<typeof webhookSchema>;

export const webhookListSchema = z.object({
  items: z.array(webhookSchema),
  nextCursor: z.uuid().nullable(),
});

/** What `POST /webhooks` and a rotation answer. */
export const webhookWithSecretSchema = webhookSchema.extend({
  secret: z
    .string()
    .regex(/^whsec_[A-Za-z0-9+/]+=*$/)
    .describe('What deliveries are signed with. Shown only this once.'),
});

/** A delivery as the API shows it. */
export const deliverySchema = z.object({
  id: z.uuid(),
  webhookId: z.uuid(),
  eventId: z.uuid().describe('What `webhook-id` says.'),
  eventType: z.string(),
  state: z.enum(WEBHOOK_DELIVERY_STATES),
  attempts: z.int().nonnegative(),
  lastAttempt: z
    .object({
      at: z.iso.datetime(),
      statusCode: z.int().nullable().describe('Null when there was no answer.'),
      error: z.string().nullable().describe('Why it does not count as delivered.'),
      response: z.string().nullable().describe('The beginning of the answer’s body.'),
      durationMs: z.int().nonnegative(),
    })
    .nullable(),
  nextAttemptAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
});
export type DeliveryJson = z.infer<typeof deliverySchema>;

export const deliveryListSchema = z.object({
  items: z.array(deliverySchema),
  nextCursor: z.uuid().nullable(),
});
