import { Hono } from 'hono';
import { invalidRequest, parseFields } from '../parse-fields.ts';
import type { ApiKey, ApiKeys } from './api-keys.ts';
import type { AuditLog } from './audit-log.ts';
import type { UserPrincipal } from './principal.ts';
import { type AuthEnv, fieldsOf, originOf, type RequestOptions } from './request-origin.ts';
import {
  type ApiKeyJson,
  auditListSchema,
  idSchema,
  newApiKeySchema,
  newUserSchema,
  userChangesSchema,
  userListSchema,
} from './schema.ts';
import { toUserJson } from './user-json.ts';
import type { UserService } from './user-service.ts';

export interface UserRoutesOptions extends RequestOptions {
  readonly users: UserService;
  readonly apiKeys: ApiKeys;
  readonly audit: AuditLog;
  /** Makes a new signing key and voids all others. */
  readonly revokeSigningKeys: (origin: ReturnType<typeof originOf>) => Promise<void>;
}

/** `/users`, `/api-keys`, `/admin/audit`; paths are relative to the API's prefix. */
export function createUserRoutes(options: UserRoutesOptions): Hono<AuthEnv> {
  const { users, apiKeys, audit } = options;
  const app = new Hono<AuthEnv>();

  app.get('/users', async (c) => {
    const { q, role, disabled, limit, cursor } = parseFields(userListSchema, c.req.query());
    const { users: found, next } = await users.list({ text: q, role, disabled, limit, after: cursor });
    return c.json({ items: found.map(toUserJson), nextCursor: next });
  });

  app.post('/users', async (c) => {
    const user = await users.create(await fieldsOf(c, newUserSchema, options), originOf(c, options));
    return c.json(toUserJson(user), 201);
  });

  app.get('/users/:id', async (c) => {
    const { id } = parseFields(idSchema, c.req.param());
    return c.json(toUserJson(await users.find(id)));
  });

  app.patch('/users/:id', async (c) => {
    const { id } = parseFields(idSchema, c.req.param());
    const changes = await fieldsOf(c, userChangesSchema, options);
    if (Object.keys(changes).length === 0)
      throw invalidRequest([{ field: '', message: 'nothing to change' }]);
    return c.json(toUserJson(await users.change(id, changes, originOf(c, options))));
  });

  app.delete('/users/:id', async (c) => {
    const { id } = parseFields(idSchema, c.req.param());
    await users.delete(id, originOf(c, options));
    return c.body(null, 204);
  });

  app.get('/api-keys', async (c) => {
    const { userId } = c.get('principal') as UserPrincipal;
    return c.json({ items: (await apiKeys.list(userId)).map(toKeyJson), nextCursor: null });
  });

  app.post('/api-keys', async (c) => {
    const wanted = await fieldsOf(c, newApiKeySchema, options);
    const { userId } = c.get('principal') as UserPrincipal;
    const [created, key] = await apiKeys.create(userId, wanted, originOf(c, options));
    return c.json({ ...toKeyJson(created), key }, 201, { 'cache-control': 'no-store' });
  });

  app.delete('/api-keys/:id', async (c) => {
    const { id } = parseFields(idSchema, c.req.param());
    await apiKeys.delete((c.get('principal') as UserPrincipal).userId, id, originOf(c, options));
    return c.body(null, 204);
  });

  app.get('/admin/audit', async (c) => {
    const { user, kind, limit, cursor } = parseFields(auditListSchema, c.req.query());
    const found = await audit.list({ limit: limit + 1, before: cursor, subjectId: user, kind });
    const items = found.slice(0, limit);
    return c.json({ items, nextCursor: found.length > limit ? String(items.at(-1)!.id) : null });
  });

  app.post('/admin/signing-keys/revoke', async (c) => {
    await options.revokeSigningKeys(originOf(c, options));
    return c.body(null, 204);
  });

  return app;
}

function toKeyJson(key: ApiKey): ApiKeyJson {
  return {
    id: key.id,
    name: key.name,
    scopes: [...key.scopes],
    createdAt: key.createdAt.toISOString(),
    expiresAt: key.expiresAt.toISOString(),
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
  };
}
