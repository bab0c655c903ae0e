import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { makeClip } from '../worker/engine/testing/clips.ts';
import { seriousFindings } from './support/axe.ts';
import { HAS_BROWSER, TestBrowser, type WatchedPage } from './support/browser.ts';
import { buildWeb } from './support/built-web.ts';
import { TestCluster } from './support/test-cluster.ts';
import { tabJourneys, usingJourneys } from './web/using.ts';
import { watchingJourneys } from './web/watching.ts';
import {
  complaintsOf,
  DESK,
  FILM_S,
  openPage as openPageOf,
  PICTURES,
  uploadRow as rowOf,
  videoState,
} from './web/world.ts';

/** The web page in a real browser, on one small cluster, as a viewer, an uploader and an administrator use it. */

const PHONE = { width: 390, height: 844 };
const ADMIN = { email: 'ada@example.org', password: 'lovelace-engine-1843' };
const GRACE = { name: 'Grace <b>Hopper</b>', email: 'grace@example.org', password: 'nanoseconds-of-wire' };
/** Script tags, and letters that turn the direction of what follows. */
const HOSTILE_TITLE = '<img src=x onerror=alert(1)> \u202Etxet eerf';

let cluster: TestCluster;
let browser: TestBrowser;
let admin: WatchedPage;
let grace: WatchedPage;
let clip: Buffer;
let film: Buffer;
let movieId: string;

beforeAll(async () => {
  const [, started, opened, made, filmed] = await Promise.all([
    buildWeb(),
    TestCluster.start({
      nodeCount: 3,
      replicas: 2,
      coordinatorEnv: {
        ...{ ADMIN_EMAIL: ADMIN.email, ADMIN_PASSWORD: ADMIN.password },
        ...{ MAX_VIDEO_SIZE: '64MiB', WEBHOOK_ALLOW_PRIVATE: 'on' },
      },
      workerEnv: { CONCURRENCY: '1' },
    }),
    TestBrowser.open(),
    makeClip({ durationSeconds: 8, muxerOptions: { movflags: '+faststart' } }),
    makeClip({
      durationSeconds: FILM_S,
      muxerOptions: { movflags: '+faststart' },
      video: { width: 640, height: 360, frameRate: '12', keyframeInterval: 24 },
    }),
    mkdir(PICTURES, { recursive: true }),
  ]);
  [cluster, browser, clip, film] = [started, opened, made, filmed];
  const movie = await cluster.api('/movies', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      title: 'The Wizard of Oz',
      year: 1939,
      directors: ['Victor Fleming'],
      score: 8.1,
    }),
  });
  movieId = ((await movie.json()) as { id: string }).id;
  [admin, grace] = await Promise.all([openPage(), openPage()]);
}, 60_000);

afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

afterEach(() => {
  // Browsers report every 401, also those after which the login is renewed.
  expect([admin, grace].flatMap((watched) => complaintsOf(watched, /status of 401 /))).toEqual([]);
});

function openPage(viewport = DESK): Promise<WatchedPage> {
  return openPageOf({ cluster, browser }, viewport);
}

const world = () => ({ cluster, browser, admin, grace, clip, film });

function open(page: Page, path: string): Promise<unknown> {
  return page.goto(cluster.url + path);
}

async function signIn(page: Page, { email, password }: { email: string; password: string }): Promise<void> {
  await open(page, '/sign-in');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(`${cluster.url}/`);
}

function uploadRow(name: string) {
  return rowOf(grace.page, name);
}

/** Does something else with parts than send them, until the page is loaded anew. `parts` counts them. */
async function interceptParts(page: Page, action: string): Promise<void> {
  await page.evaluate(`(() => {
    const { send } = XMLHttpRequest.prototype;
    let parts = 0;
    XMLHttpRequest.prototype.send = function (body) {
      if (body instanceof ArrayBuffer) { ${action} }
      send.call(this, body);
    };
  })()`);
}

