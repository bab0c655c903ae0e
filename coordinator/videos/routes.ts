import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { DirectRoute } from '../../lib/http/direct-routes.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Credentials, Gate } from '../auth/gate.ts';
import { isAdmin, mayRead, type Principal, userIdOf } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';

import { goneSignal } from '../gone-signal.ts';
import { creationResponse } from '../idempotency/creation-response.ts';
import type { CreationAnswer, IdempotencyKeys } from '../idempotency/idempotency-keys.ts';

import { readJsonBody } from '../json-body.ts';

import { invalidRequest, parseFields } from '../parse-fields.ts';
import { evaluateRead, matchesStrongly } from './conditional.ts';
import type { ContentCors } from './content-cors.ts';
import { BodyCutError, type ContentResponder } from './content-response.ts';
import { encodeCursor } from './cursor.ts';
import { FORM_OVERHEAD_BYTES_MAX, JSON_BODY_BYTES_MAX } from './limits.ts';
import { essenceOf } from './media-type.ts';
import { openMultipartUpload } from './multipart-upload.ts';
import { bodyTooLarge } from './parse-request.ts';
import { notYours, permissionOf } from './permissions.ts';
import { openRawUpload } from './raw-upload.ts';
import { listQuerySchema, type VideoListJson, videoChangesSchema } from './schema.ts';
import { sourceDropped, type VersionTest, type VideoService, videoNotFound } from './service.ts';
import { editableTagsOf, etagOf, fullEtagOf, toVideoJson } from './video-json.ts';
import type { VideoMediaSource } from './video-media.ts';
import type { Video } from './video-repository.ts';

export interface VideoRoutesDeps {
  readonly service: VideoService;
  readonly media: VideoMediaSource;
  readonly keys: Pick<IdempotencyKeys, 'run'>;
  readonly responder: ContentResponder;
  /** Asked by the direct route; in the app it stands before the routes. */
  readonly gate: Pick<Gate, 'admit'>;
  /** For a video's bytes; the rest of the API is the server's business. */
  readonly cors: ContentCors;
  readonly logger: Logger;
  /** Where the routes are mounted, for links and Location. */
  readonly basePath: string;
  /** Longest time for a JSON body, and without a byte of a form outside of its file. */
  readonly bodyIdleTimeoutMs: number;
}

interface VideoEnv {
  Bindings: HttpBindings;
  Variables: { requestId?: string; principal: Principal };
}
type VideoContext = Context<VideoEnv>;

