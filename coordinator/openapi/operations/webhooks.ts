import {
  deliveryListQuerySchema,
  deliveryListSchema,
  deliverySchema,
  newWebhookSchema,
  replayedSchema,
  replaySchema,
  rotationSchema,
  webhookChangesSchema,
  webhookListQuerySchema,
  webhookListSchema,
  webhookSchema,
  webhookWithSecretSchema,
} from '../../webhooks/schema.ts';
import { group } from '../description.ts';
import { CREATED_AT, LATER, USER_ID } from '../examples.ts';

const WEBHOOK_ID = '019bcb58-6f10-7a4e-8d21-0c9b7e5a3f66';
const DELIVERY_ID = '019bcb59-1b20-7c5f-9e32-1dac8f6b4077';

const WEBHOOK = {
  id: WEBHOOK_ID,
  ownerId: USER_ID,
  scope: 'own',
  url: 'https://hooks.example/orbitvids',
  description: 'Tells the editors',
  eventTypes: ['video.uploaded', 'video.ready'],
  enabled: true,
  disabledReason: null,
  failingSince: null,
  createdAt: CREATED_AT,
  updatedAt: CREATED_AT,
  links: {
    self: `/api/v1/webhooks/${WEBHOOK_ID}`,
    deliveries: `/api/v1/webhooks/${WEBHOOK_ID}/deliveries`,
  },
};

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw5VvZr1rLqXk=';

const DELIVERY = {
  id: DELIVERY_ID,
  webhookId: WEBHOOK_ID,
  eventId: '019bcb59-1b1f-7b4e-8d21-0c9b7e5a3f65',
  eventType: 'video.ready',
  state: 'pending',
  attempts: 2,
  lastAttempt: {
    at: CREATED_AT,
    statusCode: 500,
    error: 'The endpoint answered 500.',
    response: 'out of order',
    durationMs: 84,
  },
  nextAttemptAt: LATER,
  createdAt: CREATED_AT,
};
const WAITING = { ...DELIVERY, attempts: 0, lastAttempt: null, nextAttemptAt: CREATED_AT };

const ONE = { pathExample: { id: WEBHOOK_ID } } as const;
const ONE_ERRORS = ['webhook_not_found', 'invalid_request'] as const;

export const WEBHOOKS = group({
  tag: 'Webhooks',
  description: `Endpoints that are told what happens, by [Standard Webhooks](https://www.standardwebhooks.com): a POST of
\`{ type, timestamp, data }\`, signed in \`webhook-signature\`, with the same \`webhook-id\` however often it is tried. What is not
answered with 2xx within 15 s is tried again for three days (after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h);
\`Retry-After\` counts, up to an hour. 410 disables the endpoint, and so does a delivery that is given up where nothing has
arrived for three days. The order is not promised. Events are kept for 30 days.`,
  operations: {
    'GET /api/v1/webhooks': {
      summary: 'One’s own endpoints, newest first; administrators see all',
      query: webhookListQuerySchema,
      queryExample: { limit: '20' },
      status: 200,
      answer: webhookListSchema,
      answerExample: { items: [WEBHOOK], nextCursor: null },
    },
    'POST /api/v1/webhooks': {
      summary: 'Have an endpoint told what happens',
      details:
        'The `secret` is shown this once. Uploaders hear of their own videos; administrators of everything, if they like. Addresses of private networks are refused unless the server is configured to allow them.',
      body: newWebhookSchema,
      bodyExample: { url: WEBHOOK.url, eventTypes: WEBHOOK.eventTypes, description: WEBHOOK.description },
      status: 201,
      answer: webhookWithSecretSchema,
      answerExample: { ...WEBHOOK, secret: SECRET },
      answerHeaders: ['Location', 'ETag', 'Cache-Control'],
      errors: ['webhook_refused', 'too_many_webhooks'],
    },
    'GET /api/v1/webhooks/{id}': {
      ...ONE,
      summary: 'One endpoint',
      status: 200,
      answer: webhookSchema,
      answerExample: WEBHOOK,
      answerHeaders: ['ETag', 'Cache-Control'],
      errors: ONE_ERRORS,
    },
    'PATCH /api/v1/webhooks/{id}': {
      ...ONE,
      summary: 'Change, disable or enable an endpoint',
      details:
        'What happens while it is disabled is held, as is what waited to be sent; `replay` sends it once the endpoint is enabled again.',
      requestHeaders: ['If-Match'],
      body: webhookChangesSchema,
      bodyExample: { enabled: false },
      status: 200,
      answer: webhookSchema,
      answerExample: { ...WEBHOOK, enabled: false, disabledReason: 'switchedOff', updatedAt: LATER },
      answerHeaders: ['ETag'],
      errors: ['webhook_not_found', 'webhook_refused'],
    },
    'DELETE /api/v1/webhooks/{id}': {
      ...ONE,
      summary: 'Remove an endpoint and its deliveries',
      requestHeaders: ['If-Match'],
      status: 204,
      errors: ONE_ERRORS,
    },
    'POST /api/v1/webhooks/{id}/rotate-secret': {
      ...ONE,
      summary: 'Replace the secret of an endpoint',
      details:
        'The new `secret` is shown this once. For `overlapS` deliveries are signed with the old one as well, a signature each.',
      body: rotationSchema,
      bodyExample: { overlapS: 86_400 },
      status: 200,
      answer: webhookWithSecretSchema,
      answerExample: { ...WEBHOOK, secret: SECRET },
      answerHeaders: ['ETag', 'Cache-Control'],
      errors: ONE_ERRORS,
    },
    'POST /api/v1/webhooks/{id}/test': {
      ...ONE,
      summary: 'Send an event that is none',
      details: 'A `webhook.test`, once; what came of it is among the deliveries.',
      status: 202,
      answer: deliverySchema,
      answerExample: { ...WAITING, eventType: 'webhook.test' },
      errors: [...ONE_ERRORS, 'conflict', 'too_many_requests'],
    },
    'POST /api/v1/webhooks/{id}/replay': {
      ...ONE,
      summary: 'Send again what failed or was held',
      details: 'The oldest first, up to 5,000 a request.',
      body: replaySchema,
      bodyExample: { since: CREATED_AT },
      status: 202,
      answer: replayedSchema,
      answerExample: { replayed: 12, hasMore: false },
      errors: ['webhook_not_found', 'conflict'],
    },
    'GET /api/v1/webhooks/{id}/deliveries': {
      ...ONE,
      summary: 'What was sent to an endpoint and what came of it, newest first',
      query: deliveryListQuerySchema,
      queryExample: { state: 'failed', limit: '20' },
      status: 200,
      answer: deliveryListSchema,
      answerExample: { items: [DELIVERY], nextCursor: null },
      answerHeaders: ['Cache-Control'],
      errors: ['webhook_not_found'],
    },
    'POST /api/v1/webhooks/{id}/deliveries/{deliveryId}/replay': {
      pathExample: { id: WEBHOOK_ID, deliveryId: DELIVERY_ID },
      summary: 'Send a delivery again, whatever came of it',
      status: 202,
      answer: deliverySchema,
      answerExample: WAITING,
      errors: [...ONE_ERRORS, 'delivery_not_found', 'conflict'],
    },
  },
});
