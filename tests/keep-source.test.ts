import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster } from '../scripts/cluster.ts';
import type { Script } from '../worker/test-support/fake-engine.ts';

/* A cluster that keeps no sources, from the upload on. The media are made by the engine of the tests. */

const TOKEN = 'the-admin-token-of-the-tests';
const WORKER = join(import.meta.dirname, '../worker/test-support/fake-worker.ts');
const WAIT = { timeout: 30_000, interval: 50 };

let dataDir: string;
let cluster: Cluster;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orbitvids-keep-source-'));
  cluster = await Cluster.start({
    ...{ dataDir, nodeCount: 1, replicas: 1, workerCount: 1, adminToken: TOKEN, workerScript: WORKER },
    coordinatorEnv: { KEEP_SOURCE: 'off', SWEEP_MIN_AGE: '0s', SWEEP_INTERVAL: '500ms' },
  });
});
afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

async function ask(method: string, path: string, body?: string, type = 'video/mp4') {
  const response = await fetch(new URL(path.startsWith('/api/') ? path : `/api/v1${path}`, cluster.url), {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': type },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
  // biome-ignore lint/suspicious/noExplicitAny: many different answers
  return { status: response.status, text, json: (isJson ? JSON.parse(text) : null) as any };
}

/** What an address names, of which there is one line in the playlist that matches. */
function lineOf(playlist: string, pattern: RegExp): string {
  return playlist.split('\n').find((line) => pattern.test(line))!;
}

test('a video whose source was dropped is played, described, changed and deleted', async () => {
  const script: Script = { seconds: 8, isPlayable: true, hasAudio: true };
  const uploaded = await ask('POST', '/videos', JSON.stringify(script));
  expect([uploaded.status, uploaded.json.source]).toEqual([201, { status: 'stored', droppedAt: null }]);
  const { id, size, sha256 } = uploaded.json;
  const at = `/videos/${id}`;
  const read = async () => (await ask('GET', at)).json;
  await expect.poll(async () => (await read()).source.status, WAIT).toBe('dropped');

  const video = await read();
  expect(video).toMatchObject({ size, sha256, media: { status: 'ready' } });
  expect(Date.parse(video.source.droppedAt)).toBeGreaterThan(Date.parse(video.createdAt));
  expect(video.links.content).toBeNull();
  for (const method of ['GET', 'HEAD']) expect((await ask(method, `${at}/content`)).status).toBe(410);
  const { json: problem } = await ask('GET', `${at}/content`);
  expect(problem).toMatchObject({ code: 'source_dropped', detail: expect.stringContaining('links.hls') });

  // All of it is there still.
  const master = await ask('GET', video.links.hls);
  expect(master.status).toBe(200);
  const base = video.links.hls.replace(/[^/]+$/, '');
  const playlists = [...new Set(master.text.match(/[\w/-]+\.m3u8/g))];
  expect(playlists).toHaveLength(4);
  for (const path of playlists) {
    const url = new URL(path, new URL(base, cluster.url));
    const { text } = await ask('GET', url.pathname);
    const segment = new URL(lineOf(text, /^[^#].*\.m4s/), url);
    const { status } = await ask('GET', segment.pathname);
    expect([path, status]).toEqual([path, 200]);
  }
  expect((await ask('GET', video.links.poster)).text).toBe('a poster');

  const job = (await ask('GET', `/jobs?video=${id}`)).json.items[0];
  expect(job).toMatchObject({ state: 'complete', source: 'dropped', reason: null });
  const again = await ask('POST', `${at}/transcode`);
  expect([again.status, again.json.code]).toEqual([409, 'source_required']);
  const retry = await ask('POST', `/jobs/${job.id}/retry`, '{}', 'application/json');
  expect([retry.status, retry.json.code]).toEqual([409, 'source_required']);
  const url = await ask('POST', `${at}/playback-url`, '{}', 'application/json');
  expect([url.json.url, typeof url.json.hls]).toEqual([null, 'string']);
  const changed = await ask('PATCH', at, '{"title":"Another"}', 'application/json');
  expect([changed.status, changed.json.title]).toEqual([200, 'Another']);
  const captions = await ask(
    'PUT',
    `${at}/attachments/en.vtt`,
    'WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n',
    'text/vtt',
  );
  expect(captions.status).toBe(201);
  expect((await ask('GET', `${at}/attachments/en.vtt`)).text).toContain('Hello');

  expect((await ask('DELETE', at)).status).toBe(204);
  expect((await ask('GET', at)).status).toBe(404);
  expect((await ask('GET', `${at}/content`)).status).toBe(404);
});
