import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { isAdmin, type Principal, userIdOf } from '../auth/principal.ts';
import { creationResponse } from '../idempotency/creation-response.ts';
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.ts';
import { readJsonBody } from '../json-body.ts';
import { LIMITS } from '../limits.ts';
import { parseFields } from '../parse-fields.ts';
import { JSON_BODY_BYTES_MAX } from '../videos/limits.ts';
import { etagOf, toVideoJson } from '../videos/video-json.ts';
import { type DirectUpload, partCountOf } from './direct-upload.ts';
import { PARTS_PAGE_DEFAULT } from './limits.ts';
import {
  type CompletingJson,
  type DirectUploadJson,
  newDirectUploadSchema,
  partsQuerySchema,
} from './schema.ts';
import { type DirectUploadService, type PartPage, type Permission, uploadNotFound } from './service.ts';

export interface DirectUploadRoutesDeps {
  readonly service: DirectUploadService;
  readonly keys: Pick<IdempotencyKeys, 'run'>;
  /** Where the routes are mounted, for links and Location. */
  readonly basePath: string;
}

interface DirectEnv {
  Bindings: HttpBindings;
  Variables: { principal: Principal };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const NO_PARTS: PartPage = { parts: [], next: null };
/** The URLs are permissions. */
const NO_STORE = { 'cache-control': 'no-store' };

/** `/uploads/direct` and below, to be mounted at `basePath`. */
export function createDirectUploadRoutes(deps: DirectUploadRoutesDeps): Hono<DirectEnv> {
  const { service, basePath } = deps;
  const routes = new Hono<DirectEnv>();
  const urlOf = (id: string) => `${basePath}/uploads/direct/${id}`;

  routes.post('/uploads/direct', async (c) => {
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: LIMITS.jsonBodyTimeoutMs };
    const fields = parseFields(newDirectUploadSchema, (await readJsonBody(c, limits)) ?? {});
    const { size, sha256, ...metadata } = fields;
    const digest = sha256 === undefined ? null : Uint8Array.from(Buffer.from(sha256, 'hex'));
    const wanted = { size, sha256: digest, metadata };
    const principal = c.get('principal');
    const userId = userIdOf(principal);
    const answerOf = async (upload: DirectUpload) => {
      const page = await service.firstParts(upload, PARTS_PAGE_DEFAULT);
      const headers = { location: urlOf(upload.id), ...NO_STORE };
      return { status: 201, headers, body: JSON.stringify(toJson(upload, page, urlOf(upload.id))) };
    };
    return creationResponse(
      await deps.keys.run({
        ...{ key: c.req.header('idempotency-key'), userId },
        fingerprint: ['POST /uploads/direct', JSON.stringify(fields)],
        create: async (id) => answerOf(await service.create(id, wanted, userId)),
        recall: async (id) => {
          const upload = await service.lookUp(id);
          return upload?.expiresAt == null ? null : await answerOf(upload);
        },
      }),
    );
  });

  routes.get('/uploads/direct/:id', async (c) => {
    const { cursor = 0, limit } = parseFields(partsQuerySchema, c.req.query());
    const upload = await find(c);
    const isOpen = upload.expiresAt !== null;
    const page = isOpen ? await service.missingParts(upload, cursor, limit) : NO_PARTS;
    return c.json(toJson(upload, page, urlOf(upload.id)), 200, NO_STORE);
  });

  routes.delete('/uploads/direct/:id', async (c) => {
    await service.abort(await find(c));
    return c.body(null, 204);
  });

  routes.post('/uploads/direct/:id/complete', async (c) => {
    const upload = await find(c);
    const completion = await service.complete(upload);
    if (completion.state === 'completing') {
      const json: CompletingJson = { id: upload.id, state: 'completing' };
      return c.json(json, 202, { 'retry-after': '1' });
    }
    const { video, isNew } = completion;
    const url = `${basePath}/videos/${video.id}`;
    return c.json(toVideoJson(video, url), isNew ? 201 : 200, { location: url, etag: etagOf(video) });
  });

  async function find(c: Context<DirectEnv>): Promise<DirectUpload> {
    const id = (c.req.param('id') ?? '').toLowerCase();
    if (!UUID.test(id)) throw uploadNotFound(id);
    return await service.find(id, permissionOf(c.get('principal')));
  }

  return routes;
}

/** What is somebody else's is not there. */
function permissionOf(principal: Principal): Permission {
  return (upload) => {
    if (!isAdmin(principal) && userIdOf(principal) !== upload.ownerId) throw uploadNotFound(upload.id);
  };
}

function toJson(upload: DirectUpload, { parts, next }: PartPage, url: string): DirectUploadJson {
  const { id, videoId, size, partBytes, expiresAt } = upload;
  return {
    id,
    state: expiresAt === null ? 'complete' : 'open',
    videoId: expiresAt === null ? videoId : null,
    size,
    partSize: partBytes,
    partCount: partCountOf(upload),
    expiresAt: expiresAt?.toISOString() ?? null,
    parts: {
      items: parts.map((part) => ({ ...part, expiresAt: part.expiresAt.toISOString() })),
      nextCursor: next === null ? null : String(next),
    },
    links: { self: url, complete: `${url}/complete` },
  };
}
