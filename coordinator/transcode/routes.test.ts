import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveWorkerToken } from '../../lib/worker-api/worker-token.ts';
import { ADMIN_TOKEN, CLUSTER_SECRET, Coordinators, type Session } from '../test-support/coordinators.ts';

/* What workers and owners ask, over HTTP, of two coordinators on one database. Every answer is held to the document. */

const token = deriveWorkerToken(CLUSTER_SECRET);
let world: Coordinators;
let owner: Session;
let other: Session;
beforeAll(async () => {
  world = await Coordinators.open({ engine: 'postgresql', count: 2 });
  owner = await world.join('uploader');
  other = await world.join('uploader');
});
afterAll(() => world[Symbol.asyncDispose]());

const wish = (waitMs = 0) => ({ workerId: uuidv7(), name: 'worker-1', concurrency: 1, waitMs });
const lease = async (at = 0, waitMs = 0) =>
  await world.ask('POST', '/workers/lease', { token, body: wish(waitMs), at });
const result = {
  kind: 'inspect',
  probe: {
    ...{ container: 'mp3', durationSeconds: 10, sizeBytes: 4, bitRate: null, video: null },
    audio: [
      {
        ...{ index: 0, codec: 'mp3', channels: 2, sampleRate: 44_100, language: null, title: null },
        ...{ isDefault: true, bitRate: null },
      },
    ],
  },
  ...{ plan: null, video: null, audio: [], copyable: { video: false, audio: [] } },
};

test('a task is queued at one coordinator, leased at the other, and its job seen by those who may', async () => {
  const id = await world.addVideo(owner.userId, 'private');
  const waiting = lease(1, 20_000);
  await expect
    .poll(async () => (await world.ask('GET', '/workers', { token: ADMIN_TOKEN })).json.items)
    .toHaveLength(1);
  const begun = await world.ask('POST', `/videos/${id}/transcode`, { token: owner.accessToken });
  expect(begun.status).toBe(202);
  const { status, json } = await waiting;
  expect([status, json.task.kind, json.task.videoId]).toEqual([200, 'inspect', id]);
  expect(json.sourceUrl).toMatch(new RegExp(`^/api/v1/videos/${id}/content\\?x-grant=`));

  // The address opens these bytes, and nothing else.
  const source = await world.ask('HEAD', json.sourceUrl.replace('/api/v1', ''));
  expect(source.status).toBe(200);
  const elsewhere = json.sourceUrl.replace('/api/v1', '').replace('/content', '/attachments/en.vtt');
  expect((await world.ask('GET', elsewhere)).status).toBe(401);

  const at = `/workers/tasks/${json.task.taskId}`;
  const body = { fence: json.fence };
  const beat = await world.ask('POST', `${at}/heartbeat`, { token, body: { ...body, progress: 0.5 } });
  expect(beat.status).toBe(200);
  const complete = await world.ask('POST', `${at}/complete`, { token, body: { ...body, result } });
  expect(complete.status).toBe(204);

  const job = begun.json.links.self.replace('/api/v1', '');
  for (const session of [owner.accessToken, ADMIN_TOKEN]) {
    const seen = await world.ask('GET', job, { token: session });
    expect(seen.json).toMatchObject({ state: 'running', taskCounts: { complete: 1, queued: 1 } });
    expect((await world.ask('GET', `/jobs?video=${id}`, { token: session })).json.items).toHaveLength(1);
  }
  for (const path of [job, `${job}/retry`, `${job}/cancel`]) {
    const method = path === job ? 'GET' : 'POST';
    const seen = await world.ask(method, path, {
      token: other.accessToken,
      ...(path !== job && { body: {} }),
    });
    expect([path, seen.status, seen.json.code]).toEqual([path, 404, 'job_not_found']);
  }
  expect((await world.ask('GET', '/jobs', { token: other.accessToken })).json.items).toEqual([]);

  const cancelled = await world.ask('POST', `${job}/cancel`, { token: owner.accessToken, body: {} });
  expect(cancelled.json).toMatchObject({ state: 'cancelled', taskCounts: { complete: 1, cancelled: 1 } });
  const video = await world.ask('GET', `/videos/${id}`, { token: owner.accessToken });
  expect(video.json.media).toMatchObject({
    status: 'failed',
    durationSeconds: 10,
    width: null,
    hasAudio: true,
  });
});

