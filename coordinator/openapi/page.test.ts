import { readFile } from 'node:fs/promises';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HAS_BROWSER, TestBrowser } from '../../tests/support/browser.ts';
import { ADMIN_TOKEN, Coordinators } from '../test-support/coordinators.ts';
import { SCRIPT_VERSION } from './page.ts';

let world: Coordinators;
let browser: TestBrowser | undefined;
beforeAll(async () => {
  world = await Coordinators.open();
  if (HAS_BROWSER) browser = await TestBrowser.open();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

const SCREENS = [
  ['on a desk', { width: 1280, height: 900 }],
  ['on a phone', { width: 390, height: 844 }],
] as const;

test.runIf(HAS_BROWSER).each(SCREENS)(
  'the page works %s without any other server, and sends requests',
  async (_where, screen) => {
    const [url] = world.urls;
    const { page, complaints } = await browser!.page(url!, screen);
    await page.goto(`${url}/docs#tag/videos/GET/api/v1/videos`);
    await page.getByRole('button', { name: 'Test Request (get /api/v1/videos)' }).click();
    const [answer] = await Promise.all([
      page.waitForResponse(`${url}/api/v1/videos`),
      page.getByRole('button', { name: /^Send get request/ }).click(),
    ]);
    expect(await answer.json()).toEqual({ items: [], nextCursor: null });
    await page.getByRole('link', { name: '200 OK' }).waitFor();
    const widthPx = await page.evaluate<number>('document.documentElement.scrollWidth');
    expect(widthPx).toBeLessThanOrEqual(screen.width);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test('the page says that nothing but this server may be asked, and no other answer says so little', async () => {
  const { headers } = await world.ask('GET', '//docs');
  const policy = headers.get('content-security-policy')!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("connect-src 'self'");
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe/);
  for (const path of ['//openapi.json', '//docs/reference.js', '/videos']) {
    const other = (await world.ask('GET', path)).headers.get('content-security-policy');
    expect([path, other]).toEqual([path, expect.stringContaining("default-src 'none'; frame-ancestors")]);
  }
});

test('the script is sent compressed, once', async () => {
  const path = `${world.urls[0]}/docs/reference.js`;
  const plain = await readFile(
    new URL('browser/standalone.js', import.meta.resolve('@scalar/api-reference')),
  );
  const etags = new Set<string>();
  for (const [coding, decode] of [
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const) {
    const headers = { 'accept-encoding': coding };
    const answer = await request(`${path}?v=${SCRIPT_VERSION}`, { headers });
    const bytes = Buffer.from(await answer.body.arrayBuffer());
    expect(decode(bytes).equals(plain)).toBe(true);
    expect(answer.headers['content-encoding']).toBe(coding === 'identity' ? undefined : coding);
    if (coding !== 'identity') expect(bytes.length).toBeLessThan(plain.length / 3);
    expect(answer.headers.vary).toBe('Accept-Encoding');
    expect(answer.headers['cache-control']).toContain('immutable');
    const etag = answer.headers.etag as string;
    etags.add(etag);
    const again = await request(path, { headers: { ...headers, 'if-none-match': etag } });
    await again.body.dump();
    expect([again.statusCode, again.headers['cache-control']]).toEqual([304, 'no-cache']);
  }
  expect(etags.size).toBe(3);
});

test('the document has the version of the program, and is not sent again to whoever has it', async () => {
  const { headers, json } = await world.ask('GET', '//openapi.json');
  const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(json.info.version).toBe(manifest.version);
  const again = await world.ask('GET', '//openapi.json', {
    headers: { 'if-none-match': headers.get('etag')! },
    token: ADMIN_TOKEN,
  });
  expect(again.status).toBe(304);
});
