import { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createProblemHandlers } from '../../lib/http/problem-handlers.ts';
import { createLogger } from '../../lib/logging/logger.ts';
import { NOBODY, type Principal } from '../auth/principal.ts';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import type { Notifications } from '../database/notifications.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { statusOf } from '../errors.ts';
import {
  HEARTBEAT_MS,
  NEWS_WAITING_MAX,
  READ_AT_ONCE_MAX,
  READER_STALL_MS,
  STREAM_LIFETIME_MS,
  STREAMS_PER_CLIENT_MAX,
  VIDEOS_BEGUN_MAX,
  VIDEOS_KNOWN_MAX,
  VIDEOS_NAMED_MAX,
} from './limits.ts';
import { type LiveState, LiveVideos } from './live-videos.ts';
import { createLiveRoutes } from './routes.ts';

const ID = uuidv7();
const OWNER = uuidv7();

let clock: ManualClock;
let live: LiveVideos;
let stopping: AbortController;
let isRevoked: boolean;
let read: (ids: readonly string[]) => Promise<LiveState[]>;
let underWay: (ownerId: string, limit: number) => Promise<string[]>;
let warnings: number;
let tell: (channel: string, payload: string) => void;
let gap: () => void;
let app: Hono<{ Variables: { principal: Principal } }>;

beforeEach(async () => {
  clock = new ManualClock();
  stopping = new AbortController();
  isRevoked = false;
  underWay = async () => [];
  warnings = 0;
  const logger = createLogger({ name: 'test', level: 'silent' });
  logger.warn = () => (warnings += 1);
  let count = 0;
  read = async (ids) =>
    ids.map((id) => ({
      id,
      ownerId: OWNER,
      visibility: 'public',
      text: `{"id":"${id}","count":${++count}}`,
    }));
  const listeners = new Map<string, (payload: string) => void>();
  const notifications: Notifications = {
    publish: async () => {},
    subscribe: async (channel, listener) => {
      listeners.set(channel, listener);
      return () => {};
    },
    onGap: (listener) => {
      gap = listener;
      return () => {};
    },
  };
  tell = (channel, payload) => listeners.get(channel)?.(payload);
  live = await LiveVideos.open({
    ...{ notifications, editsChannel: 'videos', clock, logger: silentLogger },
    ...{ read: (ids) => read(ids), underWay: (ownerId, limit) => underWay(ownerId, limit) },
  });
  app = new Hono();
  app.onError(createProblemHandlers(silentLogger, statusOf).onError);
  app.use(async (c, next) => {
    const userId = c.req.header('x-user');
    const user = { kind: 'user', role: 'viewer', sessionId: null, scopes: null, generation: 0 } as const;
    c.set('principal', userId === undefined ? NOBODY : { ...user, userId });
    await next();
  });
  const deps = { live, isRevoked: () => isRevoked, trustedProxies: 0, clock, logger };
  app.route('/', createLiveRoutes({ ...deps, stopping: stopping.signal }));
});
afterEach(async () => {
  stopping.abort();
  await clock.advance(READER_STALL_MS);
  await live[Symbol.asyncDispose]();
});

/** A client that reads everything. */
async function open(query = `video=${ID}`, headers = {}) {
  const response = await app.request(`/videos/events?${query}`, { headers });
  const client = { status: response.status, text: '', isOver: false };
  void (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) client.text += piece;
    client.isOver = true;
  })();
  await clock.advance(1000);
  return client;
}

test('a stream begins with how things are, and lives on by its heartbeats', async () => {
  const client = await open();
  expect(client.text).toBe(`retry: 1000\n: connected\n\nevent: video\ndata: {"id":"${ID}","count":1}\n\n`);
  await clock.advance(2 * HEARTBEAT_MS);
  expect(client.text.match(/^: alive$/gm)).toHaveLength(2);
  tell('video_media', `${ID} ${OWNER}`);
  await clock.advance(1000);
  expect(client.text).toContain('"count":2');
  // Of others it hears nothing, and nobody looks at them.
  tell('video_media', `${uuidv7()} ${OWNER}`);
  await clock.advance(1000);
  expect(client.text).not.toContain('"count":3');
});

test('news that comes faster than it is read is told once, as it is then', async () => {
  const client = await open();
  for (let count = 0; count < 50; count++) tell('video_media', `${ID} ${OWNER}`);
  await clock.advance(1000);
  expect(client.text.match(/^event: video$/gm)).toHaveLength(2);
});

test('it ends with the server, with its token, and when messages may have been lost', async () => {
  const clients = [await open(), await open()];
  gap();
  await clock.advance(0);
  expect(clients.map(({ isOver }) => isOver)).toEqual([true, true]);
  const old = await open();
  await clock.advance(STREAM_LIFETIME_MS);
  expect(old.isOver).toBe(true);
  const last = await open();
  expect(last.isOver).toBe(false);
  stopping.abort();
  await clock.advance(0);
  expect(last.isOver).toBe(true);
  expect(live.followers).toBe(0);
});

