import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_TOKEN, Coordinators } from '../test-support/coordinators.ts';

let world: Coordinators;
beforeAll(async () => {
  world = await Coordinators.open({ env: { QUOTA_BYTES: '1KiB', QUOTA_VIDEOS: '7' } });
});
afterAll(() => world?.[Symbol.asyncDispose]());

const usageOf = async (token: string) => (await world.ask('GET', '/auth/me', { token })).json.usage;

test('users see what they have and may have, and administrators change it', async () => {
  const { accessToken: token, userId } = await world.join('uploader');
  const nothing = { bytes: 0, videos: 0, reservedBytes: 0, reservedVideos: 0 };
  expect(await usageOf(token)).toEqual({ ...nothing, bytesMax: 1024, videosMax: 7 });
  const change = (body: object, by = ADMIN_TOKEN) =>
    world.ask('PATCH', `/users/${userId}`, { token: by, body });
  expect((await change({ quotaBytes: 5000, quotaVideos: 0 })).json).toMatchObject({
    quotaBytes: 5000,
    quotaVideos: 0,
  });
  expect(await usageOf(token)).toEqual({ ...nothing, bytesMax: 5000, videosMax: null });
  await change({ quotaBytes: null });
  expect(await usageOf(token)).toMatchObject({ bytesMax: 1024 });
  expect((await change({ quotaBytes: -1 })).status).toBe(400);
  expect((await change({ quotaVideos: 1.5 })).status).toBe(400);
  expect((await change({ quotaBytes: 10 }, token)).status).toBe(403);
  expect((await world.ask('GET', '/auth/me', { token: ADMIN_TOKEN })).json.usage).toBeNull();
});

test('an upload that is too much for its user is refused before its bytes are taken, raw and in a form', async () => {
  const { accessToken: token } = await world.join('uploader');
  const raw = await world.ask('POST', '/videos', {
    token,
    body: new Uint8Array(1025),
    headers: { 'content-type': 'video/mp4' },
  });
  expect(raw).toMatchObject({
    status: 413,
    json: { code: 'quota_exceeded', wantedBytes: 1025, usage: { bytes: 0, bytesMax: 1024 } },
  });
  // Of a form it is only known that its file has more than so many bytes.
  const form = `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${'x'.repeat(4 * 1024 * 1024)}\r\n--b--\r\n`;
  const refused = await world.ask('POST', '/videos', {
    token,
    body: form,
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
  });
  expect(refused).toMatchObject({ status: 413, json: { code: 'quota_exceeded' } });
  expect(await usageOf(token)).toMatchObject({ reservedBytes: 0, reservedVideos: 0 });
});

test('what a failed upload reserved is given back', async () => {
  const { accessToken: token } = await world.join('uploader');
  // There are no storage nodes.
  const failed = await world.ask('POST', '/videos', {
    token,
    body: new Uint8Array(1024),
    headers: { 'content-type': 'video/mp4' },
  });
  expect(failed.json.code).toBe('cluster_not_ready');
  expect(await usageOf(token)).toMatchObject({ bytes: 0, reservedBytes: 0, reservedVideos: 0 });
});
