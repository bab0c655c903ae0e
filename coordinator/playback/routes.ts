import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { DirectRoute } from '../../lib/http/direct-routes.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { type Soon, whenThere } from '../../lib/soon/soon.ts';
import { OPERATIONS, type Operation, partsOf } from '../auth/access.ts';
import { addressOf } from '../auth/client-address.ts';
import type { Credentials, Gate } from '../auth/gate.ts';
import { mayRead, type Principal, userIdOf } from '../auth/principal.ts';
import type { UrlGrants } from '../auth/url-grants.ts';
import { readJsonFields } from '../json-body.ts';
import { parseFields } from '../parse-fields.ts';
import type { ContentCors } from '../videos/content-cors.ts';
import { BodyCutError, type ContentResponder } from '../videos/content-response.ts';
import { JSON_BODY_BYTES_MAX } from '../videos/limits.ts';
import { type VideoService, videoNotFound } from '../videos/service.ts';
import { linksOf } from './links.ts';
import { parsePlaybackPath } from './paths.ts';
import type { Viewer } from './recent-redirects.ts';
import { deliveryQuerySchema, type PlaybackUrlJson, playbackSchema } from './schema.ts';
import { type Delivery, nothingThere, type PlaybackAnswer, type PlaybackService } from './service.ts';

export interface PlaybackRoutesDeps {
  readonly service: PlaybackService;
  readonly videos: Pick<VideoService, 'cachedContent' | 'content' | 'recheck'>;
  readonly responder: ContentResponder;
  /** Asked by the direct routes; in the app it stands before the routes. */
  readonly gate: Pick<Gate, 'admit'>;
  readonly grants: Pick<UrlGrants, 'issue'>;
  readonly cors: ContentCors;
  readonly logger: Logger;
  /** Where the routes are mounted. */
  readonly basePath: string;
  /** Proxies whose `X-Forwarded-For` is to be believed. */
  readonly trustedProxies: number;
  /** Longest time for a JSON body. */
  readonly bodyIdleTimeoutMs: number;
}

interface PlaybackEnv {
  Bindings: HttpBindings;
  Variables: { requestId?: string; principal: Principal };
}

/** Of any of those below a video, which have the same rule. */
const BELOW_VIDEO: Operation = 'GET /api/v1/videos/{id}/hls/master.m3u8';
const WITH_GRANT: Operation = 'GET /api/v1/playback/{grant}/{id}/{path}';
const OWN = /^GET \/api\/v1\/(?:videos\/\{id\}\/(?:hls\/|poster|storyboard|preview)|playback\/)/;
const UUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';

/**
 * What players ask for, below `/videos/{id}` and below `/playback/{grant}/{id}`, on Node's own request and response. Targets
 * that are written in unusual ways find the routes below.
 */
export function createPlaybackDirectRoutes(deps: PlaybackRoutesDeps): DirectRoute[] {
  const base = deps.basePath.replaceAll(/[^\w/]/g, '\\$&');
  const kinds: readonly (readonly [string, Operation])[] = [
    [`videos/()(${UUID})/(hls/[^?]+|poster\\.jpg|preview\\.webp|storyboard[\\w.-]+)`, BELOW_VIDEO],
    [`playback/([\\w.-]+)/(${UUID})/([^?]+)`, WITH_GRANT],
  ];
  return kinds.map(([path, operation]) => ({
    target: new RegExp(`^${base}/${path}(?:\\?(.*))?$`),
    answer: ({ incoming, outgoing, requestId, match }) => {
      const admit = () =>
        deps.gate.admit(operation, {
          method: 'GET',
          target: incoming.url ?? '',
          headers: incoming.headers as Credentials['headers'],
        });
      const [, grant, id = '', path = '', query] = match;
      return send(deps, { incoming, outgoing, requestId, grant, id, path, query, admit });
    },
  }));
}

/** The same in the app, and `POST /videos/{id}/playback-url`; to be mounted at `basePath`. */
export function createPlaybackRoutes(deps: PlaybackRoutesDeps): Hono<PlaybackEnv> {
  const routes = new Hono<PlaybackEnv>();
  const { basePath, videos, grants, service } = deps;

  for (const operation of OPERATIONS.filter((name) => OWN.test(name))) {
    routes.get(partsOf(operation).pattern.slice(basePath.length), async (c) => {
      await send(deps, { ...c.env, ...partsOfTarget(c, basePath), requestId: c.get('requestId') });
      return RESPONSE_ALREADY_SENT;
    });
  }

  routes.post('/videos/:id/playback-url', async (c) => {
    const id = (c.req.param('id') ?? '').toLowerCase();
    if (!new RegExp(`^${UUID}$`).test(id)) throw videoNotFound(id);
    const limits = { bytesMax: JSON_BODY_BYTES_MAX, timeoutMs: deps.bodyIdleTimeoutMs };
    const { expiresInS, delivery } = await readJsonFields(c, playbackSchema, limits);
    const issuer = c.get('principal');
    const { video } = await videos.content(id);
    if (!mayRead(issuer, video)) throw videoNotFound(id);
    const prefix = `${basePath}/videos/${id}`;
    const wanted = { scope: 'playback', path: `${prefix}/content`, prefix, lifetimeS: expiresInS, issuer };
    const { url, grant, expiresAt } = grants.issue(wanted);
    const links = linksOf(`${basePath}/playback/${grant}/${id}`, await service.playable(id), delivery);
    const file = video.sourceDroppedAt === undefined ? url : null;
    const answer = { url: file, ...links, expiresAt: expiresAt.toISOString() } satisfies PlaybackUrlJson;
    return c.json(answer, 200, { 'cache-control': 'no-store' });
  });
  return routes;
}

