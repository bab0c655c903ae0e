import type { OutgoingHttpHeaders } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { mayRead, type Principal } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { incompleteBody } from '../gone-signal.ts';
import { parseFields } from '../parse-fields.ts';
import type { Attachment } from '../videos/attachment.ts';
import { matchesStrongly } from '../videos/conditional.ts';
import { attachmentEtag } from '../videos/content.ts';
import type { ContentCors } from '../videos/content-cors.ts';
import { BodyCutError, type ContentResponder } from '../videos/content-response.ts';
import { permissionOf } from '../videos/permissions.ts';
import { type Permission, type VideoService, videoNotFound } from '../videos/service.ts';
import { receiveFile } from './receive-file.ts';
import {
  type AttachmentJson,
  type AttachmentListJson,
  attachmentFieldsSchema,
  attachmentNameSchema,
} from './schema.ts';
import { type AttachmentService, type AttachmentTest, attachmentNotFound } from './service.ts';

export interface AttachmentRoutesDeps {
  readonly service: AttachmentService;
  readonly videos: Pick<VideoService, 'content'>;
  readonly responder: ContentResponder;
  readonly cors: ContentCors;
  readonly logger: Logger;
  /** Where the routes are mounted, for links and Location. */
  readonly basePath: string;
}

interface AttachmentEnv {
  Bindings: HttpBindings;
  Variables: { requestId?: string; principal: Principal };
}
type AttachmentContext = Context<AttachmentEnv>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `/videos/{id}/attachments`, to be mounted at `basePath`. */
export function createAttachmentRoutes(deps: AttachmentRoutesDeps): Hono<AttachmentEnv> {
  const { service, basePath } = deps;
  const routes = new Hono<AttachmentEnv>();
  const urlOf = (videoId: string, name: string) => `${basePath}/videos/${videoId}/attachments/${name}`;

  routes.get('/videos/:id/attachments', async (c) => {
    const videoId = videoIdOf(c);
    const all = await service.list(videoId, readPermissionOf(c.get('principal')));
    const items = all.map((attachment) => toJson(attachment, urlOf(videoId, attachment.name)));
    return c.json({ items, nextCursor: null } satisfies AttachmentListJson);
  });

  routes.put('/videos/:id/attachments/:name', async (c) => {
    const [videoId, name] = [videoIdOf(c), nameOf(c)];
    const { incoming, outgoing } = c.env;
    const { headers } = incoming;
    const fields = parseFields(attachmentFieldsSchema, c.req.query());
    const coding = headers['content-encoding'];
    if (coding !== undefined && coding.trim().toLowerCase() !== 'identity') {
      throw new AppError<ErrorCode>('unsupported_media_type', `Content-Encoding ${coding} is not accepted.`);
    }
    const { 'content-digest': contentDigest, 'repr-digest': reprDigest } = headers;
    const digests = claimedDigests({ 'content-digest': contentDigest, 'repr-digest': reprDigest });
    const gone = new AbortController();
    outgoing.once('close', () => {
      if (!outgoing.writableFinished) gone.abort(incompleteBody());
    });
    const { attachment, isNew } = await service.put(
      videoId,
      { name, fields, digests },
      () => receiveFile(incoming),
      {
        permits: permissionOf(c.get('principal')),
        accepts: testOf(c),
        signal: gone.signal,
      },
    );
    const url = urlOf(videoId, name);
    const answer = { etag: attachmentEtag(attachment), ...(isNew && { location: url }) };
    return c.json(toJson(attachment, url), isNew ? 201 : 200, answer);
  });

  routes.delete('/videos/:id/attachments/:name', async (c) => {
    const permits = permissionOf(c.get('principal'));
    await service.delete(videoIdOf(c), nameOf(c), { permits, accepts: testOf(c) });
    return c.body(null, 204);
  });

  routes.get('/videos/:id/attachments/:name', async (c) => {
    await send(deps, c);
    return RESPONSE_ALREADY_SENT;
  });
  return routes;
}

async function send(deps: AttachmentRoutesDeps, c: AttachmentContext): Promise<void> {
  const { incoming, outgoing } = c.env;
  const requestId = c.get('requestId');
  const videoId = videoIdOf(c);
  const name = nameOf(c);
  const video = await deps.videos.content(videoId);
  readPermissionOf(c.get('principal'))(video.video);
  const content = video.attachments.get(name);
  if (content === undefined) throw attachmentNotFound(name);
  const download = c.req.query('download') === '1';
  const cors: OutgoingHttpHeaders = deps.cors.headersFor(incoming.headers.origin);
  try {
    await deps.responder.answer(content, { incoming, outgoing, requestId, download, cors });
  } catch (error) {
    if (!(error instanceof BodyCutError)) throw error;
    deps.logger.warn({ err: error.cause, requestId, path: c.req.path }, error.message);
  }
}

function readPermissionOf(principal: Principal): Permission {
  return (video) => {
    if (!mayRead(principal, video)) throw videoNotFound(video.id);
  };
}

function videoIdOf(c: AttachmentContext): string {
  const id = (c.req.param('id') ?? '').toLowerCase();
  if (UUID.test(id)) return id;
  throw videoNotFound(id);
}

function nameOf(c: AttachmentContext): string {
  return parseFields(attachmentNameSchema, c.req.param('name'));
}

/** If-Match, and `If-None-Match: *` for whoever wants to replace nothing. */
function testOf(c: AttachmentContext): AttachmentTest | undefined {
  const ifMatch = c.req.header('if-match');
  const ifNoneMatch = c.req.header('if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return (attachment) => {
    const etag = attachment && attachmentEtag(attachment);
    if (ifMatch !== undefined && (etag === undefined || !matchesStrongly(ifMatch, etag))) return false;
    return ifNoneMatch === undefined || etag === undefined || !matchesStrongly(ifNoneMatch, etag);
  };
}

function toJson(attachment: Attachment, url: string): AttachmentJson {
  const { name, kind, language, label, contentType, size, sha256, createdAt } = attachment;
  return {
    ...{ name, kind, language, label, contentType, size },
    sha256: Buffer.from(sha256).toString('hex'),
    createdAt: createdAt.toISOString(),
    links: { self: url },
  };
}
