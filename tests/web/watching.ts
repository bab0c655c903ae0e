import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import type { WatchedPage } from '../support/browser.ts';
import {
  complaintsOf,
  FILM_S,
  openPage,
  openTab,
  PICTURES,
  uploadRow,
  videoState,
  type WebWorld,
} from './world.ts';

/** How much faster than usual the film is played. */
const SPEED = 2;
/** Of the line, beside what playing takes: little more, so that the film is not all in the player's memory when something happens. */
const LINE_FACTOR = 1.5;
/** Of the film: more than the player had when the coordinator went. */
const ENOUGH_S = 24;
const STALL_MS_MAX = 1000;
/** Nobody waits for what is asked for at first to be counted. */
const START_S = 1;

/** Notes how long the picture stood still for lack of data, whatever else keeps this machine busy. */
const PLAY_AND_WATCH = `(() => {
  const video = document.querySelector('video');
  video.muted = true;
  video.playbackRate = ${SPEED};
  window.longestStallMs = 0;
  let at = -1;
  let movedMs = performance.now();
  const look = () => {
    const nowMs = performance.now();
    const { currentTime, buffered, paused, ended } = video;
    let endS = 0;
    for (let n = 0; n < buffered.length; n++) if (buffered.start(n) <= currentTime) endS = buffered.end(n);
    const hasData = endS - currentTime > 0.3;
    const isAtBegin = currentTime < ${START_S} + 0.5;
    if (currentTime !== at || hasData || isAtBegin || paused || ended) movedMs = nowMs;
    else window.longestStallMs = Math.max(window.longestStallMs, nowMs - movedMs);
    at = currentTime;
    if (!ended) setTimeout(look, 20);
  };
  look();
  return video.play();
})()`;

/** Complaints that are to be expected while something is away. */
const AWAY = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|status of 50[034]|net::ERR_FAILED/;

