import { type Context, Hono } from 'hono';
import { isAdmin, type Principal, userIdOf } from '../auth/principal.ts';
import { creationResponse } from '../idempotency/creation-response.ts';
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.ts';
import { readJsonBody } from '../json-body.ts';
import { LIMITS } from '../limits.ts';
import { parseFields } from '../parse-fields.ts';
import { JSON_BODY_BYTES_MAX } from '../videos/limits.ts';
import type { Import } from './repository.ts';
import { type ImportJson, newImportSchema } from './schema.ts';
import { type ImportService, importNotFound } from './service.ts';

interface ImportEnv {
  Variables: { principal: Principal };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `/videos/import` and `/imports`, to be mounted at `basePath`. */
export function createImportRoutes(deps: {
  readonly service: ImportService;
  readonly keys: Pick<IdempotencyKeys, 'run'>;
  readonly basePath: string;
}): Hono<ImportEnv> {
  const { service, basePath } = deps;
  const routes = new Hono<ImportEnv>();

  routes.post('/videos/import', async (c) => {
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: LIMITS.jsonBodyTimeoutMs };
    const fields = parseFields(newImportSchema, (await readJsonBody(c, limits)) ?? {});
    const { url, ...metadata } = fields;
    const userId = userIdOf(c.get('principal'));
    const answerOf = (made: Import) => {
      const json = toJson(made, basePath);
      return { status: 202, headers: { location: json.links.self }, body: JSON.stringify(json) };
    };
    return creationResponse(
      await deps.keys.run({
        ...{ key: c.req.header('idempotency-key'), userId },
        fingerprint: ['POST /videos/import', JSON.stringify(fields)],
        create: async (id) => answerOf(await service.create(id, { url, metadata }, userId)),
        recall: async (id) => {
          const made = await service.lookUp(id);
          return made && answerOf(made);
        },
      }),
    );
  });

  routes.get('/imports/:id', async (c) =>
    c.json(toJson(await find(c), basePath), 200, { 'cache-control': 'no-store' }),
  );

  routes.delete('/imports/:id', async (c) => {
    const { id } = await find(c);
    await service.cancel(id);
    return c.body(null, 204);
  });

  /** Somebody else's is not there. */
  async function find(c: Context<ImportEnv>): Promise<Import> {
    const id = (c.req.param('id') ?? '').toLowerCase();
    if (!UUID.test(id)) throw importNotFound(id);
    const found = await service.find(id);
    const principal = c.get('principal');
    if (!isAdmin(principal) && userIdOf(principal) !== found.ownerId) throw importNotFound(id);
    return found;
  }

  return routes;
}

function toJson(found: Import, basePath: string): ImportJson {
  const { id, state, url, receivedBytes, totalBytes, attempts, error, createdAt } = found;
  const videoId = state === 'complete' ? found.videoId : null;
  return {
    ...{ id, state, url, receivedBytes, totalBytes, attempts, error, videoId },
    createdAt: createdAt.toISOString(),
    links: { self: `${basePath}/imports/${id}`, video: videoId && `${basePath}/videos/${videoId}` },
  };
}
