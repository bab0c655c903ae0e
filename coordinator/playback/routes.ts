import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { DirectRoute } from '../../lib/http/direct-routes.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { OPERATIONS, type Operation, partsOf } from '../auth/access.ts';
import { addressOf } from '../auth/client-address.ts';
import type { Credentials, Gate } from '../auth/gate.ts';
import { mayRead, type Principal } from '../auth/principal.ts';
import type { UrlGrants } from '../auth/url-grants.ts';
import { readJsonFields } from '../json-body.ts';
import { parseFields } from '../parse-fields.ts';
import type { ContentCors } from '../videos/content-cors.ts';
import { BodyCutError, type ContentResponder } from '../videos/content-response.ts';
import { JSON_BODY_BYTES_MAX } from '../videos/limits.ts';
import { type VideoService, videoNotFound } from '../videos/service.ts';
import { linksOf } from './links.ts';
import { parsePlaybackPath } from './paths.ts';
import { deliveryQuerySchema, type PlaybackUrlJson, playbackSchema } from './schema.ts';
import { type Delivery, nothingThere, type PlaybackService } from './service.ts';

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
    [`videos/(${UUID})/(hls/[^?]+|poster\\.jpg|preview\\.webp|storyboard[\\w.-]+)`, BELOW_VIDEO],
    [`playback/[\\w.-]+/(${UUID})/([^?]+)`, WITH_GRANT],
  ];
  return kinds.map(([path, operation]) => ({
    target: new RegExp(`^${base}/${path}(?:\\?(.*))?$`),
    answer: async ({ incoming, outgoing, requestId, match }) => {
      const [, id = '', rest = '', query] = match;
      const admit = async () =>
        await deps.gate.admit(operation, {
          method: 'GET',
          target: incoming.url ?? '',
          headers: incoming.headers as Credentials['headers'],
        });
      await send(deps, { incoming, outgoing, requestId, id, path: rest, query, admit });
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
  /** Of the video, in any case of letters. */
  readonly id: string;
  /** Behind the video's own. */
  readonly path: string;
  readonly query: string | undefined;
  readonly admit: () => Promise<Principal>;
}

/** What both ways lead to. Whoever may not have it is refused here. */
async function send(deps: PlaybackRoutesDeps, request: SendTarget): Promise<void> {
  const { incoming, outgoing, requestId, query } = request;
  const { headers, socket } = incoming;
  const cors = deps.cors.headersFor(headers.origin);
  const id = request.id.toLowerCase();
  try {
    const principal = await request.admit();
    const target = parsePlaybackPath(request.path);
    if (target === undefined) throw nothingThere();
    const delivery = query === undefined ? undefined : deliveryOf(query);
    const video = deps.videos.cachedContent(id) ?? (await deps.videos.content(id));
    if (!mayRead(principal, video.video)) throw videoNotFound(id);
    const client = addressOf(socket.remoteAddress, headers['x-forwarded-for'] as string, deps.trustedProxies);
    try {
      const answer = await deps.service.answer(video, { target, delivery, client: client ?? '' });
      if (answer.location !== undefined)
        redirect(outgoing, answer.location, { ...cors, 'x-request-id': requestId });
      else
        await deps.responder.answer(answer.content, { incoming, outgoing, requestId, download: false, cors });
    } catch (error) {
      // What is no longer there may have been deleted by a coordinator whose message has not arrived yet.
      if (isAppError(error) && error.code === 'chunk_unavailable') {
        deps.service.invalidate(id);
        await deps.videos.recheck(id);
      }
      throw error;
    }
  } catch (error) {
    if (!(error instanceof BodyCutError)) {
      // Scripts of other origins may see errors as well.
      for (const [name, value] of Object.entries(cors)) outgoing.setHeader(name, value!);
      throw error;
    }
    deps.logger.warn({ err: error.cause, requestId, videoId: id, path: request.path }, error.message);
  }
}

/** Nobody is to keep it: the next time another node may be the better one. */
function redirect(
  outgoing: ServerResponse,
  location: string,
  headers: Readonly<Record<string, string | number | readonly string[] | undefined>>,
): void {
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined) outgoing.setHeader(name, value);
  outgoing
    .writeHead(307, {
      location,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-length': 0,
    })
    .end();
}

function partsOfTarget(c: Context<PlaybackEnv>, basePath: string) {
  const { pathname, search } = new URL(c.req.url);
  const parts = pathname.slice(basePath.length + 1).split('/');
  const [id = '', ...rest] = parts.slice(parts[0] === 'playback' ? 2 : 1);
  const principal = c.get('principal');
  const query = search === '' ? undefined : search.slice(1);
  return { id, path: rest.join('/'), query, admit: async () => principal };
}

function deliveryOf(query: string): Delivery | undefined {
  if (!query.includes('delivery')) return undefined;
  const delivery = new URLSearchParams(query).get('delivery') ?? undefined;
  return parseFields(deliveryQuerySchema, { delivery }).delivery;
}
