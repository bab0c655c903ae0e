import { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import type { Principal, UserPrincipal } from '../auth/principal.ts';
import { NOBODY } from '../auth/principal.ts';
import type { Config } from '../config.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { openLive } from '../live.ts';
import { TranscodeWorld } from '../transcode/test-support/transcode-world.ts';
import { LiveRepository } from './live-repository.ts';
import { goneVideoSchema, type LiveVideoJson, liveVideoSchema } from './schema.ts';

const EDITS = 'videos';

function user(userId: string): UserPrincipal {
  return { kind: 'user', userId, role: 'uploader', sessionId: null, scopes: null, generation: 0 };
}

describe.each(ENGINES)('how videos are, on %s', (engine) => {
  let database: DatabaseHandle;
  let world: TranscodeWorld;
  let stack: AsyncDisposableStack;
  let stopping: AbortController;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
    world = await TranscodeWorld.open(database);
  });
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(() => {
    stack = new AsyncDisposableStack();
    stopping = new AbortController();
  });
  afterEach(async () => {
    stopping.abort();
    await stack.disposeAsync();
  });

  /** What a client of a coordinator of its own has been told, the latest last. */
  async function follow(principal: Principal, query: string) {
    const { videos, media } = world;
    const { routes } = await openLive(stack, {
      ...{ config: { TRUSTED_PROXIES: 0 } as Config, database, videos, media, editsChannel: EDITS },
      ...{ accounts: { isRevoked: () => false }, clock: systemClock, logger: silentLogger },
      ...{ stopping: stopping.signal, basePath: '/api/v1' },
    });
    const app = new Hono<{ Variables: { principal: Principal } }>();
    app.use(async (c, next) => {
      c.set('principal', principal);
      await next();
    });
    const response = await app.route('/', routes).request(`/videos/events?${query}`);
    expect(response.status).toBe(200);
    const told: LiveVideoJson[] = [];
    const gone: string[] = [];
    let text = '';
    void (async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
        text += piece;
        const blocks = text.split('\n\n');
        text = blocks.pop()!;
        for (const block of blocks) {
          const [, kind, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
          if (kind === 'video') told.push(liveVideoSchema.parse(JSON.parse(data!)));
          if (kind === 'gone') gone.push(goneVideoSchema.parse(JSON.parse(data!)).id);
        }
      }
    })();
    const latest = (id: string) => told.findLast(({ video }) => video.id === id);
    return { told, gone, latest };
  }

  test('every coordinator tells of each step until a video is ready, and how far each rung is', async () => {
    const id = await world.addVideo();
    const [here, there] = [await follow(NOBODY, `video=${id}`), await follow(NOBODY, `video=${id}`)];
    await expect
      .poll(() => there.latest(id))
      .toMatchObject({
        video: { id, title: 'A film', media: { status: 'processing', progress: 0 } },
        job: { state: 'queued', renditions: [] },
        etag: expect.stringMatching(/^"v1\./),
      });
    await world.inspect({ isPlayable: true, hasAudio: true });
    await expect
      .poll(() => there.latest(id))
      .toMatchObject({
        video: { media: { status: 'playable' }, links: { hls: `/api/v1/videos/${id}/hls/master.m3u8` } },
        job: { state: 'running' },
      });
    const pictures = await world.leaseOf('pictures');
    await world.service.complete(pictures, await world.resultOf(pictures));
    const encode = await world.leaseOf('encode');
    await world.service.heartbeat(encode, 0.5);
    const rung = (client: typeof there) =>
      client.latest(id)?.job?.renditions.find(({ name }) => name === '240p');
    for (const client of [here, there]) {
      await expect.poll(() => rung(client)).toMatchObject({ progress: 0.5, isPublished: false });
    }
    expect(there.latest(id)?.video.links.poster).toMatch(/poster\.jpg$/);
    await world.service.complete(encode, await world.resultOf(encode));
    for (const client of [here, there]) {
      await expect
        .poll(() => client.latest(id))
        .toMatchObject({ video: { media: { status: 'ready', progress: 1 } }, job: { state: 'complete' } });
      expect(rung(client)).toEqual({ name: '240p', kind: 'video', progress: 1, isPublished: true });
    }
    // What did not change is not told again.
    const texts = here.told.map((event) => JSON.stringify(event));
    expect(new Set(texts).size).toBe(texts.length);
  });

  test('who fails is told of, too, and who is cancelled or tried again', async () => {
    const id = await world.addVideo();
    const { latest } = await follow(NOBODY, `video=${id}`);
    const lease = await world.leaseOf('inspect');
    await world.service.fail(lease, { code: 'failed', reason: 'no room', retryable: true });
    await world.kysely
      .updateTable('transcode_tasks')
      .set({ due_at: new Date(0) })
      .execute();
    const again = await world.leaseOf('inspect');
    await world.service.fail(again, { code: 'unplayable', reason: 'It is a poem.', retryable: false });
    await expect
      .poll(() => latest(id))
      .toMatchObject({
        video: { media: { status: 'unplayable', reason: 'It is a poem.' } },
        job: { state: 'failed', reason: 'It is a poem.' },
      });
    await world.jobService.restart(id);
    await expect.poll(() => latest(id)?.job?.state).toBe('queued');
    await world.jobService.cancel(await world.jobOf(id));
    await expect.poll(() => latest(id)?.job?.state).toBe('cancelled');
  });

  test('one’s own videos: those under way at first, then new ones, edits and deletions', async () => {
    const [mine, other] = [uuidv7(), uuidv7()];
    const old = await world.addVideo(mine);
    const { told, gone, latest } = await follow(user(mine), 'owner=me');
    await expect.poll(() => latest(old)).toBeDefined();
    const [fresh, foreign] = [await world.addVideo(mine), await world.addVideo(other)];
    await expect.poll(() => latest(fresh)?.video.media.status).toBe('processing');
    expect(await new LiveRepository(database.kysely).underWay(mine, 1)).toEqual([fresh]);
    const at = new Date();
    await database.kysely.transaction().execute(async (transaction) => {
      await world.videos.update(transaction, fresh, { title: 'Renamed' }, { updatedAt: at });
      await database.notifications.publish(EDITS, fresh, transaction);
    });
    await expect.poll(() => latest(fresh)?.video.title).toBe('Renamed');
    await database.kysely.transaction().execute(async (transaction) => {
      await world.videos.delete(transaction, old, {});
      await database.notifications.publish(EDITS, old, transaction);
    });
    await expect.poll(() => gone).toEqual([old]);
    expect(told.some(({ video }) => video.id === foreign)).toBe(false);
  });

  test('what may not be read is not there, from the moment on from which it may not', async () => {
    const [mine, missing] = [uuidv7(), uuidv7()];
    const id = await world.addVideo(mine);
    const stranger = await follow(user(uuidv7()), `video=${id}&video=${missing}`);
    const owner = await follow(user(mine), `video=${id}`);
    await expect.poll(() => stranger.latest(id)).toBeDefined();
    expect(stranger.gone).toEqual([missing]);
    await database.kysely.transaction().execute(async (transaction) => {
      const hidden = { visibility: 'private', title: 'A secret' } as const;
      await world.videos.update(transaction, id, hidden, { updatedAt: new Date() });
      await database.notifications.publish(EDITS, id, transaction);
    });
    await expect.poll(() => stranger.gone).toEqual([missing, id]);
    await expect.poll(() => owner.latest(id)?.video.title).toBe('A secret');
    expect(stranger.told.map(({ video }) => video.title)).toEqual(['A film']);
  });
});
