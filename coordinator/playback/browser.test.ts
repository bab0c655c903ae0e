import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { encodeRecipe } from '../../lib/worker-api/recipe.ts';
import { readNodeConfig } from '../../storage-node/config.ts';
import { startNode } from '../../storage-node/start-node.ts';
import { HAS_BROWSER, TestBrowser } from '../../tests/support/browser.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { ADMIN_TOKEN, CLUSTER_SECRET, Coordinators } from '../test-support/coordinators.ts';
import { boxesOf, type CmafClip, makeCmafClip } from './test-support/cmaf-clip.ts';
import { AUDIO_MEDIA, VIDEO_MEDIA } from './test-support/made-renditions.ts';
import { storeRendition } from './test-support/stored-renditions.ts';

/*
 * A private video is played by hls.js in a browser, by its playback URL, from a page of another origin.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SECONDS = 8;

/** What the page does: plays the beginning, jumps about, and plays to the end. */
const PAGE = `
import Hls from 'hls.js';

const until = async (what, condition) => {
  for (const start = performance.now(); !condition(); ) {
    if (performance.now() - start > 15000) throw new Error('waited for ' + what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};
window.play = async (url) => {
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  const hls = new Hls({ maxBufferLength: 2, backBufferLength: 0 });
  const errors = [];
  const fatal = [];
  hls.on(Hls.Events.ERROR, (_, data) => (data.fatal ? fatal : errors).push(data.details));
  try {
    hls.loadSource(url);
    hls.attachMedia(video);
    await until('tracks', () => hls.subtitleTracks.length > 0 || fatal.length > 0);
    hls.subtitleTrack = 0;
    hls.subtitleDisplay = true;
    await video.play();
    video.playbackRate = 2;
    for (const seconds of [0.2, 6.5, 2.5]) {
      if (seconds > 1) video.currentTime = seconds;
      await until(seconds + ' s', () => !video.seeking && video.currentTime > seconds + 0.3 || fatal.length > 0);
    }
    video.currentTime = ${SECONDS - 1};
    await until('the end', () => video.ended || fatal.length > 0);
    const cues = [...video.textTracks].flatMap((track) => [...(track.cues ?? [])]);
    return {
      duration: video.duration,
      fatal,
      errors,
      isEnded: video.ended,
      size: [video.videoWidth, video.videoHeight],
      hasSound: video.webkitAudioDecodedByteCount > 0,
      levels: hls.levels.length,
      cues: cues.map(({ startTime, endTime, text }) => [startTime, endTime, text]),
    };
  } finally {
    hls.destroy();
    video.remove();
  }
};
window.isReady = true;
`;

interface Played {
  readonly duration: number;
  readonly fatal: readonly string[];
  readonly errors: readonly string[];
  readonly isEnded: boolean;
  readonly size: readonly number[];
  readonly hasSound: boolean;
  readonly levels: number;
  readonly cues: readonly unknown[];
}

const stack = new AsyncDisposableStack();
const nodes: AsyncDisposableStack[] = [];
let world: Coordinators;
let watched: Awaited<ReturnType<TestBrowser['page']>>;
let videoId: string;

beforeAll(async () => {
  if (!HAS_BROWSER) return;
  const [script, browser, video, audio] = await Promise.all([
    bundle(),
    TestBrowser.open(),
    makeCmafClip('video', SECONDS),
    makeCmafClip('audio', SECONDS),
  ]);
  const origin = await openSite(script);
  stack.use(browser);
  const urls = await Promise.all([1, 2, 3].map(openNode));
  world = await Coordinators.open({
    engine: 'postgresql',
    // The death of a node is not to be noticed by looking after it.
    env: { STORAGE_NODES: urls.join(','), CORS_ORIGINS: origin, HEALTH_INTERVAL: '1h', DOWN_AFTER: '2h' },
  });
  stack.use(world);
  await vi.waitFor(async () => expect((await world.ask('GET', '//readyz')).status).toBe(200), 20_000);
  videoId = await storeAll(video, audio);
  watched = await browser.page(world.urls[0]!, { width: 400, height: 300 });
  await watched.page.goto(origin);
  await watched.page.waitForFunction('window.isReady');
}, 60_000);
afterAll(async () => {
  await stack.disposeAsync();
  for (const node of nodes) await node.disposeAsync();
});

/** The page's address. */
async function openSite(script: string): Promise<string> {
  const site = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(
      isScript
        ? script
        : '<!doctype html><title>t</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    );
  });
  stack.defer(() => void site.close());
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

async function openNode(): Promise<string> {
  const own = new AsyncDisposableStack();
  nodes.push(own);
  const directory = await mkdtemp(path.join(tmpdir(), 'orbit-playback-'));
  own.defer(() => rm(directory, { recursive: true, force: true }));
  const stop = new AbortController();
  own.defer(() => stop.abort());
  const config = readNodeConfig([], { CLUSTER_SECRET, STORAGE_DIR: directory, PORT: '0', CAPACITY: '1GiB' });
  const parts = { clock: systemClock, logger: silentLogger, stack: own, signal: stop.signal };
  return (await startNode(config, parts)).url;
}

