import { type Context, Hono } from 'hono';
import type { z } from 'zod';
import { isAdmin, type Principal, userIdOf } from '../auth/principal.ts';
import { readJsonFields } from '../json-body.ts';
import { parseFields } from '../parse-fields.ts';
import { matchesStrongly } from '../videos/conditional.ts';
import type { Delivery } from './delivery.ts';
import type { Endpoint } from './endpoint.ts';
import { JSON_BODY_BYTES_MAX } from './limits.ts';
import {
  type DeliveryJson,
  deliveryIdSchema,
  deliveryListQuerySchema,
  newWebhookSchema,
  replaySchema,
  rotationSchema,
  type WebhookJson,
  webhookChangesSchema,
  webhookIdSchema,
  webhookListQuerySchema,
} from './schema.ts';
import type { Caller, VersionTest, WebhookService } from './service.ts';
import { formatSecret } from './signature.ts';

interface WebhookEnv {
  Variables: { principal: Principal };
}
type WebhookContext = Context<WebhookEnv>;

/** `/webhooks`, to be mounted at `basePath`. */
export function createWebhookRoutes(deps: {
  readonly service: WebhookService;
  readonly basePath: string;
  readonly bodyTimeoutMs: number;
}): Hono<WebhookEnv> {
  const { service, basePath, bodyTimeoutMs: timeoutMs } = deps;
  const routes = new Hono<WebhookEnv>();
  const fieldsOf = <Schema extends z.ZodType>(c: WebhookContext, schema: Schema) =>
    readJsonFields(c, schema, { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs });
  const idOf = (c: WebhookContext) => parseFields(webhookIdSchema, { id: c.req.param('id') }).id;
  const toJson = (endpoint: Endpoint) => toWebhookJson(endpoint, basePath);
  // Caches keep what is shown only once as little as other programs do.
  const secretly = (endpoint: Endpoint) => ({ etag: etagOf(endpoint), 'cache-control': 'no-store' });

  routes.get('/webhooks', async (c) => {
    const { limit, cursor } = parseFields(webhookListQuerySchema, c.req.query());
    const { endpoints, next } = await service.list(callerOf(c), { limit, after: cursor });
    return c.json({ items: endpoints.map(toJson), nextCursor: next });
  });

  routes.post('/webhooks', async (c) => {
    const [endpoint, secret] = await service.create(callerOf(c), await fieldsOf(c, newWebhookSchema));
    const json = toJson(endpoint);
    const headers = { ...secretly(endpoint), location: json.links.self };
    return c.json({ ...json, secret: formatSecret(secret) }, 201, headers);
  });

  routes.get('/webhooks/:id', async (c) => {
    const endpoint = await service.find(callerOf(c), idOf(c));
    return c.json(toJson(endpoint), 200, { etag: etagOf(endpoint), 'cache-control': 'private, no-cache' });
  });

  routes.patch('/webhooks/:id', async (c) => {
    const id = idOf(c);
    const changes = await fieldsOf(c, webhookChangesSchema);
    const endpoint = await service.change(callerOf(c), id, changes, versionTestOf(c));
    return c.json(toJson(endpoint), 200, { etag: etagOf(endpoint) });
  });

  routes.delete('/webhooks/:id', async (c) => {
    await service.delete(callerOf(c), idOf(c), versionTestOf(c));
    return c.body(null, 204);
  });

  routes.post('/webhooks/:id/rotate-secret', async (c) => {
    const id = idOf(c);
    const { overlapS } = await fieldsOf(c, rotationSchema);
    const [endpoint, secret] = await service.rotateSecret(callerOf(c), id, overlapS);
    return c.json({ ...toJson(endpoint), secret: formatSecret(secret) }, 200, secretly(endpoint));
  });

  routes.post('/webhooks/:id/test', async (c) =>
    c.json(toDeliveryJson(await service.test(callerOf(c), idOf(c))), 202),
  );

  routes.get('/webhooks/:id/deliveries', async (c) => {
    const id = idOf(c);
    const { limit, cursor, state } = parseFields(deliveryListQuerySchema, c.req.query());
    const page = { limit, after: cursor, state };
    const { deliveries, next } = await service.deliveries(callerOf(c), id, page);
    const items = deliveries.map(toDeliveryJson);
    return c.json({ items, nextCursor: next }, 200, { 'cache-control': 'no-store' });
  });

  routes.post('/webhooks/:id/deliveries/:deliveryId/replay', async (c) => {
    const { id, deliveryId } = parseFields(deliveryIdSchema, c.req.param());
    return c.json(toDeliveryJson(await service.replay(callerOf(c), id, deliveryId)), 202);
  });

  routes.post('/webhooks/:id/replay', async (c) => {
    const id = idOf(c);
    const { since } = await fieldsOf(c, replaySchema);
    return c.json(await service.replaySince(callerOf(c), id, new Date(since)), 202);
  });

  return routes;
}

/** A key of an administrator's that is good for videos alone does not open what is everybody's. */
function callerOf(c: WebhookContext): Caller {
  const principal = c.get('principal');
  const isWhole = principal.kind !== 'user' || (principal.scopes?.includes('admin') ?? true);
  return { userId: userIdOf(principal), seesAll: isAdmin(principal) && isWhole };
}

function etagOf({ version }: Endpoint): string {
  return `"v${version}"`;
}

function versionTestOf(c: WebhookContext): VersionTest | undefined {
  const ifMatch = c.req.header('if-match');
  return ifMatch === undefined ? undefined : (endpoint) => matchesStrongly(ifMatch, etagOf(endpoint));
}

function toWebhookJson(endpoint: Endpoint, basePath: string): WebhookJson {
  const { id, ownerId, scope, url, description, eventTypes, enabled, disabledReason } = endpoint;
  const self = `${basePath}/webhooks/${id}`;
  return {
    ...{ id, ownerId, scope, url, description, enabled, disabledReason },
    eventTypes: eventTypes && [...eventTypes],
    failingSince: endpoint.failingSince?.toISOString() ?? null,
    createdAt: endpoint.createdAt.toISOString(),
    updatedAt: endpoint.updatedAt.toISOString(),
    links: { self, deliveries: `${self}/deliveries` },
  };
}

function toDeliveryJson(delivery: Delivery): DeliveryJson {
  const { id, endpointId, eventId, eventType, state, attempts, last } = delivery;
  return {
    ...{ id, webhookId: endpointId, eventId, eventType, state, attempts },
    lastAttempt: last && { ...last, at: last.at.toISOString() },
    nextAttemptAt: state === 'pending' ? delivery.dueAt.toISOString() : null,
    createdAt: delivery.createdAt.toISOString(),
  };
}
