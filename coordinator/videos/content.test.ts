import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../lib/errors/app-error.ts';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { VideoServer, type VideoServerOptions } from './test-support/video-server.ts';

const BYTES = randomBytes(300_000);
const SIZE = BYTES.length;
const SHA256 = createHash('sha256').update(BYTES).digest();
/** Stands in conditions for what the entity tag turns out to be. */
const ETAG = '"the-etag"';
let etag: string;
const MODIFIED = 'Fri, 02 Jan 2026 03:04:05 GMT';

let server: VideoServer;
let path: string;
let id: string;

async function start(options: VideoServerOptions = {}) {
  server = await VideoServer.open(options);
  ({ id } = await server.upload(BYTES, '?filename=My%20trip%20%E2%82%AC.mp4'));
  etag = `"${[...server.videos.videos.values()][0]!.objectId.replaceAll('-', '')}"`;
  path = `/api/v1/videos/${id}/content`;
}
const stop = () => server[Symbol.asyncDispose]();

async function get(headers: Record<string, string> = {}, method = 'GET', query = '') {
  const response = await fetch(`${server.url}/${id}/content${query}`, { method, headers });
  return {
    status: response.status,
    headers: response.headers,
    body: Buffer.from(await response.arrayBuffer()),
  };
}

describe.each([
  ['directly', true],
  ['through the app', false],
])('reading %s', (_way, direct) => {
  beforeAll(() => start({ direct }));
  afterAll(stop);

  test('the whole', async () => {
    const { status, headers, body } = await get();
    expect(status).toBe(200);
    expect(body.equals(BYTES)).toBe(true);
    expect(Object.fromEntries(headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
      'cache-control': 'public, max-age=0, must-revalidate, no-transform',
      'content-disposition': `inline; filename="My trip _.mp4"; filename*=UTF-8''My%20trip%20%E2%82%AC.mp4`,
      'content-length': String(SIZE),
      'content-type': 'video/mp4',
      etag,
      'last-modified': MODIFIED,
      'repr-digest': `sha-256=:${SHA256.toString('base64')}:`,
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.stringMatching(/.{8}/),
    });
    expect(headers.get('access-control-expose-headers')).toContain('content-range');
  });

  test('HEAD has the headers of GET and no body, and knows no ranges', async () => {
    const plain = await get();
    for (const given of [{}, { range: 'bytes=0-9' }, { range: `bytes=${SIZE}-` }]) {
      const { status, headers, body } = await get(given, 'HEAD');
      expect(status).toBe(200);
      expect(body).toHaveLength(0);
      const volatile = { connection: '', date: '', 'keep-alive': '', 'x-request-id': '' };
      expect({ ...Object.fromEntries(headers), ...volatile }).toEqual({
        ...Object.fromEntries(plain.headers),
        ...volatile,
      });
    }
  });

  test('HEAD leaves the connection usable', async () => {
    using client = new RawClient(server.port);
    client.send(`HEAD ${path} HTTP/1.1`, 'Host: x');
    expect((await client.response({ head: true })).headers['content-length']).toBe(String(SIZE));
    client.send(`GET ${path} HTTP/1.1`, 'Host: x', 'Range: bytes=0-1');
    expect((await client.response()).body).toEqual(BYTES.subarray(0, 2));
  });

  test.each<[string, number, number]>([
    ['bytes=0-0', 0, 0],
    ['bytes=100000-199999', 100_000, 199_999],
    ['bytes=299999-', 299_999, 299_999],
    ['bytes=-1', 299_999, 299_999],
    ['bytes=0-', 0, 299_999],
    ['bytes=65535-65536', 65_535, 65_536],
    ['bytes=0-99999999999999999999', 0, 299_999],
    ['bytes=0-9,10-19', 0, 19],
    ['bytes=0-9,400000-', 0, 9],
  ])('%s', async (range, first, last) => {
    const { status, headers, body } = await get({ range });
    expect(status).toBe(206);
    expect(headers.get('content-range')).toBe(`bytes ${first}-${last}/${SIZE}`);
    expect(headers.get('content-length')).toBe(String(last - first + 1));
    expect(headers.get('content-type')).toBe('video/mp4');
    expect(headers.get('repr-digest')).toBe(`sha-256=:${SHA256.toString('base64')}:`);
    expect(body.equals(BYTES.subarray(first, last + 1))).toBe(true);
  });

  test.each(['bytes=5-1', 'items=0-1', 'bytes', 'bytes=x'])('%s is ignored', async (range) => {
    const { status, headers, body } = await get({ range });
    expect(status).toBe(200);
    expect(headers.get('content-range')).toBeNull();
    expect(body).toHaveLength(SIZE);
  });

  test.each([
    `bytes=${SIZE}-`,
    'bytes=-0',
    'bytes=99999999999999999999-',
    `bytes=${Array.from({ length: 17 }, (_, index) => `${index * 2}-${index * 2}`).join(',')}`,
  ])('%s is not satisfiable', async (range) => {
    const { status, headers, body } = await get({ range });
    expect(status).toBe(416);
    expect(headers.get('content-range')).toBe(`bytes */${SIZE}`);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(JSON.parse(body.toString())).toMatchObject({ code: 'range_not_satisfiable', status: 416 });
  });

  test('several ranges come as multipart/byteranges of the announced length', async () => {
    const { status, headers, body } = await get({ range: 'bytes=200000-200009, 0-4, 3-9, -5' });
    expect(status).toBe(206);
    expect(headers.get('content-range')).toBeNull();
    expect(headers.get('content-length')).toBe(String(body.length));
    const boundary = /^multipart\/byteranges; boundary=([\w-]{20,70})$/.exec(
      headers.get('content-type')!,
    )![1]!;
    const part = (first: number, last: number) =>
      Buffer.concat([
        Buffer.from(
          `--${boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes ${first}-${last}/${SIZE}\r\n\r\n`,
        ),
        BYTES.subarray(first, last + 1),
        Buffer.from('\r\n'),
      ]);
    const parts = [
      part(200_000, 200_009),
      part(0, 9),
      part(SIZE - 5, SIZE - 1),
      Buffer.from(`--${boundary}--\r\n`),
    ];
    expect(body).toEqual(Buffer.concat(parts));
  });

  test.each<[Record<string, string>, number]>([
    [{ 'if-none-match': ETAG }, 304],
    [{ 'if-none-match': ETAG, range: 'bytes=0-1' }, 304],
    [{ 'if-none-match': '"x"', range: 'bytes=0-1' }, 206],
    [{ 'if-modified-since': MODIFIED }, 304],
    [{ 'if-match': '"x"' }, 412],
    [{ 'if-match': ETAG, range: 'bytes=0-1' }, 206],
    [{ 'if-match': '"x"', range: `bytes=${SIZE}-` }, 412],
    [{ 'if-unmodified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' }, 412],
    [{ 'if-range': ETAG, range: 'bytes=0-1' }, 206],
    [{ 'if-range': MODIFIED, range: 'bytes=0-1' }, 206],
    [{ 'if-range': '"x"', range: 'bytes=0-1' }, 200],
    [{ 'if-range': '"x"', range: `bytes=${SIZE}-` }, 200],
    [{ 'if-range': `W/${ETAG}`, range: 'bytes=0-1' }, 200],
    [{ 'if-range': 'Fri, 02 Jan 2026 03:04:06 GMT', range: 'bytes=0-1' }, 200],
    [{ 'if-range': ETAG }, 200],
  ])('%j: %i', async (conditions, expected) => {
    const named = Object.entries(conditions).map(([name, value]) => [name, value.replace(ETAG, etag)]);
    const given = Object.fromEntries(named) as Record<string, string>;
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await get(given, method);
      const isHead = method === 'HEAD';
      expect(status).toBe(isHead && expected === 206 ? 200 : expected);
      if (status === 304) {
        expect(body).toHaveLength(0);
        expect(headers.get('etag')).toBe(etag);
        expect(headers.get('last-modified')).toBe(MODIFIED);
        expect(headers.get('content-length')).toBeNull();
      }
      if (status === 412 && !isHead)
        expect(JSON.parse(body.toString())).toMatchObject({ code: 'precondition_failed' });
    }
  });

  test('as a download', async () => {
    expect((await get({}, 'GET', '?download=1')).headers.get('content-disposition')).toBe(
      `attachment; filename="My trip _.mp4"; filename*=UTF-8''My%20trip%20%E2%82%AC.mp4`,
    );
    expect((await get({}, 'HEAD', '?download=0')).headers.get('content-disposition')).toMatch(/^inline/);
  });

  test('from another origin', async () => {
    const { status, headers } = await get(
      {
        origin: 'https://player.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'range',
      },
      'OPTIONS',
    );
    expect(status).toBe(204);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS');
    expect(headers.get('access-control-allow-headers')).toMatch(/\bRange\b/);
    expect(Number(headers.get('access-control-max-age'))).toBeGreaterThan(0);
  });

  test.each(['01890000-0000-7000-8000-000000000000', 'x', '..%2f..%2fetc', "'; drop table videos"])(
    'what does not exist: %s',
    async (other) => {
      const response = await fetch(`${server.url}/${encodeURIComponent(other)}/content`);
      expect(response.status).toBe(404);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(await response.json()).toMatchObject({ code: 'video_not_found' });
    },
  );

  test('an id may be written in capitals', async () => {
    expect((await fetch(`${server.url}/${id.toUpperCase()}/content`, { method: 'HEAD' })).status).toBe(200);
  });

  test('what could act for this origin is not served as such', async () => {
    for (const contentType of ['text/html', 'image/svg+xml; charset=utf-8', 'application/javascript']) {
      const video = await server.upload('<script>alert(1)</script>', '', { 'content-type': contentType });
      expect(video.contentType).toBe(contentType);
      const response = await fetch(`${server.url}/${video.id}/content`);
      expect(response.headers.get('content-type')).toBe('application/octet-stream');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await response.text()).toBe('<script>alert(1)</script>');
    }
  });

  test('a video without a filename is offered under its title', async () => {
    const video = await server.upload('x', '?title=A%2FB%3A%20c');
    const response = await fetch(`${server.url}/${video.id}/content`);
    expect(response.headers.get('content-disposition')).toMatch(/^inline; filename="A-B: c\.mp4"; /);
  });

  test('the manifest is loaded once for many requests', async () => {
    const video = await server.upload('x');
    const before = server.objects.manifestLoads;
    await Promise.all(Array.from({ length: 10 }, () => fetch(`${server.url}/${video.id}/content`)));
    await fetch(`${server.url}/${video.id}/content`);
    expect(server.objects.manifestLoads).toBe(before + 1);
  });
});

