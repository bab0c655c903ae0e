import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestBrowser, type WatchedPage } from '../../tests/support/browser.ts';
import { sha256, UploadWorld } from './test-support/upload-world.ts';

/*
 * What people upload with in browsers, as it comes from its makers, from a page of another origin.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SIZE = 5 * 1024 * 1024 + 3;

/** What the page does; its functions resolve with the address of the upload. */
const PAGE = `
import * as tus from 'tus-js-client';
import Uppy from '@uppy/core';
import Tus from '@uppy/tus';

const bytes = Uint8Array.from({ length: ${SIZE} }, (_, index) => (index * 31 + (index >> 8)) & 255);
const headers = { authorization: 'Bearer operator' };

window.sendWithTus = (endpoint, options) =>
  new Promise((resolve, reject) => {
    let isInterrupted = false;
    const upload = new tus.Upload(new Blob([bytes]), {
      endpoint,
      headers,
      metadata: { filename: 'page.mp4', filetype: 'video/mp4' },
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: () => {
        if (isInterrupted || !options.interrupts) return;
        isInterrupted = true;
        upload.abort().then(() => upload.start());
      },
      ...options,
    });
    upload.start();
  });

window.sendWithUppy = async (endpoint) => {
  const uppy = new Uppy().use(Tus, { endpoint, headers, chunkSize: 2_000_000 });
  uppy.addFile({ name: 'uppy.mp4', type: 'video/mp4', data: new Blob([bytes], { type: 'video/mp4' }) });
  const { successful, failed } = await uppy.upload();
  if (failed.length > 0) throw new Error(String(failed[0].error));
  return successful[0].uploadURL;
};
window.isReady = true;
`;

const BYTES = Buffer.from(Uint8Array.from({ length: SIZE }, (_, index) => (index * 31 + (index >> 8)) & 255));

let world: UploadWorld;
let browser: TestBrowser;
let site: Server;
let watched: WatchedPage;
beforeAll(async () => {
  const script = await bundle();
  site = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(
      isScript
        ? script
        : '<!doctype html><title>t</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
    );
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  [world, browser] = await Promise.all([
    UploadWorld.open('pglite', { corsOrigins: [origin] }),
    TestBrowser.open(),
  ]);
  watched = await browser.page(world.coordinators[0]!.url, { width: 800, height: 600 });
  await watched.page.goto(origin);
  await watched.page.waitForFunction('window.isReady');
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  site?.close();
  await world?.[Symbol.asyncDispose]();
});

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

async function expectStored(url: string, filename: string): Promise<void> {
  const head = await world.tus('HEAD', new URL(url).pathname);
  const id = head.headers['orbitvids-video-id']!;
  expect((await world.ask('GET', `/videos/${id}`)).json).toMatchObject({
    filename,
    contentType: 'video/mp4',
    size: SIZE,
  });
  expect(sha256(await world.download(id))).toBe(sha256(BYTES));
}

const endpoint = () => JSON.stringify(`${world.coordinators[0]!.url}/api/v1/uploads`);

test.each([
  ['in one request', {}],
  ['in pieces, with an interruption', { chunkSize: 1_000_000, interrupts: true }],
  ['in parts at the same time', { parallelUploads: 3 }],
  [
    'with its bytes in the creation, and by POST alone',
    { uploadDataDuringCreation: true, overridePatchMethod: true, chunkSize: 2_000_000 },
  ],
])('tus-js-client in a browser sends %s', async (_how, options) => {
  const url = await watched.page.evaluate<string>(
    `window.sendWithTus(${endpoint()}, ${JSON.stringify(options)})`,
  );
  await expectStored(url, 'page.mp4');
});

test("Uppy's tus plugin sends from a browser", async () => {
  const url = await watched.page.evaluate<string>(`window.sendWithUppy(${endpoint()})`);
  await expectStored(url, 'uppy.mp4');
  expect(watched.complaints.filter((text) => !text.startsWith('asked for'))).toEqual([]);
});