test('the entity tag of a video tells how far it is, and an edit does not mind that', async () => {
  const id = await world.addVideo(owner.userId, 'public');
  const read = async () => await world.ask('GET', `/videos/${id}`, { token: owner.accessToken });
  const before = (await read()).headers.get('etag')!;
  await world.ask('POST', `/videos/${id}/transcode`, { token: owner.accessToken });
  const { json } = await lease();
  const failure = { fence: json.fence, code: 'unplayable', reason: 'This is a letter.', retryable: false };
  await world.ask('POST', `/workers/tasks/${json.task.taskId}/fail`, { token, body: failure });
  const after = await read();
  expect(after.json.media).toMatchObject({ status: 'unplayable', reason: 'This is a letter.' });
  expect(after.headers.get('etag')).not.toBe(before);
  const again = await world.ask('GET', `/videos/${id}`, {
    headers: { 'if-none-match': after.headers.get('etag')! },
  });
  expect(again.status).toBe(304);
  // Without nodes nothing can be changed; what is refused for the entity tag is refused before.
  const edit = async (etag: string) =>
    await world.ask('PATCH', `/videos/${id}`, {
      ...{ token: owner.accessToken, body: { title: 'Another' }, headers: { 'if-match': etag } },
    });
  expect((await edit(before)).json.code).toBe('cluster_not_ready');
  expect((await edit('"v2.abcdefgh"')).json.code).toBe('precondition_failed');
});

test('without the workers’ token nothing is leased', async () => {
  for (const bad of [undefined, `${token}x`, 'orbitvids_worker_', CLUSTER_SECRET]) {
    const { status } = await world.ask('POST', '/workers/lease', { token: bad, body: wish() });
    expect(status).toBe(401);
  }
  for (const session of [ADMIN_TOKEN, owner.accessToken]) {
    expect((await world.ask('POST', '/workers/lease', { token: session, body: wish() })).status).toBe(403);
  }
  // And with it nothing else can be done.
  expect((await world.ask('GET', '/videos', { token })).status).toBe(401);
  expect(world.logged.some((line) => line.includes(token))).toBe(false);
});

test('messages that make no sense are refused, with the field that is wrong', async () => {
  const at = `/workers/tasks/${uuidv7()}`;
  const refusals: [string, string, unknown, string][] = [
    ['POST', '/workers/lease', { ...wish(), waitMs: 1e9 }, 'waitMs'],
    ['POST', '/workers/lease', { ...wish(), kinds: ['dance'] }, 'kinds.0'],
    ['POST', `${at}/heartbeat`, { fence: 1, progress: 2 }, 'progress'],
    ['POST', `${at}/outputs`, { fence: 1, name: '../x', contentType: 'video/mp4' }, 'name'],
    ['POST', `${at}/complete`, { fence: 1, result: { ...result, probe: 7 } }, 'result.probe'],
    ['POST', `${at}/fail`, { fence: 1, code: 'tired', reason: 'x', retryable: true }, 'code'],
    ['POST', `${at}/release`, { fence: 0 }, 'fence'],
  ];
  for (const [method, path, body, field] of refusals) {
    const { status, json } = await world.ask(method, path, { token, body });
    expect([path, status, json.errors?.[0]?.field]).toEqual([path, 400, field]);
  }
  for (const path of ['heartbeat', 'outputs', 'complete', 'fail', 'release']) {
    const bodies: Record<string, object> = {
      heartbeat: { progress: 0 },
      outputs: { name: 'video', contentType: 'video/mp4' },
      complete: { result },
      fail: { code: 'failed', reason: 'x', retryable: true },
      release: {},
    };
    const { status, json } = await world.ask('POST', `${at}/${path}`, {
      token,
      body: { fence: 1, ...bodies[path] },
    });
    expect([path, status, json.code]).toEqual([path, 409, 'lease_lost']);
  }
  const add = async (length: number) =>
    await world.ask('PUT', `${at}/outputs/video?fence=1&offset=0`, { token, body: new Uint8Array(length) });
  expect((await add(10)).json.code).toBe('lease_lost');
  expect((await add(0)).json.code).toBe('empty_body');
  expect((await add(8 * 1024 ** 2 + 1)).json.code).toBe('body_too_large');
});