describe('when bytes cannot be had', () => {
  beforeEach(() => start());
  afterEach(stop);
  const unavailable = () => new AppError('chunk_unavailable', 'No node has it.', { retryable: true });

  test('a first chunk that is missing is a clean 503', async () => {
    for (const headers of [{}, { range: 'bytes=0-9' }, { range: 'bytes=0-9,20-29' }]) {
      server.store.readFailure = unavailable();
      const response = await get(headers as Record<string, string>);
      expect(response.status).toBe(503);
      expect(response.headers.get('retry-after')).toBe('2');
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(response.headers.get('accept-ranges')).toBeNull();
      expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'chunk_unavailable' });
    }
    expect((await get()).body.equals(BYTES)).toBe(true);
  });

  test('chunks that are gone because another coordinator deleted the video are a 404', async () => {
    await get({}, 'HEAD');
    server.videos.videos.clear();
    server.store.chunks.clear();
    expect((await get()).status).toBe(404);
  });

  test('a failure in the middle cuts the connection after a true prefix', async () => {
    server.store.sendFailure = { afterBytes: 150_000, error: unavailable() };
    using client = new RawClient(server.port);
    client.send(`GET ${path} HTTP/1.1`, 'Host: x');
    await client.untilClosed();
    const body = client.received.subarray(client.received.indexOf('\r\n\r\n') + 4);
    expect(body.length).toBeLessThan(SIZE);
    expect(body.equals(BYTES.subarray(0, body.length))).toBe(true);
    expect(server.logged.join()).toContain('a body was cut short');
  });

  test('a failure between two ranges cuts the connection as well', async () => {
    using client = new RawClient(server.port);
    client.send(`GET ${path} HTTP/1.1`, 'Host: x', 'Range: bytes=0-9,20-29');
    server.store.onRead = (count) => {
      if (count === 2) throw unavailable();
    };
    await client.untilClosed();
    expect(client.received.toString('latin1')).toMatch(/^HTTP\/1\.1 206 /);
    expect(client.received.toString('latin1')).not.toContain('20-29');
  });

  test('a client that disappears cancels the reading', async () => {
    const { id: big } = await server.upload(randomBytes(12 * 1024 * 1024));
    const client = new RawClient(server.port);
    client.send(`GET /api/v1/videos/${big}/content HTTP/1.1`, 'Host: x');
    await client.until((received) => received.length > 0);
    client.pause();
    expect(server.store.openReadings).toBe(1);
    client[Symbol.dispose]();
    await vi.waitFor(() => expect(server.store.openReadings).toBe(0));
    expect(server.logged).toEqual([]);
  });

  test('a client that disappears while the first chunk is being looked for is forgotten', async () => {
    const found = Promise.withResolvers<void>();
    const looking = Promise.withResolvers<void>();
    server.store.onRead = () => {
      looking.resolve();
      return found.promise;
    };
    const client = new RawClient(server.port);
    client.send(`GET ${path} HTTP/1.1`, 'Host: x');
    await looking.promise;
    client[Symbol.dispose]();
    await vi.waitFor(() => expect(server.isConnected(client)).toBe(false));
    found.resolve();
    await vi.waitFor(() => expect(server.store.openReadings).toBe(0));
    expect(server.store.reads).toBe(1);
  });
});