/** `/videos` and below, to be mounted at `basePath` of a server of @hono/node-server. */
export function createVideoRoutes(deps: VideoRoutesDeps): Hono<VideoEnv> {
  const { service } = deps;
  const routes = new Hono<VideoEnv>();
  const urlOf = (id: string) => `${deps.basePath}/videos/${id}`;

  routes.post('/videos', async (c) => {
    const { headers, url = '' } = c.env.incoming;
    const answerOf = (video: Video) => ({
      status: 201,
      headers: { location: urlOf(video.id), etag: etagOf(video) },
      body: JSON.stringify(toVideoJson(video, urlOf(video.id))),
    });
    const answer = await deps.keys.run({
      ...{ key: headers['idempotency-key'] as string | undefined, userId: userIdOf(c.get('principal')) },
      // The body itself is not read to be compared: that would cost what the key is to spare.
      fingerprint: [
        ...['POST', url, headers['content-type'], headers['content-length'], headers['content-disposition']],
        ...[headers['content-digest'], headers['repr-digest']].map(String),
      ],
      create: async (id) => answerOf(await receive(deps, c, id)),
      recall: async (id) => {
        const video = await service.lookUp(id);
        return video && answerOf(video);
      },
    });
    const isReplayed = answer.headers['idempotency-replayed'] !== undefined;
    return creationResponse(isReplayed ? unread(answer) : answer);
  });

  routes.get('/videos', async (c) => {
    const { limit, cursor, owner } = parseFields(listQuerySchema, c.req.query());
    const principal = c.get('principal');
    const ownerId = owner === 'me' ? ownIdOf(principal) : owner;
    const audience = isAdmin(principal) ? 'everything' : { userId: userIdOf(principal) };
    const { videos, next } = await service.list({ limit, audience, after: cursor, ownerId });
    const media = await deps.media.of(videos.map(({ id }) => id));
    const items = videos.map((video) => toVideoJson(video, urlOf(video.id), media.get(video.id)));
    return c.json({ items, nextCursor: next && encodeCursor(next) } satisfies VideoListJson);
  });

  routes.get('/videos/:id', async (c) => {
    const video = await service.find(idOf(c));
    if (!mayRead(c.get('principal'), video)) throw videoNotFound(video.id);
    const media = (await deps.media.of([video.id])).get(video.id);
    const headers = {
      etag: fullEtagOf(video, media),
      'cache-control': video.visibility === 'public' ? 'no-cache' : 'private, no-cache',
    };
    const verdict = evaluateRead(c.env.incoming.headers, headers);
    if (verdict === 'failed') throw preconditionFailed();
    if (verdict === 'not-modified') return c.body(null, 304, headers);
    return c.json(toVideoJson(video, urlOf(video.id), media), 200, headers);
  });

  routes.patch('/videos/:id', async (c) => {
    const id = idOf(c);
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: deps.bodyIdleTimeoutMs };
    const body = await readJsonBody(c, limits);
    if (body === undefined) throw new AppError<ErrorCode>('empty_body', 'The request has no body.');
    const changes = parseFields(videoChangesSchema, body);
    const principal = c.get('principal');
    if (changes.ownerId !== undefined && !isAdmin(principal)) throw notYours();
    const video = await service.change(id, changes, permissionOf(principal), versionTestOf(c));
    const media = (await deps.media.of([id])).get(id);
    return c.json(toVideoJson(video, urlOf(id), media), 200, { etag: fullEtagOf(video, media) });
  });

  routes.delete('/videos/:id', async (c) => {
    await service.delete(idOf(c), permissionOf(c.get('principal')), versionTestOf(c));
    return c.body(null, 204);
  });

  // Of these, `createContentRoute` takes the plain ones before they get here.
  routes.get('/videos/:id/content', async (c) => {
    const requestId = c.get('requestId');
    const download = c.req.query('download') === '1';
    const principal = c.get('principal');
    await sendContent(deps, { ...c.env, requestId, id: c.req.param('id'), download, principal });
    return RESPONSE_ALREADY_SENT;
  });
  routes.options('/videos/:id/content', (c) =>
    c.body(null, 204, deps.cors.preflightFor(c.req.header('origin')) as Record<string, string>),
  );
  return routes;
}

/**
 * `GET` and `HEAD /videos/{id}/content` on Node's own request and response, for targets that are written the usual
 * way; others find the route of the same name above. A HEAD costs a third less CPU time than through the app.
 */
export function createContentRoute(deps: VideoRoutesDeps): DirectRoute {
  const base = deps.basePath.replaceAll(/[^\w/]/g, '\\$&');
  return {
    target: new RegExp(
      `^${base}/videos/([0-9a-fA-F-]{36})/content(?:\\?(?:x-grant=[\\w.-]+)?&?(download=1)?)?$`,
    ),
    answer: ({ incoming, outgoing, requestId, match }) =>
      sendContent(deps, { incoming, outgoing, requestId, id: match[1]!, download: match[2] !== undefined }),
  };
}

/** Everything that can be refused by the headers alone is refused before the body is touched. */
async function receive(deps: VideoRoutesDeps, c: VideoContext, id: string): Promise<Video> {
  const { service, bodyIdleTimeoutMs } = deps;
  const { incoming, outgoing } = c.env;
  const { headers } = incoming;
  const isForm = essenceOf(headers['content-type'] ?? '') === 'multipart/form-data';
  assertAcceptable(headers['content-type'], headers['content-encoding'], isForm);
  const bytesMax = service.uploadBytesMax + (isForm ? FORM_OVERHEAD_BYTES_MAX : 0);
  if (Number(headers['content-length'] ?? 0) > bytesMax) throw bodyTooLarge(service.uploadBytesMax);
  if (headers['content-length'] === '0') throw emptyBody();

  const signal = goneSignal(outgoing);
  const upload = isForm
    ? await openMultipartUpload(incoming, { signal, bytesMax, idleTimeoutMs: bodyIdleTimeoutMs })
    : openRawUpload(incoming, c.req.query(), signal);
  try {
    return await service.upload(upload, userIdOf(c.get('principal')), id);
  } finally {
    upload.release();
  }
}

