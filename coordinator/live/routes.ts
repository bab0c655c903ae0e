import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { addressOf, networkOf } from '../auth/client-address.ts';
import { type Principal, userIdOf } from '../auth/principal.ts';
import { invalidRequest, parseFields } from '../parse-fields.ts';
import { HEARTBEAT_MS, READER_STALL_MS, RECONNECT_MS, STREAM_LIFETIME_MS } from './limits.ts';
import type { LiveVideos } from './live-videos.ts';
import { followQuerySchema } from './schema.ts';
import { StreamCounts } from './stream-counts.ts';

export interface LiveRoutesDeps {
  readonly live: LiveVideos;
  /** Asked before anything is told: whoever may not listen any more is not told. */
  readonly isRevoked: (principal: Principal) => boolean;
  readonly trustedProxies: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the server stops: a stream has no end of its own. */
  readonly stopping: AbortSignal;
}

interface LiveEnv {
  Bindings: HttpBindings;
  Variables: { principal: Principal };
}

interface Wanted {
  readonly principal: Principal;
  readonly videoIds: readonly string[];
  readonly ownerId: string | null;
}

/**
 * `GET /videos/events`: server-sent events, `video` with how a video is now and `gone` with its id. A client that comes
 * back is told how things are, so that it need not say what it has seen.
 */
export function createLiveRoutes(deps: LiveRoutesDeps): Hono<LiveEnv> {
  const counts = new StreamCounts();
  const app = new Hono<LiveEnv>();
  app.get('/videos/events', (c) => {
    const principal = c.get('principal');
    const query = c.req.queries();
    const { video = [], owner } = parseFields(followQuerySchema, {
      ...Object.fromEntries(Object.entries(query).map(([name, [first]]) => [name, first])),
      ...(query.video !== undefined && { video: query.video }),
    });
    const userId = userIdOf(principal);
    if (owner === 'me' && userId === null) {
      throw invalidRequest([{ field: 'owner', message: 'me is for those who are logged in' }]);
    }
    const wanted = {
      principal,
      videoIds: typeof video === 'string' ? [video] : video,
      ownerId: owner === 'me' ? userId : null,
    };
    // Nobody would read it, nor say when it may end.
    if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' });
    const leave = counts.enter(userId ?? clientOf(c, deps.trustedProxies));
    // Nginx would otherwise hold events back.
    c.header('x-accel-buffering', 'no');
    return streamSSE(c, async (stream) => {
      try {
        if (await send(deps, stream, wanted)) return;
        // A client that does not read would not read the end either.
        stream.abort();
        c.env?.outgoing?.destroy();
      } catch (error) {
        deps.logger.warn({ err: error }, 'a stream ended that tells how videos are; its client comes again');
      } finally {
        leave();
      }
    });
  });
  return app;
}

/** Resolves when nothing more is to be sent; with false when the client reads nothing. */
async function send(deps: LiveRoutesDeps, stream: SSEStreamingApi, wanted: Wanted): Promise<boolean> {
  const { live, isRevoked, clock, stopping } = deps;
  let wake: () => void = () => {};
  let isOver = stopping.aborted;
  let isBeatDue = false;
  const end = () => {
    isOver = true;
    wake();
  };
  stream.onAbort(end);
  stopping.addEventListener('abort', end, { once: true });
  const cancelEnd = clock.after(STREAM_LIFETIME_MS, end);
  const beat = () => {
    isBeatDue = true;
    cancelBeat = clock.after(HEARTBEAT_MS, beat);
    wake();
  };
  let cancelBeat = clock.after(HEARTBEAT_MS, beat);
  const write = (text: string) => writeInTime(stream, text, clock);
  let follower: Awaited<ReturnType<LiveVideos['follow']>> | undefined;
  try {
    // Told at once, so that a client knows that it is connected.
    if (!(await write(`retry: ${RECONNECT_MS}\n: connected\n\n`))) return false;
    follower = await live.follow({ ...wanted, onNews: () => wake(), onEnd: end });
    while (!isOver && !isRevoked(wanted.principal)) {
      const events = follower.take();
      if (events.length === 0 && !isBeatDue) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (events.length === 0 && !(await write(': alive\n\n'))) return false;
      isBeatDue = false;
      for (const { kind, text } of events) {
        if (isOver || isRevoked(wanted.principal)) break;
        if (!(await write(`event: ${kind}\ndata: ${text}\n\n`))) return false;
      }
    }
    return true;
  } finally {
    follower?.stop();
    cancelBeat();
    cancelEnd();
    stopping.removeEventListener('abort', end);
  }
}

/** False when the client did not take it in time. */
async function writeInTime(stream: SSEStreamingApi, text: string, clock: Clock): Promise<boolean> {
  const stalled = Promise.withResolvers<false>();
  const cancel = clock.after(READER_STALL_MS, () => stalled.resolve(false));
  try {
    return await Promise.race([stream.write(text).then(() => true), stalled.promise]);
  } finally {
    cancel();
  }
}

/** Whom streams without a login are counted for. */
function clientOf(c: Context<LiveEnv>, trustedProxies: number): string {
  const { principal } = c.var;
  if (principal.kind !== 'nobody') return principal.kind;
  const address = addressOf(
    c.env?.incoming?.socket?.remoteAddress,
    c.req.header('x-forwarded-for'),
    trustedProxies,
  );
  return networkOf(address);
}