test('whoever may not listen any more is told nothing', async () => {
  const client = await open();
  isRevoked = true;
  tell('video_media', `${ID} ${OWNER}`);
  await clock.advance(1000);
  expect(client.isOver).toBe(true);
  expect(client.text).not.toContain('"count":2');
});

test('of one’s own videos the latest ones under way are told at first', async () => {
  const asked: unknown[] = [];
  underWay = async (...given) => {
    asked.push(given);
    return [ID];
  };
  const client = await open('owner=me', { 'x-user': OWNER });
  expect(asked).toEqual([[OWNER, VIDEOS_BEGUN_MAX]]);
  expect(client.text).toContain(`"id":"${ID}"`);
});

test('when videos cannot be read the stream ends, so that the client comes again', async () => {
  const client = await open();
  read = async () => {
    throw new Error('the database is away');
  };
  tell('video_media', `${ID} ${OWNER}`);
  await clock.advance(1000);
  expect(client.isOver).toBe(true);
});

test('so does one that cannot even begin, and that is logged', async () => {
  underWay = async () => {
    throw new Error('the database is away');
  };
  const client = await open('owner=me', { 'x-user': OWNER });
  expect([client.isOver, client.text]).toEqual([true, 'retry: 1000\n: connected\n\n']);
  expect([warnings, live.followers]).toEqual([1, 0]);
});

test('who asks for nothing but the headers follows nothing', async () => {
  const { status, headers } = await app.request(`/videos/events?video=${ID}`, { method: 'HEAD' });
  expect([status, headers.get('content-type')]).toEqual([200, 'text/event-stream']);
  await clock.advance(1000);
  expect(live.followers).toBe(0);
});

test('a client that reads nothing is cut off', async () => {
  await app.request(`/videos/events?video=${ID}`);
  await clock.advance(1000);
  expect(live.followers).toBe(1);
  for (let count = 0; count < 3; count++) {
    tell('video_media', `${ID} ${OWNER}`);
    await clock.advance(1000);
  }
  await clock.advance(READER_STALL_MS + HEARTBEAT_MS);
  expect(live.followers).toBe(0);
});

test('so is one for whom more waits than there can be', async () => {
  let isOver = false;
  const principal = { kind: 'user', userId: OWNER, role: 'uploader' } as Principal;
  await live.follow({
    ...{ principal, videoIds: [], ownerId: OWNER },
    ...{ onNews: () => {}, onEnd: () => (isOver = true) },
  });
  for (let count = 0; count < NEWS_WAITING_MAX; count++) tell('video_media', `${uuidv7()} ${OWNER}`);
  await clock.advance(10_000);
  expect(isOver).toBe(false);
  tell('video_media', `${uuidv7()} ${OWNER}`);
  await clock.advance(1000);
  expect([isOver, live.followers]).toEqual([true, 0]);
});

test('of a user’s own videos the edits of the latest ones are told, and few are read at a time', async () => {
  const readAtOnce: number[] = [];
  read = async (ids) => {
    readAtOnce.push(ids.length);
    return ids.map((id) => ({
      id,
      ownerId: OWNER,
      visibility: 'public',
      text: `${readAtOnce.length} ${id}`,
    }));
  };
  const principal = { kind: 'user', userId: OWNER, role: 'uploader' } as Principal;
  const { take } = await live.follow({
    ...{ principal, videoIds: [], ownerId: OWNER, onNews: () => {}, onEnd: () => {} },
  });
  const [first = '', ...ids] = Array.from({ length: VIDEOS_KNOWN_MAX + 1 }, () => uuidv7());
  tell('video_media', `${first} ${OWNER}`);
  await clock.advance(1000);
  for (const id of ids) tell('video_media', `${id} ${OWNER}`);
  await clock.advance(10_000);
  expect(take()).toHaveLength(VIDEOS_KNOWN_MAX + 1);
  expect(Math.max(...readAtOnce)).toBe(READ_AT_ONCE_MAX);
  for (const id of [first, ids[0]!]) tell('videos', id);
  await clock.advance(1000);
  expect(take().map(({ text }) => text.split(' ')[1])).toEqual([ids[0]]);
});

test('streams of one client are bounded, and one that ends makes room', async () => {
  const headers = { 'x-user': OWNER };
  const clients = [];
  for (let count = 0; count < STREAMS_PER_CLIENT_MAX; count++) clients.push(await open('owner=me', headers));
  const refused = await app.request('/videos/events?owner=me', { headers });
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
  expect(await refused.json()).toMatchObject({ code: 'too_many_requests' });
  expect((await open()).status).toBe(200);
  gap();
  await clock.advance(0);
  expect((await open('owner=me', headers)).status).toBe(200);
});

test.each([
  '',
  'video=x',
  'owner=you',
  `video=${ID}&all=1`,
  Array.from({ length: VIDEOS_NAMED_MAX + 1 }, () => `video=${ID}`).join('&'),
  // Nobody has videos.
  'owner=me',
])('%s is refused', async (query) => {
  const response = await app.request(`/videos/events?${query}`);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_request' });
  expect(live.followers).toBe(0);
});
