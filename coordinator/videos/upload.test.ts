import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../lib/errors/app-error.ts';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { VideoServer } from './test-support/video-server.ts';

const LIMIT = 1024 * 1024;
const BYTES = Buffer.concat([
  Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1'),
  randomBytes(200_000),
]);

let server: VideoServer;
beforeEach(async () => {
  server = await VideoServer.open({ uploadBytesMax: LIMIT });
});
afterEach(() => server[Symbol.asyncDispose]());

const digestOf = (bytes: Uint8Array) => `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`;

async function post(body: Uint8Array | ReadableStream, headers: Record<string, string> = {}, query = '') {
  const response = await fetch(`${server.url}${query}`, {
    method: 'POST',
    body,
    headers: { ...server.authorization, ...headers },
    ...(body instanceof ReadableStream && { duplex: 'half' }),
  } as RequestInit);
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as Record<string, unknown>,
  };
}

const head = (...lines: string[]) => [
  'POST /api/v1/videos HTTP/1.1',
  'Host: x',
  `Authorization: ${server.authorization.authorization}`,
  ...lines,
];

describe('a raw upload', () => {
  test('answers 201 with the video and its address', async () => {
    const { status, headers, json } = await post(
      BYTES,
      {
        'content-disposition': 'attachment; filename="trip to.mp4"',
        'content-type': 'video/x-own',
      },
      '?title=A%20trip&description=Two%20days',
    );
    expect(status).toBe(201);
    expect(json).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/),
      ownerId: null,
      visibility: 'public',
      title: 'A trip',
      description: 'Two days',
      filename: 'trip to.mp4',
      contentType: 'video/x-own',
      size: BYTES.length,
      sha256: createHash('sha256').update(BYTES).digest('hex'),
      media: expect.objectContaining({ status: 'processing', durationSeconds: null, progress: 0 }),
      source: { status: 'stored', droppedAt: null },
      createdAt: '2026-01-02T03:04:05.678Z',
      updatedAt: '2026-01-02T03:04:05.678Z',
      links: { content: `/api/v1/videos/${json.id}/content`, hls: null, poster: null },
    });
    expect(headers.get('location')).toBe(`/api/v1/videos/${json.id}`);
    expect(headers.get('etag')).toBe('"v1"');
    expect(server.leases.size).toBe(0);
    expect(server.objects.opened.size).toBe(0);
  });

  test.each<[string, Record<string, string>, object]>([
    ['', {}, { title: 'Untitled', filename: null, description: '', contentType: 'video/mp4' }],
    ['?filename=a%2Fb%20c.tar.mov', {}, { title: 'b c.tar', filename: 'b c.tar.mov' }],
    [
      '?title=%20T%20',
      { 'content-disposition': `attachment; filename="x"; filename*=UTF-8''%E2%82%AC.mp4` },
      { title: 'T', filename: '€.mp4' },
    ],
    [
      '?filename=q.mp4',
      { 'content-disposition': 'attachment; filename=h.mp4' },
      { title: 'q', filename: 'q.mp4' },
    ],
    [
      '',
      { 'content-disposition': 'attachment; filename="../../x.webm"' },
      { title: 'x', filename: 'x.webm' },
    ],
    [
      '?title=&filename=',
      { 'content-disposition': 'attachment; filename=".."' },
      { title: 'Untitled', filename: null },
    ],
    ['', { 'content-type': 'application/x-www-form-urlencoded' }, { contentType: 'video/mp4' }],
    ['', { 'content-type': 'application/octet-stream' }, { contentType: 'video/mp4' }],
    ['?unknown=1', {}, { title: 'Untitled' }],
  ])('%s %j', async (query, headers, expected) => {
    const { status, json } = await post(BYTES, headers, query);
    expect(status).toBe(201);
    expect(json).toMatchObject(expected);
  });

  test.each([
    [`?title=${'x'.repeat(301)}`, 'title'],
    ['?title=a%00b', 'title'],
    ['?title=a%0Ab', 'title'],
    ['?description=%00', 'description'],
    ['?filename=..', 'filename'],
  ])('%s is refused by name', async (query, field) => {
    const { status, json } = await post(BYTES, {}, query);
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
    expect(server.isEmpty).toBe(true);
  });

  test('of unknown length is taken up to the limit', async () => {
    const stream = (length: number) => new Blob([new Uint8Array(length)]).stream();
    expect((await post(stream(LIMIT))).json).toMatchObject({ size: LIMIT });
    await server.service.delete([...server.videos.videos.keys()][0]!, () => {});
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
    expect(await post(stream(LIMIT + 1))).toMatchObject({ status: 413, json: { code: 'body_too_large' } });
    expect(server.isEmpty).toBe(true);
  });

  test('that announces too much is refused before its body', async () => {
    using client = new RawClient(server.port);
    client.send(...head(`Content-Length: ${LIMIT + 1}`));
    const response = await client.response();
    expect(response.status).toBe(413);
    expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'body_too_large', limitBytes: LIMIT });
    expect(server.isEmpty).toBe(true);
  });

  test('needs the admin token before anything else', async () => {
    for (const authorization of ['Bearer wrong', 'Basic eDp5', `Bearer ${server.token}x`]) {
      const { status, headers, json } = await post(BYTES, { authorization });
      expect(status).toBe(401);
      expect(json).toMatchObject({ code: 'unauthorized' });
      expect(headers.get('www-authenticate')).toMatch(/^Bearer realm="orbitvids", error="invalid_token"$/);
    }
    using client = new RawClient(server.port);
    client.send('POST /api/v1/videos HTTP/1.1', 'Host: x', `Content-Length: ${LIMIT + 1}`);
    const refused = await client.response();
    expect(refused).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Bearer realm="orbitvids"' },
    });
    expect(server.isEmpty).toBe(true);
  });

  test.each(['gzip', 'br, identity'])('with content coding %s is refused', async (coding) => {
    const { status, json } = await post(BYTES, { 'content-encoding': coding });
    expect([status, json.code]).toEqual([415, 'unsupported_media_type']);
    expect(server.isEmpty).toBe(true);
  });

  test('of another multipart type is refused', async () => {
    expect((await post(BYTES, { 'content-type': 'multipart/mixed; boundary=x' })).status).toBe(415);
  });
});

