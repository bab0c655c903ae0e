import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright-core';
import { TestBrowser } from '../tests/support/browser.ts';
import { buildWeb } from '../tests/support/built-web.ts';
import { makeClip } from '../worker/engine/testing/clips.ts';
import { browseCatalog, fillCatalog } from './bench/browsed-catalog.ts';
import { WATCH_FRAMES } from './bench/page-frames.ts';
import { median, percentile } from './bench/statistics.ts';
import { offerSampleCatalog } from './catalog/sample-catalog.ts';
import { Cluster } from './cluster.ts';

/**
 * `npm run bench:web`: what the web page costs a browser, beside what it may cost: bytes of its first load, when its
 * largest part is painted on a slow processor, how long a search holds the page up while it is typed, and how long it
 * takes from the click on play to the first picture, of the file and of its playlists.
 *
 * `--movies 1000000` fills the catalog with so many generated movies and measures, in place of all that, how long each
 * keystroke of a search takes to its results, and each page of a list that is scrolled through. It takes some minutes.
 */

const ADMIN_TOKEN = 'bench-admin-token-0123456789';
const ROUNDS = 5;
const CPU_SLOWDOWN = 4;
const TYPED = 'the godfather';

/** What is measured in the page itself. */
const FIRST_LOAD = `new Promise((resolve) => {
  const resources = performance.getEntriesByType('resource');
  const sum = (list) => list.reduce((total, { encodedBodySize }) => total + encodedBodySize, 0);
  new PerformanceObserver((list) => resolve({
    scripts: sum(resources.filter(({ name }) => name.endsWith('.js'))),
    all: sum(resources) + sum(performance.getEntriesByType('navigation')),
    lcpMs: list.getEntries().at(-1).startTime,
  })).observe({ type: 'largest-contentful-paint', buffered: true });
})`;

const CLICK_TO_FRAME = `new Promise((resolve) => {
  const video = document.querySelector('video');
  const clicked = performance.now();
  video.addEventListener('playing', () => {
    video.requestVideoFrameCallback((now) => resolve(now - clicked));
  }, { once: true });
  document.querySelector('.player-big').click();
})`;

const { values } = parseArgs({ options: { movies: { type: 'string', default: '0' } } });
const movies = Number(values.movies);
if (!Number.isSafeInteger(movies) || movies < 0) throw new Error('--movies must be a number.');
const dataDir = await mkdtemp(join(tmpdir(), 'orbitvids-bench-web-'));
await buildWeb();
const cluster = await Cluster.start({ dataDir, nodeCount: 3, replicas: 2, adminToken: ADMIN_TOKEN });
const browser = await TestBrowser.open();
try {
  if (movies > 0) await browse(movies);
  else await measure();
} finally {
  await browser[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
}

async function measure(): Promise<void> {
  const { url } = cluster;
  const signal = new AbortController().signal;
  await offerSampleCatalog({ url, token: ADMIN_TOKEN, wish: 'load', say: () => {}, signal });
  const clip = await makeClip({ durationSeconds: 20, muxerOptions: { movflags: '+faststart' } });
  const response = await fetch(`${url}/api/v1/videos?filename=clip.mp4`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'video/mp4' },
    body: new Uint8Array(clip),
  });
  const { id } = (await response.json()) as { id: string };

  const loads = await rounds(async (page) => {
    const session = await page.context().newCDPSession(page);
    await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWDOWN });
    await page.goto(url);
    await page.locator('.movie-card').first().waitFor();
    return await page.evaluate<{ scripts: number; all: number; lcpMs: number }>(FIRST_LOAD);
  });
  const stallsMs = await rounds(async (page) => {
    await page.goto(url);
    await page.locator('.movie-card').first().waitFor();
    await page.evaluate(WATCH_FRAMES);
    await page.locator('.search-input').pressSequentially(TYPED, { delay: 60 });
    await page.locator('h1', { hasText: TYPED }).waitFor();
    return await page.evaluate<number>('window.longestFrameMs');
  });
  const firstFrame = () =>
    rounds(async (page) => {
      await page.goto(`${url}/watch/${id}`);
      await page.locator('.player-big').waitFor();
      return await page.evaluate<number>(CLICK_TO_FRAME);
    });
  const firstFramesMs = await firstFrame();
  await cluster.addWorker();
  await untilReady(id);
  const firstPlaylistFramesMs = await firstFrame();

  say(
    'JavaScript of the first load, compressed',
    median(loads.map(({ scripts }) => scripts)) / 1000,
    'kB',
    '150',
  );
  say('everything of the first load', median(loads.map(({ all }) => all)) / 1000, 'kB');
  say(`largest paint, ${CPU_SLOWDOWN}x slower CPU`, median(loads.map(({ lcpMs }) => lcpMs)), 'ms', '1500');
  say('longest frame while a search is typed', median(stallsMs), 'ms');
  say('click on play to the first frame, file', median(firstFramesMs), 'ms', '500');
  say('click on play to the first frame, HLS', median(firstPlaylistFramesMs), 'ms', '500');
}

/** Looks for movies in a large catalog. */
async function browse(count: number): Promise<void> {
  const { url } = cluster;
  const samples = await fillCatalog(url, ADMIN_TOKEN, count, dataDir);
  const { page } = await browser.page(url, { width: 1280, height: 860 });
  const { keystrokesMs, pagesMs, longestTaskMs, longestFrameMs } = await browseCatalog(page, url, samples);
  process.stdout.write(`${count} movies, ${keystrokesMs.length} keystrokes, ${pagesMs.length} pages\n`);
  for (const [what, took] of [
    ['keystroke to its results', keystrokesMs],
    ['next page of a list', pagesMs],
  ] as const) {
    say(`${what}, p50`, percentile(took, 50), 'ms');
    say(`${what}, p95`, percentile(took, 95), 'ms');
    say(`${what}, longest`, Math.max(...took), 'ms');
  }
  say('longest task of the page (0: none of 50 ms)', longestTaskMs, 'ms');
  say('longest frame', longestFrameMs, 'ms');
}

async function untilReady(id: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${cluster.url}/api/v1/videos/${id}`);
    const { media } = (await response.json()) as { media: { status: string } };
    if (media.status === 'ready') return;
    if (media.status === 'failed' || media.status === 'unplayable')
      throw new Error(`the clip: ${media.status}`);
    await new Promise((wake) => setTimeout(wake, 200));
  }
}

async function rounds<Result>(measure: (page: Page) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { page } = await browser.page(cluster.url, { width: 1280, height: 860 });
    results.push(await measure(page));
    await page.close();
  }
  return results;
}

function say(what: string, value: number, unit: string, bound?: string): void {
  const beside = bound === undefined ? '' : `   (may be ${bound} ${unit})`;
  process.stdout.write(`${what.padEnd(44)} ${value.toFixed(1).padStart(8)} ${unit}${beside}\n`);
}
