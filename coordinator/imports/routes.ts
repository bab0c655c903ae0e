import { type Context, Hono } from 'hono';
import { isAdmin, type Principal, userIdOf } from '../auth/principal.ts';
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
  readonly basePath: string;
}): Hono<ImportEnv> {
  const { service, basePath } = deps;
  const routes = new Hono<ImportEnv>();

  routes.post('/videos/import', async (c) => {
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: LIMITS.jsonBodyTimeoutMs };
    const { url, ...metadata } = parseFields(newImportSchema, (await readJsonBody(c, limits)) ?? {});
    const created = await service.create({ url, metadata }, userIdOf(c.get('principal')));
    const json = toJson(created, basePath);
    return c.json(json, 202, { location: json.links.self });
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