describe('an empty upload', () => {
  test.each([
    ['with Content-Length 0', ['Content-Length: 0'], ''],
    ['without a body', [], ''],
    ['of no chunks', ['Transfer-Encoding: chunked'], '0\r\n\r\n'],
  ])('%s is refused', async (_name, lines, body) => {
    using client = new RawClient(server.port);
    client.send(...head(...lines));
    client.sendBytes(body);
    const response = await client.response();
    expect(response.status).toBe(400);
    expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'empty_body' });
    expect(server.isEmpty).toBe(true);
  });
});

describe('digests', () => {
  const right = digestOf(BYTES);
  const wrong = digestOf(Buffer.from('other'));

  test.each<[Record<string, string>, number, string?]>([
    [{ 'content-digest': right }, 201],
    [{ 'repr-digest': right }, 201],
    [{ 'content-digest': right, 'repr-digest': `md5=:AAAA:, ${right}` }, 201],
    [{ 'content-digest': 'sha-512=:AAAA:' }, 201],
    [{ 'content-digest': wrong }, 422, 'digest_mismatch'],
    [{ 'repr-digest': wrong }, 422, 'digest_mismatch'],
    [{ 'content-digest': right, 'repr-digest': wrong }, 422, 'digest_mismatch'],
    [{ 'content-digest': 'sha-256=nonsense' }, 400, 'digest_malformed'],
    [{ 'repr-digest': 'sha-256=:AAAA:' }, 400, 'digest_malformed'],
  ])('%j: %i %s', async (headers, status, code) => {
    const answer = await post(BYTES, headers);
    expect(answer.status).toBe(status);
    expect(answer.json.code).toBe(code);
    expect(server.isEmpty).toBe(status !== 201);
  });
});

describe('a client that breaks off', () => {
  test('in the middle of a body of known length leaves nothing', async () => {
    const writing = new Promise<void>((resolve) => {
      server.store.onWrite = resolve;
    });
    const client = new RawClient(server.port);
    client.send(...head('Content-Length: 1000'));
    client.sendBytes('x'.repeat(500));
    await writing;
    client[Symbol.dispose]();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test('by ending its side before the announced length leaves nothing', async () => {
    using client = new RawClient(server.port);
    client.send(...head('Content-Length: 1000'));
    client.sendBytes('x'.repeat(999));
    client.end();
    await client.untilClosed();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test('in the middle of chunks leaves nothing', async () => {
    using client = new RawClient(server.port);
    client.send(...head('Transfer-Encoding: chunked'));
    client.sendBytes('5\r\nhello\r\n');
    client.end();
    await client.untilClosed();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test('after its last byte, but before the answer, leaves nothing', async () => {
    const written = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    server.store.onWritten = () => {
      written.resolve();
      return goOn.promise;
    };
    const client = new RawClient(server.port);
    client.send(...head('Content-Length: 5'));
    client.sendBytes('hello');
    await written.promise;
    client[Symbol.dispose]();
    // The server must have seen the connection close before it goes on.
    await vi.waitFor(() => expect(server.isConnected(client)).toBe(false));
    goOn.resolve();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test('is not logged as a failure', async () => {
    using client = new RawClient(server.port);
    client.send(...head('Content-Length: 1000'));
    client.end();
    await client.untilClosed();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
    expect(server.logged).toEqual([]);
  });
});

test('more bytes than announced make the request a bad one', async () => {
  const goOn = Promise.withResolvers<void>();
  server.store.onWritten = () => goOn.promise;
  using client = new RawClient(server.port);
  client.send(...head('Content-Length: 5'));
  client.sendBytes('hello, world\r\n\r\n');
  await client.untilClosed();
  expect(client.received.toString()).toMatch(/^HTTP\/1\.1 400 /);
  await vi.waitFor(() => expect(server.isConnected(client)).toBe(false));
  goOn.resolve();
  await vi.waitFor(() => expect(server.isEmpty).toBe(true));
});

describe('when the cluster or the database fails', () => {
  const unavailable = () =>
    new AppError('database_unavailable', 'The database is away.', { retryable: true });

  test('a failed commit leaves nothing and can be repeated', async () => {
    server.objects.commitFailure = { error: unavailable(), when: 'before' };
    const refused = await post(BYTES);
    expect(refused).toMatchObject({ status: 503, json: { code: 'database_unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('2');
    expect(server.isEmpty).toBe(true);
    expect((await post(BYTES)).status).toBe(201);
  });

  test('a commit whose answer was lost keeps its chunks', async () => {
    server.objects.commitFailure = { error: unavailable(), when: 'after' };
    expect((await post(BYTES)).status).toBe(201);
    expect(server.store.chunks.size).toBeGreaterThan(0);
    expect(server.objects.manifests.size).toBe(1);
  });

  test('an upload whose lease was lost is aborted', async () => {
    const writing = new Promise<void>((resolve) => {
      server.store.onWrite = resolve;
    });
    using client = new RawClient(server.port);
    client.send(...head('Content-Length: 1000'));
    client.sendBytes('x');
    await writing;
    server.objects.opened.clear();
    await server.leases.runOnce();
    const response = await client.response();
    expect(response.status).toBe(409);
    expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'upload_expired' });
    expect(server.isEmpty).toBe(true);
  });
});
