import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBuiltPage } from './built-files.ts';
import { pagePolicy } from './page-policy.ts';
import { createWebRoutes } from './routes.ts';

let directory: string;
let ask: (path: string, init?: RequestInit) => Promise<Response>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'orbitvids-web-'));
  await mkdir(join(directory, 'assets'));
  const script = 'x = 1;'.repeat(200);
  await Promise.all([
    writeFile(join(directory, 'index.html'), '<!doctype html><title>page</title>'),
    writeFile(join(directory, '.stamp'), 'secret'),
    writeFile(join(directory, 'assets/main-abc.js'), script),
    writeFile(join(directory, 'assets/main-abc.js.br'), brotliCompressSync(script)),
    writeFile(join(directory, 'assets/letters-abc.woff2'), 'font'),
  ]);
  const page = await readBuiltPage(directory);
  const app = createWebRoutes({
    page: page!,
    nodeOrigins: () => ['http://10.0.0.2:5001', 'http://10.0.0.2:5001'],
  });
  ask = async (path, init) => await app.request(path, init);
});
afterAll(() => rm(directory, { recursive: true }));

test('the document answers the addresses of pages, and no other', async () => {
  for (const path of ['/', '/watch/01a1fffa-d046-7634-8f76-d313d2bb6371', '/admin/users']) {
    const answer = await ask(path);
    expect([path, answer.status, await answer.text()]).toEqual([path, 200, expect.stringContaining('page')]);
    expect(answer.headers.get('cache-control')).toBe('no-cache');
  }
  for (const path of [
    '/nothing',
    '/index.html',
    '/.stamp',
    '/assets/main-abc.js.br',
    '/assets/../.stamp',
    '/api/v1/x',
  ]) {
    expect([path, (await ask(path)).status]).toEqual([path, 404]);
  }
  expect((await ask('/', { method: 'POST' })).status).toBe(404);
});

test('files with a hash in their names are kept for good, and sent as they were compressed', async () => {
  const answer = await ask('/assets/main-abc.js', { headers: { 'accept-encoding': 'br' } });
  expect(answer.headers.get('cache-control')).toContain('immutable');
  expect(answer.headers.get('content-encoding')).toBe('br');
  const bytes = new Uint8Array(await answer.arrayBuffer());
  expect(brotliDecompressSync(bytes).toString()).toContain('x = 1;');
  const etag = answer.headers.get('etag')!;
  const again = await ask('/assets/main-abc.js', {
    headers: { 'accept-encoding': 'br', 'if-none-match': etag },
  });
  expect(again.status).toBe(304);
  const font = await ask('/assets/letters-abc.woff2', { headers: { 'accept-encoding': 'br' } });
  expect([font.headers.get('content-encoding'), font.headers.get('content-type')]).toEqual([
    null,
    'font/woff2',
  ]);
});

test('the policy allows nothing inline and no other server but the nodes; only the page for frames goes into frames', async () => {
  const policy = (await ask('/')).headers.get('content-security-policy')!;
  expect(policy).toContain("connect-src 'self' http://10.0.0.2:5001;");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  expect(pagePolicy([], true)).toContain('frame-ancestors *');
  expect((await ask('/embed/abc')).headers.get('content-security-policy')).toContain('frame-ancestors *');
});

test('without a built page there is none', async () => {
  expect(await readBuiltPage(join(directory, 'nowhere'))).toBeNull();
  expect(await readBuiltPage(join(directory, 'assets'))).toBeNull();
});
