import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { FORM_FIELD_BYTES_MAX, FORM_OVERHEAD_BYTES_MAX, FORM_PARTS_MAX } from './limits.ts';
import { openMultipartUpload } from './multipart-upload.ts';
import { VideoServer } from './test-support/video-server.ts';

const LIMIT = 1024 * 1024;
const MP4 = Buffer.concat([
  Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1'),
  randomBytes(300_000),
]);
const BOUNDARY = '----formBoundary7MA4';

let server: VideoServer;
beforeEach(async () => {
  server = await VideoServer.open({ uploadBytesMax: LIMIT, bodyIdleTimeoutMs: 300 });
});
afterEach(() => server[Symbol.asyncDispose]());

interface Part {
  readonly disposition: string;
  readonly headers?: readonly string[];
  readonly body: Uint8Array | string;
}

const field = (name: string, body: string): Part => ({ disposition: `form-data; name="${name}"`, body });
const file = (
  body: Uint8Array | string,
  parameters = 'name="file"; filename="a.mp4"',
  ...headers: string[]
): Part => ({
  disposition: `form-data; ${parameters}`,
  headers,
  body,
});

function encode(...parts: Part[]): Buffer {
  const pieces = parts.flatMap(({ disposition, headers = [], body }) => [
    Buffer.from([`--${BOUNDARY}`, `Content-Disposition: ${disposition}`, ...headers, '', ''].join('\r\n')),
    Buffer.from(body as string),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

async function post(body: Uint8Array | FormData, headers: Record<string, string> = {}) {
  const type =
    body instanceof FormData ? {} : { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
  const response = await fetch(server.url, {
    method: 'POST',
    body,
    headers: { ...server.authorization, ...type, ...headers },
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

const storedBytes = () =>
  Buffer.concat([...server.store.chunks].filter(([id]) => !id.includes('-r')).map(([, bytes]) => bytes));

describe('a form', () => {
  test('of a browser or fetch is stored with its fields', async () => {
    const form = new FormData();
    form.set('title', 'Ein Ausflug ⛰');
    form.set('file', new File([MP4], 'my “trip”.mp4', { type: 'video/mp4' }));
    form.set('description', 'Line 1\r\nLine 2');
    const { status, json } = await post(form);
    expect(status).toBe(201);
    expect(json).toMatchObject({
      title: 'Ein Ausflug ⛰',
      description: 'Line 1\r\nLine 2',
      filename: 'my “trip”.mp4',
      contentType: 'video/mp4',
      size: MP4.length,
      sha256: createHash('sha256').update(MP4).digest('hex'),
    });
    expect(storedBytes().equals(MP4)).toBe(true);
  });

  test.each<[string, Part[], object]>([
    [
      'fields before',
      [field('title', 'T'), field('description', 'D'), file(MP4)],
      { title: 'T', description: 'D' },
    ],
    [
      'fields behind',
      [file(MP4), field('description', 'D'), field('title', 'T')],
      { title: 'T', description: 'D' },
    ],
    ['no fields', [file(MP4)], { title: 'a', description: '', filename: 'a.mp4' }],
    [
      'empty fields',
      [field('title', ''), file(MP4), field('description', '')],
      { title: 'a', description: '' },
    ],
    ['a filename field', [file(MP4), field('filename', 'x/b.mov')], { filename: 'b.mov', title: 'b' }],
    ['a file by another name', [file(MP4, 'name="upload"; filename="b.mp4"')], { filename: 'b.mp4' }],
    [
      'a part called file without a filename',
      [file(MP4, 'name="file"')],
      { filename: null, title: 'Untitled', size: MP4.length },
    ],
    [
      'filename*',
      [file(MP4, `name="file"; filename="x.mp4"; filename*=UTF-8''%E2%82%AC.mp4`)],
      { filename: '€.mp4' },
    ],
    ['a path', [file(MP4, 'name="file"; filename="C:\\fakepath\\c.mp4"')], { filename: 'c.mp4' }],
    ['an escaped quote', [file(MP4, 'name="file"; filename="a %22b%22.mp4"')], { filename: 'a "b".mp4' }],
    [
      'a type that says nothing',
      [file(MP4, undefined, 'Content-Type: application/octet-stream')],
      { contentType: 'video/mp4' },
    ],
    [
      'a type of its own',
      [file(MP4, undefined, 'Content-Type: video/x-own')],
      { contentType: 'video/x-own' },
    ],
  ])('with %s', async (_name, parts, expected) => {
    const { status, json } = await post(encode(...parts));
    expect(json).toMatchObject(expected);
    expect(status).toBe(201);
  });

  test('whose file contains almost the boundary is stored byte for byte', async () => {
    const tricky = Buffer.from(
      `\r\n--${BOUNDARY.slice(0, -1)}\r\n-\r\n--\r\n\r\n--${BOUNDARY.toLowerCase()}--\r\n`,
    );
    await post(encode(file(tricky)));
    expect(storedBytes().equals(tricky)).toBe(true);
  });

  test('is read the same however the network cuts it and however slowly its file is taken', async () => {
    // Pieces that look like the beginning of a boundary, and bytes that do not.
    const piece = fc.oneof(
      fc.constantFrom(
        '\r',
        '\n',
        '\r\n',
        '\r\n--',
        `\r\n--${BOUNDARY.slice(0, 9)}`,
        `\r\n-${BOUNDARY}`,
        '--',
      ),
      fc.string({ maxLength: 20 }),
    );
    const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(text, text, cuts, fc.boolean(), async (title, content, lengths, isSlow) => {
        const body = encode(field('title', title), file(content), field('description', 'D'));
        const upload = await openMultipartUpload(fakeRequest(body, lengths), {
          signal: new AbortController().signal,
          idleTimeoutMs: 1000,
          bytesMax: LIMIT,
        });
        const pieces: Buffer[] = [];
        upload.body.on('data', (bytes: Buffer) => {
          pieces.push(bytes);
          if (!isSlow) return;
          upload.body.pause();
          setImmediate(() => upload.body.resume());
        });
        await once(upload.body, 'end');
        expect(Buffer.concat(pieces).toString()).toBe(content);
        const metadata = await upload.finish().catch((error: Error) => error.message);
        // A title may be no title; then it is refused by name.
        if (typeof metadata === 'string') expect(metadata).toMatch(/^title: /);
        else expect(metadata).toMatchObject({ description: 'D', filename: 'a.mp4' });
      }),
      { numRuns: 300 },
    );
  });

  test.each<[string, Part[], string]>([
    ['no parts', [], 'the form has no file'],
    ['no file', [field('title', 'T')], 'the form has no file'],
    [
      'two files',
      [file(MP4), file(MP4, 'name="other"; filename="b.mp4"')],
      'other: the form has more than one file',
    ],
    [
      'a part without a name',
      [{ disposition: 'form-data', body: 'x' }, file(MP4)],
      'a part of the form has no name',
    ],
    [
      'a part of another kind',
      [{ disposition: 'attachment; name="file"', body: 'x' }],
      'a part of the form has no name',
    ],
    ['an unknown field', [field('tilte', 'T'), file(MP4)], 'tilte: unknown field'],
    ['an unknown field behind', [file(MP4), field('tilte', 'T')], 'tilte: unknown field'],
    ['a field twice', [field('title', 'T'), file(MP4), field('title', 'U')], 'title: given more than once'],
    ['a title that is too long', [file(MP4), field('title', 'x'.repeat(301))], 'title: '],
    [
      'a field that is too long',
      [field('description', 'x'.repeat(FORM_FIELD_BYTES_MAX + 1)), file(MP4)],
      'description: longer than',
    ],
    [
      'too many parts',
      [...Array.from({ length: FORM_PARTS_MAX }, (_, index) => field(`f${index}`, '')), file(MP4)],
      'more than 16 parts',
    ],
  ])('with %s is refused', async (_name, parts, detail) => {
    const { status, json } = await post(encode(...parts));
    expect(json).toMatchObject({
      status: 400,
      code: 'invalid_request',
      detail: expect.stringContaining(detail),
    });
    expect(status).toBe(400);
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test.each([
    'multipart/form-data',
    'multipart/form-data; boundary=',
    `multipart/form-data; boundary=${'x'.repeat(71)}`,
  ])('of type %s is refused', async (type) => {
    const { status, json } = await post(encode(file(MP4)), { 'content-type': type });
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'invalid_request', errors: [{ field: 'boundary' }] });
  });

  test('with an empty file is refused', async () => {
    expect(await post(encode(file('')))).toMatchObject({ status: 400, json: { code: 'empty_body' } });
    expect(server.isEmpty).toBe(true);
  });

  test('with a file beyond the limit is refused', async () => {
    expect((await post(encode(file(new Uint8Array(LIMIT))))).status).toBe(201);
    expect(await post(encode(file(new Uint8Array(LIMIT + 1))))).toMatchObject({
      status: 413,
      json: { code: 'body_too_large' },
    });
    expect(server.videos.videos.size).toBe(1);
    await vi.waitFor(() => expect(server.objects.opened.size).toBe(0));
  });
});

test('a file that nobody takes pauses the request', async () => {
  const body = encode(file(new Uint8Array(LIMIT)));
  const request = fakeRequest(body, [64 * 1024]);
  const options = { signal: new AbortController().signal, idleTimeoutMs: 1000, bytesMax: 2 * LIMIT };
  const upload = await openMultipartUpload(request, options);
  await vi.waitFor(() => expect(request.isPaused()).toBe(true));
  expect(upload.body.readableLength).toBeLessThan(256 * 1024);
  let size = 0;
  upload.body.on('data', (bytes: Buffer) => {
    size += bytes.length;
  });
  await once(upload.body, 'end');
  expect(size).toBe(LIMIT);
});

test('a form of unknown length cannot go on for ever', async () => {
  using client = new RawClient(server.port);
  client.send(...formHead(0).slice(0, -1), 'Transfer-Encoding: chunked');
  const preamble = 'x'.repeat(100_000);
  const bytesMax = LIMIT + FORM_OVERHEAD_BYTES_MAX;
  for (let sent = 0; sent <= bytesMax; sent += preamble.length) {
    client.sendBytes(`${preamble.length.toString(16)}\r\n${preamble}\r\n`);
  }
  expect((await client.response()).status).toBe(413);
});

describe('digests', () => {
  const right = `sha-256=:${createHash('sha256').update(MP4).digest('base64')}:`;
  const wrong = `sha-256=:${createHash('sha256').update('x').digest('base64')}:`;

  test.each<[string, string[], Record<string, string>, number, string?]>([
    ['a right one of the part', [`Content-Digest: ${right}`], {}, 201],
    ['a wrong one of the part', [`Repr-Digest: ${wrong}`], {}, 422, 'digest_mismatch'],
    ['a malformed one of the part', ['Content-Digest: nonsense!'], {}, 400, 'digest_malformed'],
    ['one of the form', [], { 'content-digest': wrong, 'repr-digest': 'nonsense!' }, 201],
  ])('%s', async (_name, partHeaders, headers, status, code) => {
    const { status: actual, json } = await post(encode(file(MP4, undefined, ...partHeaders)), headers);
    expect([actual, json.code]).toEqual([status, code]);
    expect(server.isEmpty).toBe(status !== 201);
  });
});

describe('a form that breaks off', () => {
  const whole = encode(field('title', 'T'), file('x'.repeat(1000)), field('description', 'D'));
  const inFile = whole.indexOf('xxx') + 500;
  const behindFile = whole.indexOf('name="description"');

  test.each<[string, number]>([
    ['before its file', 20],
    ['within its file', inFile],
    ['behind its file', behindFile],
    ['before its last boundary', whole.length - 6],
  ])('%s with the connection leaves nothing', async (_name, length) => {
    using client = new RawClient(server.port);
    client.send(...formHead(whole.length));
    client.sendBytes(whole.subarray(0, length));
    client.end();
    await client.untilClosed();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test.each<[string, number]>([
    ['before its file', 20],
    ['within its file', inFile],
    ['behind its file', behindFile],
    ['before its last boundary', whole.length - 6],
  ])('%s although the request is whole is refused', async (_name, length) => {
    const { status, json } = await post(whole.subarray(0, length));
    expect([status, json.code]).toEqual([400, 'incomplete_body']);
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test.each<[string, number]>([
    ['before its file', 20],
    ['behind its file', behindFile],
  ])('%s without closing the connection is not waited for', async (_name, length) => {
    using client = new RawClient(server.port);
    client.send(...formHead(whole.length));
    client.sendBytes(whole.subarray(0, length));
    const response = await client.response();
    expect(response.status).toBe(408);
    expect(server.isEmpty).toBe(true);
  });

  test('behind the last boundary, but before its announced end, leaves nothing', async () => {
    using client = new RawClient(server.port);
    client.send(...formHead(whole.length + 10));
    client.sendBytes(whole);
    client.end();
    await client.untilClosed();
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
    expect(server.logged).toEqual([]);
  });
});

test('the connection goes on after a form', async () => {
  using client = new RawClient(server.port);
  const body = encode(file('hello'), field('title', 'T'));
  for (let round = 0; round < 2; round++) {
    client.send(...formHead(body.length));
    client.sendBytes(body);
    expect((await client.response()).status).toBe(201);
  }
});

/** A request with this body, cut into pieces of these lengths over and over. */
function fakeRequest(body: Buffer, lengths: readonly number[]): IncomingMessage {
  const pieces: Buffer[] = [];
  for (let start = 0, index = 0; start < body.length; index++) {
    const length = lengths[index % lengths.length]!;
    pieces.push(body.subarray(start, start + length));
    start += length;
  }
  const request = Object.assign(Readable.from(arrive(pieces), { highWaterMark: 1 }), {
    headers: { 'content-type': `multipart/form-data; boundary="${BOUNDARY}"` },
    complete: true,
    socket: { writableEnded: false },
    setTimeout: () => request,
  });
  return request as unknown as IncomingMessage;
}

/** As from a socket: each piece in a turn of its own. */
async function* arrive(pieces: readonly Buffer[]) {
  for (const piece of pieces) {
    await new Promise((resolve) => setImmediate(resolve));
    yield piece;
  }
}

function formHead(length: number): string[] {
  return [
    'POST /api/v1/videos HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${server.token}`,
    `Content-Type: multipart/form-data; boundary=${BOUNDARY}`,
    `Content-Length: ${length}`,
  ];
}