/** How a film is watched, whatever becomes of the machines it comes from. */
export function watchingJourneys(isPossible: boolean, world: () => WebWorld): void {
  let filmId: string;
  let tab: WatchedPage;
  /** Segments that were asked for. */
  let segments = 0;

  const play = async (page: Page) => {
    const { film } = world();
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    // The film was watched before.
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    const line = { offline: false, latency: 5, uploadThroughput: -1 };
    await session.send('Network.emulateNetworkConditions', {
      ...line,
      downloadThroughput: (film.length / FILM_S) * SPEED * LINE_FACTOR,
    });
    await page.goto(`${world().cluster.url}/watch/${filmId}?t=${START_S}`);
    await page.getByRole('button', { name: /^Quality/ }).click();
    await page.getByRole('menuitemradio', { name: /360p/ }).click();
    await page.evaluate(PLAY_AND_WATCH);
    return async () => {
      await session.send('Network.emulateNetworkConditions', { ...line, latency: 0, downloadThroughput: -1 });
      await session.detach();
    };
  };
  const reached = (page: Page, second: number) =>
    expect.poll(async () => (await videoState(page)).at, { timeout: 60_000 }).toBeGreaterThan(second);

  test.runIf(isPossible)(
    'what is made of a video is seen as it is made, and nobody has to ask for it',
    async () => {
      const { cluster, grace, film } = world();
      // One chunk, so that all of it comes from the same two nodes.
      expect(film.length).toBeLessThan(8 * 1024 * 1024);
      filmId = (await cluster.upload(new Uint8Array(film), '?title=A+film&filename=film.mp4')).id;
      tab = await openTab(world(), grace);
      const { page } = tab;
      const library = grace.page;
      const asked: string[] = [];
      let isFollowed = false;
      page.on('request', (request) => {
        const path = new URL(request.url()).pathname;
        if (path.endsWith('.m4s')) segments++;
        if (path.endsWith('/videos/events')) isFollowed = true;
        if (isFollowed && path.endsWith(`/videos/${filmId}`)) asked.push(path);
      });
      const connected = page.waitForResponse(/\/videos\/events/);
      await page.goto(`${cluster.url}/watch/${filmId}`);
      await page.getByText('The video is being prepared.').waitFor();
      await connected;
      await library.goto(`${cluster.url}/library`);
      const row = library.locator('.row', { hasText: 'around' });
      await row.getByText('Being prepared').waitFor();

      await cluster.cluster.addWorker();
      await page.locator('.rung', { hasText: '240p' }).waitFor({ timeout: 30_000 });
      await page.screenshot({ path: join(PICTURES, 'preparing.png') });
      await page.locator('.preparing').waitFor({ state: 'detached', timeout: 30_000 });
      // Whoever has not begun to watch gets the best that there is by now.
      await page.getByRole('button', { name: /^Quality/ }).waitFor();
      expect(asked).toEqual([]);
      await row.getByText('Ready').waitFor({ timeout: 30_000 });
      await expect.poll(() => library.locator('.state-processing').count(), { timeout: 30_000 }).toBe(0);
    },
  );

  test.runIf(isPossible)('nodes that are killed are not noticed by who watches', async () => {
    const { cluster, film } = world();
    const { page } = tab;
    const { cluster: processes } = cluster;
    const holders: number[] = [];
    for (const index of processes.nodes.keys()) {
      const chunks = await cluster.chunksOf(index);
      if (chunks.some(({ length }) => length === film.length)) holders.push(index);
    }
    expect(holders).toHaveLength(2);
    const leave = await play(page);
    await reached(page, START_S + 2);
    // Both are killed in turn, so that one of them is the one that was read from.
    for (const holder of holders) {
      await processes.nodes[holder]!.kill();
      const before = segments;
      try {
        await expect.poll(() => segments, { timeout: 20_000 }).toBeGreaterThan(before + 1);
      } finally {
        await processes.restartNode(holder);
        await processes.untilReady();
      }
    }
    // Until what was asked for at the end is what is shown.
    await reached(page, (await videoState(page)).at + 12);
    await leave();
    expect(await page.evaluate<number>('window.longestStallMs')).toBeLessThan(STALL_MS_MAX);
    expect(complaintsOf(tab, AWAY)).toEqual([]);
  });

  test.runIf(isPossible)(
    'a coordinator that starts anew interrupts neither watching nor an upload',
    async () => {
      const { cluster, grace, clip } = world();
      const { page } = tab;
      await grace.page.goto(`${cluster.url}/upload`);
      // When all its bytes are there, and before anybody knows.
      await grace.page.route(
        '**/complete',
        async (route) => {
          await cluster.cluster.coordinator.kill();
          await route.continue();
        },
        { times: 1 },
      );
      const leave = await play(page);
      await reached(page, START_S + 1);
      const file = { name: 'restart.mp4', mimeType: 'video/mp4', buffer: clip };
      await grace.page.locator('.drop input[type=file]').setInputFiles(file);
      await uploadRow(grace.page, 'restart.mp4').getByText('No connection; it goes on by itself').waitFor();
      await cluster.cluster.startCoordinator();
      await uploadRow(grace.page, 'restart.mp4').getByText('Uploaded', { exact: true }).waitFor();
      await reached(page, ENOUGH_S);
      await leave();
      for (const watched of [grace, tab]) expect(complaintsOf(watched, AWAY)).toEqual([]);
    },
  );

  test.runIf(isPossible)('segments may come straight from the nodes', async () => {
    const { cluster } = world();
    const { page } = tab;
    const fromNodes: number[] = [];
    page.on('response', (response) => {
      const { origin, pathname } = new URL(response.url());
      if (origin !== cluster.url && pathname !== '/') fromNodes.push(response.status());
    });
    await page.route('**/master.m3u8', (route) =>
      route.continue({ url: `${route.request().url()}?delivery=redirect` }),
    );
    await page.goto(`${cluster.url}/watch/${filmId}?t=${START_S}`);
    await page.getByRole('button', { name: /^Quality/ }).click();
    await page.getByRole('menuitemradio', { name: /240p/ }).click();
    await page.evaluate(PLAY_AND_WATCH);
    await reached(page, 10);
    await expect.poll(() => videoState(page)).toMatchObject({ height: 240, error: null });
    expect(fromNodes.length).toBeGreaterThan(0);
    expect([...new Set(fromNodes)]).toEqual([200]);
    expect(complaintsOf(tab, /^$/)).toEqual([]);
  });

  test.runIf(isPossible)('on a slow line movies are found and a film is watched all the same', async () => {
    const { cluster } = world();
    const slow = await openPage(world());
    const { page } = slow;
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', {
      ...{ offline: false, latency: 200, downloadThroughput: 75_000, uploadThroughput: 40_000 },
    });
    await page.goto(cluster.url);
    await page.getByRole('combobox', { name: 'Search movies' }).fill('wizard');
    await page.locator('.movie-card', { hasText: 'The Wizard of Oz' }).waitFor();
    await page.goto(`${cluster.url}/watch/${filmId}`);
    await page.getByRole('button', { name: 'Play', exact: true }).first().click();
    await reached(page, 3);
    // What the line can carry.
    expect(await videoState(page)).toMatchObject({ height: 240, error: null });
    expect(complaintsOf(slow, /^$/)).toEqual([]);
    await page.close();
  });
}
