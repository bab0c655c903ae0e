import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256, TestCluster } from './support/test-cluster.ts';

const BYTES = randomBytes(3_000_000);
interface Import {
  readonly id: string;
  readonly state: string;
  readonly attempts: number;
  readonly receivedBytes: number;
  readonly videoId: string | null;
  readonly error: { readonly code: string } | null;
}

let cluster: TestCluster;
let server: Server;
let origin: string;
/** Whether answers stop after their first half until somebody says otherwise. */
let isHeld = false;
const waiting: (() => void)[] = [];

function release(): void {
  isHeld = false;
  for (const go of waiting.splice(0)) go();
}

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/missing') {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'content-length': BYTES.length, 'content-type': 'video/mp4' });
    const half = BYTES.length / 2;
    response.write(BYTES.subarray(0, half));
    const finish = () => response.end(BYTES.subarray(half));
    if (isHeld) waiting.push(finish);
    else finish();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cluster = await TestCluster.start({
    nodeCount: 3,
    coordinatorEnv: { IMPORT_ALLOW_PRIVATE: 'on', IMPORT_PORTS: '*', UPLOAD_LEASE: '1s' },
  });
}, 60_000);
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
});

async function begin(body: object): Promise<Import> {
  const response = await cluster.api('/videos/import', {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  });
  const json = (await response.json()) as Import;
  expect([response.status, json]).toEqual([202, expect.objectContaining({ state: 'waiting' })]);
  return json;
}
const look = async (id: string): Promise<Import> =>
  (await (await cluster.api(`/imports/${id}`)).json()) as Import;
const untilState = (id: string, state: string) =>
  expect.poll(async () => (await look(id)).state, { timeout: 30_000 }).toBe(state);

test('a video is fetched from a URL, and named after it', async () => {
  const { id } = await begin({ url: `${origin}/films/My%20film.mp4?x=1`, visibility: 'unlisted' });
  await untilState(id, 'complete');
  const { videoId } = await look(id);
  const video = await (await cluster.api(`/videos/${videoId}`)).json();
  expect(video).toMatchObject({ title: 'My film', visibility: 'unlisted', contentType: 'video/mp4' });
  expect(sha256(await cluster.download(videoId!))).toBe(sha256(BYTES));
});

test('a coordinator that dies leaves its import to the next, and one video comes of it', async () => {
  isHeld = true;
  const before = (await cluster.videoIds()).length;
  const { id } = await begin({ url: `${origin}/a.mp4` });
  await expect.poll(async () => (await look(id)).receivedBytes, { timeout: 20_000 }).toBeGreaterThan(0);
  await cluster.cluster.coordinator.kill();
  release();
  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady();
  await untilState(id, 'complete');
  const { videoId, attempts } = await look(id);
  expect(attempts).toBe(2);
  expect(sha256(await cluster.download(videoId!))).toBe(sha256(BYTES));
  expect(await cluster.videoIds()).toHaveLength(before + 1);
}, 60_000);

test('one that is cancelled, or whose file is not there, leaves nothing', async () => {
  isHeld = true;
  const before = await cluster.videoIds();
  const cancelled = await begin({ url: `${origin}/b.mp4` });
  await untilState(cancelled.id, 'running');
  expect((await cluster.api(`/imports/${cancelled.id}`, { method: 'DELETE' })).status).toBe(204);
  expect((await cluster.api(`/imports/${cancelled.id}`, { method: 'DELETE' })).status).toBe(409);
  const missing = await begin({ url: `${origin}/missing` });
  await untilState(missing.id, 'failed');
  expect(await look(missing.id)).toMatchObject({ error: { code: 'import_failed' }, videoId: null });
  release();
  expect((await look(cancelled.id)).state).toBe('cancelled');
  expect(await cluster.videoIds()).toEqual(before);
});