/** What is still to come of the body is nobody's: the connection ends with the answer. */
function unread(answer: CreationAnswer): CreationAnswer {
  return { ...answer, headers: { ...answer.headers, connection: 'close' } };
}

function assertAcceptable(type: string | undefined, coding: string | undefined, isForm: boolean): void {
  if (coding !== undefined && coding.trim().toLowerCase() !== 'identity') {
    throw new AppError<ErrorCode>('unsupported_media_type', `Content-Encoding ${coding} is not accepted.`, {
      details: { headers: { 'accept-encoding': 'identity' } },
    });
  }
  if (!isForm && type !== undefined && essenceOf(type).startsWith('multipart/')) {
    throw new AppError<ErrorCode>(
      'unsupported_media_type',
      'Of the multipart types only form-data is accepted.',
    );
  }
}

interface ContentTarget {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string | undefined;
  /** In any case of letters. */
  readonly id: string;
  readonly download: boolean;
  /** Undefined: nobody has asked the gate yet. */
  readonly principal?: Principal;
}

/** What both ways to a video's bytes lead to. Whoever may not read them is to be refused here. */
async function sendContent(deps: VideoRoutesDeps, target: ContentTarget): Promise<void> {
  const { incoming, outgoing, requestId, download } = target;
  const cors = deps.cors.headersFor(incoming.headers.origin);
  try {
    const id = checkedId(target.id);
    const principal =
      target.principal ??
      (await deps.gate.admit('GET /api/v1/videos/{id}/content', {
        method: 'GET',
        target: incoming.url ?? '',
        headers: incoming.headers as Credentials['headers'],
      }));
    const content = deps.service.cachedContent(id) ?? (await deps.service.content(id));
    if (!mayRead(principal, content.video)) throw videoNotFound(id);
    const url = `${deps.basePath}/videos/${id}`;
    if (content.video.sourceDroppedAt !== undefined) throw sourceDropped(url);
    try {
      await deps.responder.answer(content, { incoming, outgoing, requestId, download, cors });
    } catch (error) {
      // What is no longer there may have been deleted by a coordinator whose message has not arrived yet.
      if (isAppError(error) && error.code === 'chunk_unavailable') {
        const { sourceDroppedAt } = await deps.service.recheck(id);
        if (sourceDroppedAt !== undefined) throw sourceDropped(url);
      }
      throw error;
    }
  } catch (error) {
    if (!(error instanceof BodyCutError)) {
      // Scripts of other origins may see errors as well.
      for (const [name, value] of Object.entries(cors)) outgoing.setHeader(name, value!);
      throw error;
    }
    const path = incoming.url?.split('?', 1)[0];
    deps.logger.warn({ err: error.cause, requestId, path }, error.message);
  }
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What is no UUID names no video. */
function idOf(c: VideoContext): string {
  return checkedId(c.req.param('id') ?? '');
}

function checkedId(text: string): string {
  const id = text.toLowerCase();
  if (UUID.test(id)) return id;
  throw new AppError<ErrorCode>('video_not_found', 'There is no such video: its id is not a UUID.');
}

function versionTestOf(c: VideoContext): VersionTest | undefined {
  const ifMatch = c.req.header('if-match');
  if (ifMatch === undefined) return undefined;
  return (video) => matchesStrongly(editableTagsOf(ifMatch), etagOf(video));
}

function ownIdOf(principal: Principal): string {
  const id = userIdOf(principal);
  if (id === null) throw invalidRequest([{ field: 'owner', message: 'me is for those who are logged in' }]);
  return id;
}

function preconditionFailed(): AppError {
  return new AppError<ErrorCode>(
    'precondition_failed',
    'The video is not in the state that the request names.',
  );
}

function emptyBody(): AppError {
  return new AppError<ErrorCode>('empty_body', 'The upload has no bytes; a video has at least one.');
}