test.runIf(HAS_BROWSER)('who registers may watch, and upload once an administrator says so', async () => {
  const { page } = grace;
  await open(page, '/');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('Name (optional)').fill(GRACE.name);
  await page.getByLabel('E-mail address').fill(GRACE.email);
  await page.getByLabel('Password').fill(GRACE.password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByText('Welcome! You are signed in.').waitFor();
  await open(page, '/upload');
  await page.getByText('Your account can watch, not upload').waitFor();

  await signIn(admin.page, ADMIN);
  await admin.page.getByRole('link', { name: 'Admin' }).click();
  await admin.page.getByRole('link', { name: 'Users' }).click();
  await admin.page.getByLabel(`Role of ${GRACE.name}`).selectOption('uploader');
  await admin.page.getByText('Saved.').waitFor();

  await page.reload();
  await page.getByText('Drop video files here').waitFor();
});

test.runIf(HAS_BROWSER)(
  'a clip is uploaded straight to the nodes, named meanwhile, and watched',
  async () => {
    const { page } = grace;
    const sentToNodes: string[] = [];
    page.on('request', (request) => {
      if (request.method() === 'PUT') sentToNodes.push(new URL(request.url()).port);
    });
    await page.locator('.drop input[type=file]').setInputFiles({
      name: 'my_clip.mp4',
      mimeType: 'video/mp4',
      buffer: clip,
    });
    // The access token expires while the bytes are on their way; nobody notices that it is renewed.
    await page.route(
      /\/parts\//,
      async (route) => {
        await page.context().clearCookies({ name: 'orbitvids_access' });
        await route.continue();
      },
      { times: 1 },
    );
    const title = page.getByRole('textbox', { name: 'Title' });
    await title.fill(HOSTILE_TITLE);
    await title.blur();
    await page.getByText('Uploaded', { exact: true }).waitFor();
    expect(sentToNodes.length).toBeGreaterThan(0);
    expect(sentToNodes).not.toContain(new URL(cluster.url).port);

    await page.locator('.upload-done').getByRole('link', { name: 'Watch' }).click();
    await page.getByRole('heading', { level: 1, name: '<img src=x' }).waitFor();
    expect(await page.evaluate<number>("document.querySelectorAll('h1 img').length")).toBe(0);
    await page.getByRole('button', { name: 'Play', exact: true }).first().click();
    await expect.poll(async () => (await videoState(page)).at, { timeout: 10_000 }).toBeGreaterThan(0.3);
    await page.keyboard.press('5');
    await expect.poll(async () => (await videoState(page)).at).toBeGreaterThan(4);
    await page.keyboard.press('k');
    await expect.poll(() => videoState(page)).toMatchObject({ paused: true, width: 320, error: null });

    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByLabel(/Start at 0:0\d/).check();
    const link = await page.getByLabel('Link', { exact: true }).inputValue();
    expect(link).toMatch(/\/watch\/[0-9a-f-]{36}\?t=[4-7]$/);
    await page.goto(link);
    await expect.poll(async () => (await videoState(page)).at).toBeGreaterThan(3.9);
  },
);

test.runIf(HAS_BROWSER)(
  'an upload is paused, survives a reload and goes on with the file chosen again',
  async () => {
    const { page } = grace;
    await open(page, '/upload');
    // One part gets through to the nodes; the others are held until the page is another one.
    await interceptParts(page, 'if (++parts > 1) return;');
    const file = join(cluster.dataDir, 'long.mp4');
    const bytes = Buffer.concat([clip, randomBytes(10 * 1024 * 1024)]);
    const partCount = Math.ceil(bytes.length / (8 * 1024 * 1024));
    await writeFile(file, bytes);
    await page.locator('.drop input[type=file]').setInputFiles(file);
    const row = uploadRow('long.mp4');
    const share = async () => Number(await row.getByRole('progressbar').getAttribute('aria-valuenow'));
    await expect.poll(share, { timeout: 15_000 }).toBeGreaterThan(20);
    await row.getByRole('button', { name: 'Pause long.mp4' }).click();
    await row.getByText('Paused').waitFor();
    await page.reload();
    await row.getByText('Interrupted').waitFor();

    // An access token that has expired meanwhile is renewed without a word.
    await page.context().clearCookies({ name: 'orbitvids_access' });
    let sentAgain = 0;
    page.on('request', (request) => {
      if (request.method() === 'PUT') sentAgain++;
    });
    await row.locator('input[type=file]').setInputFiles(file);
    await row.getByText('Uploaded', { exact: true }).waitFor();
    expect(sentAgain).toBe(partCount - 1);
    const { items } = (await (await cluster.api('/videos?limit=10')).json()) as {
      items: { filename: string; size: number; visibility: string }[];
    };
    const video = items.find(({ filename }) => filename === 'long.mp4');
    expect(video).toMatchObject({ size: bytes.length, visibility: 'public' });
    await page.unroute(/\/parts\//);
  },
);

test.runIf(HAS_BROWSER)('without a way to the nodes an upload passes the coordinator', async () => {
  const { page } = grace;
  await interceptParts(page, "return void this.dispatchEvent(new Event('error'));");
  const file = { name: 'around.mp4', mimeType: 'video/mp4', buffer: clip };
  await page.locator('.drop input[type=file]').setInputFiles(file);
  await uploadRow('around.mp4').getByText('Uploaded', { exact: true }).waitFor();
});

watchingJourneys(HAS_BROWSER, world);
usingJourneys(HAS_BROWSER, world);

test.runIf(HAS_BROWSER)('a movie is found although it is misspelt, and edited', async () => {
  const { page } = admin;
  await open(page, '/');
  await page.getByRole('combobox', { name: 'Search movies' }).fill('wizzard of os');
  await page.waitForURL(/\?q=wizzard/);
  await page.locator('.movie-card', { hasText: 'The Wizard of Oz' }).click();
  await page.getByRole('heading', { level: 1, name: 'The Wizard of Oz' }).waitFor();
  await page.goBack();
  const searched = page.getByRole('combobox', { name: 'Search movies' });
  await expect.poll(() => searched.inputValue()).toBe('wizzard of os');
  await page.goForward();
  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Original title').fill('Der Zauberer von Oz');
  await page.getByLabel('Genres').fill('Fantasy; Musical');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Der Zauberer von Oz').waitFor();
  await page.getByRole('link', { name: 'Musical' }).click();
  await page.waitForURL(/\?genre=Musical/);
  await page.locator('.movie-card', { hasText: 'The Wizard of Oz' }).waitFor();
});

test.runIf(HAS_BROWSER)('a long list comes page by page, and another search begins at its top', async () => {
  const { page } = admin;
  const movies = Array.from({ length: 200 }, (_, at) => ({ title: `Harbour ${at}`, year: 1900, score: 5 }));
  await cluster.api('/movies/import', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(movies),
  });
  await open(page, '/?q=harbour');
  await page.locator('.movie-card').first().waitFor();
  const pagesOf = () => page.locator('.movie-grid').count();
  for (const pages of [2, 3]) {
    await page.evaluate('scrollTo(0, document.documentElement.scrollHeight)');
    await expect.poll(pagesOf).toBe(pages);
  }
  await page.getByRole('combobox', { name: 'Search movies' }).fill('harbor');
  await page.waitForURL(/\?q=harbor$/);
  await expect.poll(async () => [await pagesOf(), await page.evaluate('scrollY')]).toEqual([1, 0]);
});

test.runIf(HAS_BROWSER)(
  'a node is added and emptied after a look at the plan, and the ring shows it',
  async () => {
    const { page } = admin;
    await open(page, '/admin');
    await page.getByRole('img', { name: 'The ring: 3 nodes, 2 copies' }).waitFor();
    const index = await cluster.addNode();
    const name = new URL(cluster.cluster.nodes[index]!.url).host;
    const node = page.getByRole('list', { name: 'Nodes' }).getByRole('listitem').filter({ hasText: name });
    await node.getByText('Waiting').waitFor();

    const change = async (item: string) => {
      await node.getByRole('button', { name: `More for ${name}` }).click();
      await page.getByRole('menuitem', { name: item }).click();
      await page.getByRole('dialog').getByText('Moved / least possible').waitFor();
      await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click();
      await page.getByText('It has begun.').first().waitFor();
    };
    await change('Use it');
    await page.getByRole('img', { name: 'The ring: 4 nodes, 2 copies' }).waitFor({ timeout: 20_000 });
    await page.getByText('Ranges are moving').waitFor({ state: 'hidden', timeout: 20_000 });
    await change('Empty it');
    await node.getByText('Empty', { exact: true }).waitFor({ timeout: 20_000 });
    await page.getByRole('img', { name: 'The ring: 3 nodes, 2 copies' }).waitFor();
  },
);

test.runIf(HAS_BROWSER)(
  'a login that has expired is renewed, and one that is over is said to be',
  async () => {
    const { page } = admin;
    await open(page, '/account');
    await page.context().clearCookies({ name: 'orbitvids_access' });
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('nightly');
    await page.getByRole('button', { name: 'Create' }).click();
    await page.getByText('Keep it now').waitFor();
    await page.keyboard.press('Escape');

    const other = await openPage();
    await open(other.page, '/admin/users');
    await other.page.getByText('Sign in first').waitFor();
    await other.page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    await other.page.getByLabel('E-mail address').fill(ADMIN.email);
    await other.page.getByLabel('Password').fill('not the password');
    await other.page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await other.page.getByText('E-mail address or password is wrong.').waitFor();
    await other.page.close();
    const complaints = admin.complaints as string[];
    expect(complaints.every((text) => text.includes('401'))).toBe(true);
    complaints.length = 0;
  },
);

const PAGES: readonly (readonly [name: string, path: () => string, who: 'admin' | 'grace' | 'nobody'])[] = [
  ['movies', () => '/', 'admin'],
  ['search', () => '/?q=wizzard+of+os', 'nobody'],
  ['nothing-found', () => '/?q=qqqqqqqq', 'nobody'],
  ['movie', () => `/movies/${movieId}`, 'admin'],
  ['edit-movie', () => `/movies/${movieId}/edit`, 'admin'],
  ['videos', () => '/videos', 'grace'],
  ['watch', () => `/watch/${videoId}`, 'grace'],
  ['embed', () => `/embed/${videoId}`, 'nobody'],
  ['sign-in', () => '/sign-in', 'nobody'],
  ['register', () => '/register', 'nobody'],
  ['upload', () => '/upload', 'grace'],
  ['library', () => '/library', 'grace'],
  ['edit-video', () => `/library/${videoId}`, 'admin'],
  ['account', () => '/account', 'admin'],
  ['cluster', () => '/admin', 'admin'],
  ['copies', () => '/admin/health', 'admin'],
  ['users', () => '/admin/users', 'admin'],
  ['catalog', () => '/admin/catalog', 'admin'],
  ['jobs', () => '/admin/jobs', 'admin'],
  ['webhooks', () => '/admin/webhooks', 'admin'],
  ['log', () => '/admin/audit', 'admin'],
];
let videoId: string;

/** What is wrong with these pages. Leaves pictures of them. */
async function walk(page: Page, pages: typeof PAGES): Promise<string[]> {
  const findings: string[] = [];
  for (const [name, path] of pages) {
    const keep = (look: string) => page.screenshot({ path: join(PICTURES, `${name}-${look}.png`) });
    await page.setViewportSize(DESK);
    await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
    await open(page, path());
    await page.locator('main:not(:has(.loading))').first().waitFor();
    await keep('light');
    findings.push(...(await seriousFindings(page)).map((finding) => `${name}, light: ${finding}`));
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
    await keep('dark');
    findings.push(...(await seriousFindings(page, 'contrast')).map((finding) => `${name}, dark: ${finding}`));
    await page.setViewportSize(PHONE);
    await keep('phone');
    const widthPx = await page.evaluate<number>('document.documentElement.scrollWidth');
    if (widthPx > PHONE.width) findings.push(`${name}: ${widthPx} px wide on a phone`);
  }
  return findings;
}

test.runIf(HAS_BROWSER)(
  'every page is accessible in both themes, fits a phone, and complains of nothing',
  async () => {
    videoId = (await cluster.upload(new Uint8Array(clip), '?title=A+clip&filename=clip.mp4')).id;
    const nobody = await openPage();
    const findings = await Promise.all(
      Object.entries({ admin, grace, nobody }).map(([who, { page }]) =>
        walk(
          page,
          PAGES.filter((one) => one[2] === who),
        ),
      ),
    );
    expect(findings.flat()).toEqual([]);
    expect(nobody.complaints).toEqual([]);
    await nobody.page.close();
  },
);

tabJourneys(HAS_BROWSER, world);

test.runIf(HAS_BROWSER)('the page speaks German, and remembers it', async () => {
  const { page } = await openPage();
  await open(page, '/');
  await page.getByRole('button', { name: 'Look and language' }).click();
  await page.getByRole('menuitemradio', { name: 'Deutsch' }).click();
  await page.getByRole('heading', { level: 1, name: 'Filme' }).waitFor();
  await page.reload();
  await page.getByRole('link', { name: 'Anmelden' }).waitFor();
  expect(await page.evaluate<string>('document.documentElement.lang')).toBe('de');
  await page.close();
});

test.runIf(HAS_BROWSER)('the first load is small', async () => {
  const { page } = await openPage();
  await open(page, '/');
  await page.getByRole('heading', { level: 1, name: 'Movies' }).waitFor();
  const bytes = await page.evaluate<number>(
    "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js')).reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)",
  );
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThan(150_000);
  await page.close();
});