describe('slow clients', () => {
  beforeEach(() => start({ clientIdleTimeoutMs: 100 }));
  afterEach(stop);

  test('one that takes nothing is cut', async () => {
    const { id: big } = await server.upload(randomBytes(12 * 1024 * 1024));
    using client = new RawClient(server.port);
    client.send(`GET /api/v1/videos/${big}/content HTTP/1.1`, 'Host: x');
    await client.until((received) => received.length > 0);
    client.pause();
    await vi.waitFor(() => expect(server.store.openReadings).toBe(0), { timeout: 10_000 });
    await vi.waitFor(() => expect(server.isConnected(client)).toBe(false));
  });

  test('an idle connection between two requests has the time of any other', async () => {
    using client = new RawClient(server.port);
    for (let round = 0; round < 2; round++) {
      client.send(`GET ${path} HTTP/1.1`, 'Host: x', 'Range: bytes=0-9');
      expect((await client.response()).body).toEqual(BYTES.subarray(0, 10));
    }
    expect(client.isClosed).toBe(false);
  });
});

describe('many readers', () => {
  afterEach(stop);

  test('one more than allowed is told to come again', async () => {
    await start({ answersMax: 0 });
    const { status, headers, body } = await get();
    expect(status).toBe(503);
    expect(headers.get('retry-after')).not.toBeNull();
    expect(JSON.parse(body.toString())).toMatchObject({ code: 'too_busy' });
  });

  test('requests sent at once on one connection are answered one after the other', async () => {
    await start({ answersMax: 1 });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const request = `GET ${path} HTTP/1.1\r\nhost: x\r\nrange: bytes=0-99999\r\n`;
    socket.write(`${`${request}\r\n`.repeat(4)}${request}connection: close\r\n\r\n`);
    const pieces: Buffer[] = [];
    for await (const piece of socket) pieces.push(piece);
    const answer = Buffer.concat(pieces).toString('latin1');
    const bodies = answer.split(/HTTP\/1\.1 206 [\s\S]*?\r\n\r\n/).slice(1);
    expect(bodies).toHaveLength(5);
    const expected = BYTES.subarray(0, 100_000).toString('latin1');
    for (const body of bodies) expect(body === expected).toBe(true);
  });
});
