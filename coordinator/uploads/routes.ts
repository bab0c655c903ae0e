import { type Context, Hono } from 'hono';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { essenceOf } from '../videos/media-type.ts';
import { completenessOf, DRAFT_CONTENT_TYPE, formatLimits } from './draft-headers.ts';
import { draftCreate, draftDelete, draftHead, draftPatch } from './draft-routes.ts';
import {
  type UploadContext,
  type UploadEnv,
  type UploadRoutesDeps,
  unsupportedType,
  uploadIdOf,
} from './request.ts';
import type { UploadJson } from './schema.ts';
import { TUS_CONTENT_TYPE, TUS_VERSION, throwMalformed, tusDiscovery } from './tus-headers.ts';
import { tusCreate, tusDelete, tusHead, tusPatch } from './tus-routes.ts';
import { isUploadId } from './upload-id.ts';
import type { StoredUpload } from './upload-repository.ts';

const ACCEPTED = `${DRAFT_CONTENT_TYPE}, ${TUS_CONTENT_TYPE}`;

/** What an answer to `OPTIONS` below `/uploads` says. */
export function uploadDiscovery(uploadBytesMax: number): Readonly<Record<string, string>> {
  return {
    ...tusDiscovery(uploadBytesMax),
    'accept-patch': ACCEPTED,
    'upload-limit': formatLimits(uploadBytesMax),
  };
}

/** Headers of answers that scripts of other origins have to see. */
export const UPLOAD_HEADERS: readonly string[] = [
  'Upload-Offset',
  'Upload-Length',
  'Upload-Defer-Length',
  'Upload-Metadata',
  'Upload-Concat',
  'Upload-Expires',
  'Upload-Complete',
  'Upload-Limit',
  'Tus-Resumable',
  'Tus-Version',
  'Tus-Extension',
  'Tus-Max-Size',
  'Tus-Checksum-Algorithm',
  'Accept-Patch',
  'OrbitVids-Video-Id',
];

/**
 * `/uploads` and below: one resource for both protocols, tus when a request says `Tus-Resumable`, otherwise the IETF's
 * draft. Paths are relative to the API's prefix.
 */
export function createUploadRoutes(deps: UploadRoutesDeps): Hono<UploadEnv> {
  const routes = new Hono<UploadEnv>();
  const limits = formatLimits(deps.service.uploadBytesMax);

  const around = async (c: Context<UploadEnv>, next: () => Promise<void>) => {
    await next();
    if (isTus(c)) c.header('tus-resumable', TUS_VERSION);
    else if (c.res.status === 413) c.header('upload-limit', limits);
  };
  routes.use('/uploads', around);
  routes.use('/uploads/:id', around);

  routes.post('/uploads', async (c) => {
    if (isTus(c)) return await tusCreate(deps, c);
    if (completenessOf(c.env.incoming.headers) !== undefined) {
      return await cutOffSilent(c, draftCreate(deps, c));
    }
    throw new AppError<ErrorCode>(
      'tus_version_unsupported',
      `An upload begins with Tus-Resumable: ${TUS_VERSION}, or with Upload-Complete.`,
      { details: { headers: { 'tus-version': TUS_VERSION } } },
    );
  });

  routes.get('/uploads/:id', async (c) => {
    if (c.req.method === 'HEAD') return await head(deps, c);
    const upload = await deps.service.find(c.get('principal'), uploadIdOf(c));
    return c.json(toUploadJson(upload, deps.basePath), 200, { 'cache-control': 'no-store' });
  });
  routes.patch('/uploads/:id', (c) => patch(deps, c));
  routes.delete('/uploads/:id', (c) => remove(deps, c));

  // For clients in whose way something lets only POST and GET pass.
  routes.post('/uploads/:id', async (c, next) => {
    if (!isUploadId(c.req.param('id'))) return await next();
    switch (c.req.header('x-http-method-override')?.toUpperCase()) {
      case 'PATCH':
        return await patch(deps, c);
      case 'DELETE':
        return await remove(deps, c);
      case 'HEAD':
        return await head(deps, c);
      default:
        return throwMalformed('X-HTTP-Method-Override', 'has to be PATCH, DELETE or HEAD');
    }
  });
  return routes;
}

function head(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  return isTus(c) ? tusHead(deps, c) : draftHead(deps, c);
}

function remove(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  return isTus(c) ? tusDelete(deps, c) : draftDelete(deps, c);
}

async function patch(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const type = essenceOf(c.req.header('content-type') ?? '');
  if (isTus(c) || type === TUS_CONTENT_TYPE) return await cutOffSilent(c, tusPatch(deps, c));
  if (type === DRAFT_CONTENT_TYPE) return await cutOffSilent(c, draftPatch(deps, c));
  throw unsupportedType(ACCEPTED);
}

/**
 * A client that was silent for too long gets no answer but the end of its connection: to clients a 408 means that the upload
 * has failed, and a lost connection that it goes on.
 */
async function cutOffSilent(c: UploadContext, answer: Promise<Response>): Promise<Response> {
  return await answer.catch((error: unknown) => {
    if (isAppError(error) && error.code === 'request_timeout') c.env.outgoing.destroy();
    throw error;
  });
}

function isTus(c: UploadContext): boolean {
  return c.req.header('tus-resumable') !== undefined;
}

function toUploadJson(upload: StoredUpload, basePath: string): UploadJson {
  const { id, kind, length, received, videoId, finalId, createdAt, expiresAt } = upload;
  return {
    id,
    state: finalId !== null ? 'joined' : videoId !== null ? 'complete' : 'open',
    kind,
    offset: received,
    length,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    videoId,
    finalId,
    links: { video: videoId === null ? null : `${basePath}/videos/${videoId}` },
  };
}