interface SendTarget {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string | undefined;
  /** In the path. */
  readonly grant: string | undefined;
  /** Of the video, in any case of letters. */
  readonly id: string;
  /** Behind the video's own. */
  readonly path: string;
  readonly query: string | undefined;
  readonly admit: () => Soon<Principal>;
}

/** What both ways lead to. Whoever may not have it is refused here. A redirect that takes nothing but memory is sent at once. */
function send(deps: PlaybackRoutesDeps, request: SendTarget): Soon<void> {
  const cors = deps.cors.headersFor(request.incoming.headers.origin);
  try {
    const answer = answerOf(deps, request);
    if (answer instanceof Promise || answer.location === undefined)
      return sendLater(deps, request, cors, answer);
    redirect(request, answer.location, cors);
  } catch (error) {
    showTo(request.outgoing, cors);
    throw error;
  }
}

async function sendLater(
  deps: PlaybackRoutesDeps,
  request: SendTarget,
  cors: OutgoingHttpHeaders,
  answer: Soon<PlaybackAnswer>,
): Promise<void> {
  const { incoming, outgoing, requestId } = request;
  try {
    const { content, location } = await answer;
    if (location !== undefined) redirect(request, location, cors);
    else await deps.responder.answer(content, { incoming, outgoing, requestId, download: false, cors });
  } catch (error) {
    const videoId = request.id.toLowerCase();
    if (error instanceof BodyCutError) {
      deps.logger.warn({ err: error.cause, requestId, videoId, path: request.path }, error.message);
      return;
    }
    showTo(outgoing, cors);
    // What is no longer there may have been deleted by a coordinator whose message has not arrived yet.
    if (isAppError(error) && error.code === 'chunk_unavailable') {
      deps.service.invalidate(videoId);
      await deps.videos.recheck(videoId);
    }
    throw error;
  }
}

/** At once if everything is in memory. */
function answerOf(deps: PlaybackRoutesDeps, request: SendTarget): Soon<PlaybackAnswer> {
  return whenThere(request.admit(), (principal) => {
    const target = parsePlaybackPath(request.path);
    if (target === undefined) throw nothingThere();
    const delivery = request.query === undefined ? undefined : deliveryOf(request.query);
    const id = request.id.toLowerCase();
    return whenThere(deps.videos.cachedContent(id) ?? deps.videos.content(id), (video) => {
      if (!mayRead(principal, video.video)) throw videoNotFound(id);
      const viewer = viewerOf(request, principal, deps.trustedProxies);
      return deps.service.answer(video, { target, delivery, viewer });
    });
  });
}

function viewerOf({ incoming, grant, query }: SendTarget, principal: Principal, proxies: number): Viewer {
  const { headers, socket } = incoming;
  const shown = principal.kind === 'guest' ? grant || query : userIdOf(principal);
  return {
    address: addressOf(socket.remoteAddress, headers['x-forwarded-for'] as string | undefined, proxies) ?? '',
    credential: shown ?? principal.kind,
    userAgent: headers['user-agent'] ?? '',
  };
}

/** Scripts of other origins may see errors as well. */
function showTo(outgoing: ServerResponse, cors: OutgoingHttpHeaders): void {
  for (const name in cors) outgoing.setHeader(name, cors[name]!);
}

/** Nobody is to keep it: the next time another node may be the better one. */
function redirect({ outgoing, requestId }: SendTarget, location: string, cors: OutgoingHttpHeaders): void {
  const headers: OutgoingHttpHeader[] = [
    'location',
    location,
    'cache-control',
    'no-store',
    'referrer-policy',
    'no-referrer',
    'content-length',
    '0',
  ];
  for (const name in cors) headers.push(name, cors[name]!);
  if (requestId !== undefined) headers.push('x-request-id', requestId);
  outgoing.writeHead(307, headers).end();
}

function partsOfTarget(c: Context<PlaybackEnv>, basePath: string) {
  const { pathname, search } = new URL(c.req.url);
  const parts = pathname.slice(basePath.length + 1).split('/');
  const grant = parts[0] === 'playback' ? parts[1] : undefined;
  const [id = '', ...rest] = parts.slice(grant === undefined ? 1 : 2);
  const principal = c.get('principal');
  const query = search === '' ? undefined : search.slice(1);
  return { grant, id, path: rest.join('/'), query, admit: () => principal };
}

function deliveryOf(query: string): Delivery | undefined {
  // As playlists say it.
  if (query === 'delivery=redirect') return 'redirect';
  if (!query.includes('delivery')) return undefined;
  const delivery = new URLSearchParams(query).get('delivery') ?? undefined;
  return parseFields(deliveryQuerySchema, { delivery }).delivery;
}