async function bundle(): Promise<string> {
  const entry = path.join(ROOT, 'page-of-the-test.js');
  const built = await rolldown({
    input: entry,
    cwd: ROOT,
    platform: 'browser',
    plugins: [
      {
        name: 'page',
        resolveId: (id) => (id === entry ? id : null),
        load: (id) => (id === entry ? PAGE : null),
      },
    ],
  });
  const { output } = await built.generate({ format: 'esm' });
  return output[0].code;
}

async function upload(bytes: Buffer<ArrayBuffer>): Promise<string> {
  const { status, json, text } = await world.ask('POST', '/videos?visibility=private', {
    token: ADMIN_TOKEN,
    body: new Uint8Array(bytes),
    headers: { 'content-type': 'application/octet-stream' },
  });
  if (status !== 201) throw new Error(text);
  return json.id;
}

/** A video whose pictures are stored as segments, whose sound is made of its own bytes, and which has captions. */
async function storeAll(video: CmafClip, audio: CmafClip): Promise<string> {
  const { kysely } = world.database;
  const sound = virtualOf(audio);
  const id = await upload(sound.source);
  const seconds = (count: number) => Array.from({ length: count }, () => 2000);
  const pieces = [video.segments.slice(0, 2), video.segments.slice(2)].map((segments) => ({
    ...{ init: video.init, timescale: 1000, segments, durations: seconds(segments.length) },
  }));
  const shown = { ...VIDEO_MEDIA, codecs: 'avc1.4d4015', width: 320, height: 180 };
  await storeRendition(kysely, upload, { videoId: id, name: '180p', media: shown, pieces });
  const { recipes, servedLengths } = sound;
  const piece = { init: audio.init, timescale: 1000, segments: recipes, durations: seconds(recipes.length) };
  await storeRendition(kysely, upload, {
    ...{ videoId: id, name: 'audio-0', media: AUDIO_MEDIA },
    pieces: [{ ...piece, servedLengths }],
  });
  const captions = await world.ask('PUT', `/videos/${id}/attachments/en.vtt?language=en`, {
    token: ADMIN_TOKEN,
    body: 'WEBVTT\n\n00:01.000 --> 00:03.500\nHello\n\n00:05.000 --> 00:06.000\nBye\n',
    headers: { 'content-type': 'text/vtt' },
  });
  expect(captions.status).toBe(201);
  return id;
}

/** The content of the segments as it could lie in a file, in pieces with other things between them. */
function virtualOf({ segments }: CmafClip) {
  const source: Buffer[] = [Buffer.alloc(1000)];
  let at = 1000;
  const recipes = segments.map((segment) => {
    const mdat = boxesOf(segment).find(({ type }) => type === 'mdat')!.bytes;
    const header = segment.subarray(0, segment.length - mdat.length + 8);
    const content = mdat.subarray(8);
    const ranges = [];
    for (let start = 0; start < content.length; start += 3000) {
      const part = content.subarray(start, start + 3000);
      ranges.push({ offset: at, length: part.length });
      source.push(part, Buffer.alloc(700));
      at += part.length + 700;
    }
    return encodeRecipe({ header, ranges });
  });
  return { source: Buffer.concat(source), recipes, servedLengths: segments.map(({ length }) => length) };
}

async function play(delivery: string): Promise<Played> {
  const { json } = await world.ask('POST', `/videos/${videoId}/playback-url`, {
    token: ADMIN_TOKEN,
    body: { expiresInS: 600, delivery },
  });
  return await watched.page.evaluate<Played>(`window.play(${JSON.stringify(world.urls[0]! + json.hls)})`);
}

const PLAYED = {
  ...{ fatal: [], isEnded: true, size: [320, 180], hasSound: true, levels: 1 },
  cues: [
    [1, 3.5, 'Hello'],
    [5, 6, 'Bye'],
  ],
};

test.runIf(HAS_BROWSER)('what is not to be seen by everybody is not', async () => {
  expect((await world.ask('GET', `/videos/${videoId}/hls/master.m3u8`)).status).toBe(404);
});

test.runIf(HAS_BROWSER).each(['proxy', 'redirect'])(
  'is played to the end with seeks, by %s',
  async (delivery) => {
    const asked: string[] = [];
    watched.page.on('response', (response) => asked.push(response.url()));
    const played = await play(delivery);
    expect(played).toMatchObject({ ...PLAYED, errors: [] });
    expect(Math.abs(played.duration - SECONDS)).toBeLessThan(0.2);
    const slices = asked.filter((url) => url.includes('/slices/'));
    expect(slices.length > 0).toBe(delivery === 'redirect');
  },
  30_000,
);

test.runIf(HAS_BROWSER)(
  'is played to the end although the nodes that players are sent to have died',
  async () => {
    await nodes[0]!.disposeAsync();
    const played = await play('redirect');
    expect(played).toMatchObject(PLAYED);
  },
  60_000,
);
