import { expect, it } from 'vitest';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { chunkTarget, formatChecksum } from '../../lib/node-api/targets.ts';
import { EMPTY_REPOSITORY_BYTES, storedBytes } from '../repository/capacity.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import { serveBytes, serveWith, until } from '../test-support/byte-server.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import { problemOf, signed, startTestNode, type TestNode } from '../test-support/running-node.ts';

const LENGTH = 2_000_003;
const BYTES = bytesOf(1, LENGTH);
const CHECKSUM = formatChecksum(checksumOf(BYTES));
const TARGET = chunkTarget(0xdeadbeef, idOf(1));

async function nodeWithChunk(): Promise<TestNode> {
  const node = await startTestNode();
  await node.repository.put({ position: 0xdeadbeef, id: idOf(1), bytes: BYTES });
  return node;
}

function pullOf(source: string, chunk: { length?: number; checksum?: string } = {}): RequestInit {
  return { body: JSON.stringify({ source, length: LENGTH, checksum: CHECKSUM, ...chunk }) };
}

it('stores a body that was put, and says when it had it already or has another', async () => {
  const node = await startTestNode();
  const put = (body: Buffer, headers = {}) =>
    node.request('PUT', TARGET, { body: new Uint8Array(body), headers });
  const created = await put(BYTES, { 'x-chunk-checksum': CHECKSUM });
  expect([created.status, await created.json()]).toEqual([201, { result: 'created' }]);
  const again = await put(BYTES);
  expect([again.status, await again.json()]).toEqual([200, { result: 'exists' }]);
  expect(await problemOf(await put(bytesOf(2, LENGTH)))).toEqual({ status: 409, code: 'chunk_conflict' });
  const got = await node.request('GET', TARGET);
  expect(Object.fromEntries(got.headers)).toMatchObject({
    'content-length': String(LENGTH),
    'x-chunk-checksum': CHECKSUM,
    'accept-ranges': 'bytes',
  });
  expect(Buffer.from(await got.arrayBuffer()).equals(BYTES)).toBe(true);
});

it('refuses bodies that are wrong, empty, too long or of unknown length', async () => {
  const node = await startTestNode();
  const put = (init: RequestInit) => node.request('PUT', TARGET, init);
  const body = new Uint8Array(BYTES);
  const wrong = await put({ body, headers: { 'x-chunk-checksum': '00000000' } });
  expect(await problemOf(wrong)).toEqual({ status: 422, code: 'checksum_mismatch' });
  const odd = await put({ body, headers: { 'x-chunk-checksum': 'DEADBEEF' } });
  expect(await problemOf(odd)).toEqual({ status: 400, code: 'invalid_request' });
  expect(await problemOf(await put({ body: '' }))).toEqual({ status: 400, code: 'invalid_request' });

  using raw = new RawClient(node.port);
  raw.send(`PUT ${signed('PUT', TARGET)} HTTP/1.1`, 'host: x', 'transfer-encoding: chunked');
  raw.sendBytes('0\r\n\r\n');
  expect((await raw.response()).status).toBe(411);
  using long = new RawClient(node.port);
  long.send(`PUT ${signed('PUT', TARGET)} HTTP/1.1`, 'host: x', `content-length: ${8 * 1024 * 1024 + 1}`);
  expect((await long.response()).status).toBe(413);
  expect(node.repository.stats().chunkCount).toBe(0);
});

it('stores nothing of a body that ends early, and takes the next one', async () => {
  const node = await startTestNode({ writeBuffers: 1 });
  const before = node.repository.stats();
  const cut = new RawClient(node.port);
  cut.send(`PUT ${signed('PUT', TARGET)} HTTP/1.1`, 'host: x', `content-length: ${LENGTH}`);
  cut.sendBytes(BYTES.subarray(0, LENGTH - 1));
  await until(() => node.repository.stats().usedBytes > before.usedBytes);
  cut[Symbol.dispose]();
  // The only buffer has to come back for this one.
  expect((await node.request('PUT', TARGET, { body: new Uint8Array(BYTES) })).status).toBe(201);
  await node.repository.delete(0xdeadbeef, idOf(1));
  expect(node.repository.stats()).toEqual(before);
});

it('stores one of several different bodies that come for a chunk at once', async () => {
  const node = await startTestNode();
  const statuses = await Promise.all(
    [1, 2, 1, 2, 1].map(async (seed) => {
      const response = await node.request('PUT', TARGET, { body: new Uint8Array(bytesOf(seed, LENGTH)) });
      return [seed, response.status] as const;
    }),
  );
  const winner = statuses.find(([, status]) => status === 201)![0];
  for (const [seed, status] of statuses) {
    if (seed === winner) expect([200, 201]).toContain(status);
    else expect(status).toBe(409);
  }
  expect(statuses.filter(([, status]) => status === 201)).toHaveLength(1);
  const got = Buffer.from(await (await node.request('GET', TARGET)).arrayBuffer());
  expect(got.equals(bytesOf(winner, LENGTH))).toBe(true);
});

it('pulls a chunk from where it is told', async () => {
  const node = await startTestNode();
  const source = await serveBytes(BYTES);
  expect((await node.request('POST', TARGET, pullOf(source))).status).toBe(201);
  // The second time nothing is fetched.
  expect((await node.request('POST', TARGET, pullOf('http://127.0.0.1:1'))).status).toBe(200);
  const other = await node.request('POST', TARGET, pullOf(source, { checksum: '00000000' }));
  expect(await problemOf(other)).toEqual({ status: 409, code: 'chunk_conflict' });
  const got = Buffer.from(await (await node.request('GET', TARGET)).arrayBuffer());
  expect(got.equals(BYTES)).toBe(true);
});

it('names the fault of a source it cannot pull from', async () => {
  const node = await startTestNode({ sourceIdleTimeoutMs: 80 });
  const before = node.repository.stats();
  const pull = async (init: RequestInit) => problemOf(await node.request('POST', TARGET, init));
  const lying = await serveBytes(bytesOf(2, LENGTH));
  expect(await pull(pullOf(lying))).toEqual({ status: 422, code: 'checksum_mismatch' });
  expect(await pull(pullOf('http://127.0.0.1:1'))).toEqual({ status: 502, code: 'source_failed' });
  const shorter = await serveBytes(BYTES.subarray(1));
  expect(await pull(pullOf(shorter))).toEqual({ status: 502, code: 'source_failed' });
  const dying = await serveWith((_request, response) => {
    response.writeHead(200, { 'content-length': LENGTH });
    response.write(BYTES.subarray(0, 1000), () => response.destroy());
  });
  expect(await pull(pullOf(dying))).toEqual({ status: 502, code: 'source_failed' });
  const failing = await serveWith((_request, response) => response.writeHead(500).end());
  expect(await pull(pullOf(failing))).toEqual({ status: 502, code: 'source_failed' });
  const empty = await serveWith((_request, response) =>
    response.writeHead(404, { 'content-length': 0 }).end(),
  );
  expect(await pull(pullOf(empty))).toEqual({ status: 502, code: 'source_missing' });
  const stalling = await serveWith((_request, response) => {
    response.writeHead(200, { 'content-length': LENGTH });
    response.write(BYTES.subarray(0, 1000));
  });
  expect(await pull(pullOf(stalling))).toEqual({ status: 504, code: 'source_stalled' });
  expect(node.repository.stats()).toEqual(before);
});

it('gives a pull up when nobody waits for its answer', async () => {
  const node = await startTestNode({ writeBuffers: 1 });
  let fetching = false;
  const hanging = await serveWith(() => {
    fetching = true;
  });
  const abort = new AbortController();
  const pending = node.request('POST', TARGET, { ...pullOf(hanging), signal: abort.signal });
  await until(() => fetching);
  abort.abort();
  await expect(pending).rejects.toThrow();
  expect((await node.request('POST', TARGET, pullOf(await serveBytes(BYTES)))).status).toBe(201);
});

it('goes on pulling while slow clients hold every buffer they may', async () => {
  const node = await startTestNode({ writeBuffers: 2 });
  const before = node.repository.stats().usedBytes;
  const slow = Array.from({ length: 5 }, (_, number) => {
    const client = new RawClient(node.port);
    const target = chunkTarget(number, idOf(number));
    client.send(`PUT ${signed('PUT', target)} HTTP/1.1`, 'host: x', `content-length: ${LENGTH}`);
    client.sendBytes(bytesOf(number, LENGTH).subarray(0, 1000));
    return client;
  });
  await until(() => node.repository.stats().usedBytes > before);
  expect((await node.request('POST', TARGET, pullOf(await serveBytes(BYTES)))).status).toBe(201);
  // In order, as soon as those before them are through; and past one that went away.
  slow[1]![Symbol.dispose]();
  for (const number of [0, 2, 3, 4]) {
    slow[number]!.sendBytes(bytesOf(number, LENGTH).subarray(1000));
    expect((await slow[number]!.response()).status).toBe(201);
    slow[number]![Symbol.dispose]();
  }
});

it('stores a chunk that lives in the index while every buffer is held', async () => {
  const node = await startTestNode({ writeBuffers: 1 });
  const before = node.repository.stats().usedBytes;
  using slow = new RawClient(node.port);
  slow.send(`PUT ${signed('PUT', TARGET)} HTTP/1.1`, 'host: x', `content-length: ${LENGTH}`);
  slow.sendBytes(BYTES.subarray(0, 1000));
  await until(() => node.repository.stats().usedBytes > before);
  const small = chunkTarget(2, idOf(2));
  const put = (length: number, headers = {}) =>
    node.request('PUT', small, { body: new Uint8Array(BYTES.subarray(0, length)), headers });
  const checksum = formatChecksum(checksumOf(BYTES.subarray(0, 1024)));
  expect(await problemOf(await put(1024, { 'x-chunk-checksum': '00000000' }))).toMatchObject({ status: 422 });
  expect(await problemOf(await put(1024, { 'x-chunk-checksum': 'x' }))).toMatchObject({ status: 400 });
  expect((await put(1024, { 'x-chunk-checksum': checksum })).status).toBe(201);
  expect((await put(1024)).status).toBe(200);
  expect(await problemOf(await put(1023))).toMatchObject({ status: 409 });
  const got = await node.request('GET', small);
  expect(Buffer.from(await got.arrayBuffer()).equals(BYTES.subarray(0, 1024))).toBe(true);
});

it.each<[string, string, number]>([
  ['POST', 'content-length: 100', 401],
  ['PUT', 'content-length: 100', 401],
  ['POST', 'content-length: 16385', 413],
  ['POST', 'transfer-encoding: chunked', 411],
])(
  'refuses a %s with %s before its body has come, and takes no other request behind it',
  async (method, header, status) => {
    const node = await startTestNode();
    using raw = new RawClient(node.port);
    raw.send(`${method} ${status === 401 ? TARGET : signed(method, TARGET)} HTTP/1.1`, 'host: x', header);
    const refused = await raw.response();
    expect([refused.status, refused.headers.connection]).toEqual([status, 'close']);
    await raw.untilClosed();
  },
);

it.each([
  ['{', 'invalid_json'],
  ['{}', 'invalid_request'],
  [JSON.stringify({ source: 'file:///etc/passwd', length: 1, checksum: '00000000' }), 'invalid_request'],
  [JSON.stringify({ source: 'http://x/', length: 0, checksum: '00000000' }), 'invalid_request'],
  [JSON.stringify({ source: 'http://x/', length: 1, checksum: '0' }), 'invalid_request'],
])('refuses the pull request %s', async (body, code) => {
  const node = await startTestNode();
  expect(await problemOf(await node.request('POST', TARGET, { body }))).toEqual({ status: 400, code });
});

it('says 507 before it takes a byte that does not fit', async () => {
  const repository = new MemoryVideoRepository({
    capacityBytes: EMPTY_REPOSITORY_BYTES + storedBytes(LENGTH),
    clock: { nowMs: () => 0 },
  });
  const node = await startTestNode({ repository });
  const body = new Uint8Array(BYTES);
  expect((await node.request('PUT', TARGET, { body })).status).toBe(201);
  let asked = 0;
  const source = await serveWith(() => asked++);
  const other = chunkTarget(1, idOf(2));
  const refused = { status: 507, code: 'insufficient_storage' };
  expect(await problemOf(await node.request('POST', other, pullOf(source)))).toEqual(refused);
  expect(asked).toBe(0);
  using raw = new RawClient(node.port);
  raw.send(`PUT ${signed('PUT', other)} HTTP/1.1`, 'host: x', `content-length: ${LENGTH}`);
  expect((await raw.response()).status).toBe(507);
  // Room again.
  expect((await node.request('DELETE', TARGET)).status).toBe(204);
  expect((await node.request('PUT', other, { body })).status).toBe(201);
});

it.each<[string, number, number]>([
  ['bytes=0-0', 0, 0],
  ['bytes=100-70000', 100, 70_000],
  ['bytes=65536-', 65_536, LENGTH - 1],
  ['bytes=-5', LENGTH - 5, LENGTH - 1],
  ['bytes=-99999999', 0, LENGTH - 1],
  ['bytes=1999999-99999999', 1_999_999, LENGTH - 1],
])('answers the range %s', async (range, first, last) => {
  const node = await nodeWithChunk();
  const response = await node.request('GET', TARGET, { headers: { range } });
  expect(response.status).toBe(206);
  expect(response.headers.get('content-range')).toBe(`bytes ${first}-${last}/${LENGTH}`);
  expect(response.headers.get('content-length')).toBe(String(last - first + 1));
  expect(Buffer.from(await response.arrayBuffer()).equals(BYTES.subarray(first, last + 1))).toBe(true);
});

it.each(['bytes=2000003-', 'bytes=99999999999-', 'bytes=-0'])('refuses the range %s', async (range) => {
  const node = await nodeWithChunk();
  const response = await node.request('GET', TARGET, { headers: { range } });
  expect(response.headers.get('content-range')).toBe(`bytes */${LENGTH}`);
  expect(await problemOf(response)).toEqual({ status: 416, code: 'range_not_satisfiable' });
});

it.each(['bytes=5-2', 'bytes=a-b', 'chunks=0-1', 'bytes=0-1,5-6', 'bytes=-', 'bytes 0-1', ''])(
  'ignores the range header "%s"',
  async (range) => {
    const node = await nodeWithChunk();
    const response = await node.request('GET', TARGET, { headers: { range } });
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(LENGTH);
  },
);

it('answers HEAD like GET, without the body', async () => {
  const node = await nodeWithChunk();
  using raw = new RawClient(node.port);
  raw.send(`HEAD ${signed('HEAD', TARGET)} HTTP/1.1`, 'host: x');
  const whole = await raw.response({ head: true });
  expect(whole).toMatchObject({ status: 200, headers: { 'content-length': String(LENGTH) } });
  raw.send(`HEAD ${signed('HEAD', TARGET)} HTTP/1.1`, 'host: x', 'range: bytes=5-9');
  const part = await raw.response({ head: true });
  expect(part).toMatchObject({ status: 206, headers: { 'content-length': '5' } });
  raw.send(`HEAD ${signed('HEAD', chunkTarget(1, idOf(9)))} HTTP/1.1`, 'host: x');
  expect((await raw.response({ head: true })).status).toBe(404);
  expect(raw.received.length).toBe(0);
});

it('knows nothing of chunks that were never stored or were deleted', async () => {
  const node = await nodeWithChunk();
  expect(await problemOf(await node.request('GET', chunkTarget(1, idOf(1))))).toEqual({
    status: 404,
    code: 'chunk_not_found',
  });
  expect((await node.request('DELETE', TARGET)).status).toBe(204);
  expect((await node.request('DELETE', TARGET)).status).toBe(204);
  expect((await node.request('GET', TARGET)).status).toBe(404);
});

it('reports damage before the first byte, or cuts the response', async () => {
  const repository = new MemoryVideoRepository({
    capacityBytes: 64 * 1024 * 1024,
    clock: { nowMs: () => 0 },
  });
  const node = await startTestNode({ repository });
  for (const id of [1, 2]) await repository.put({ position: 1, id: idOf(id), bytes: BYTES });

  repository.damage(1, idOf(1), 0);
  expect(await problemOf(await node.request('GET', chunkTarget(1, idOf(1))))).toEqual({
    status: 500,
    code: 'chunk_corrupt',
  });
  expect((await node.request('GET', chunkTarget(1, idOf(1)))).status).toBe(404);

  repository.damage(1, idOf(2), 1_500_000);
  using raw = new RawClient(node.port);
  raw.send(`GET ${signed('GET', chunkTarget(1, idOf(2)))} HTTP/1.1`, 'host: x');
  await raw.untilClosed();
  const bodyStart = raw.received.indexOf('\r\n\r\n') + 4;
  const body = raw.received.subarray(bodyStart);
  expect(raw.received.subarray(0, bodyStart).toString()).toContain(`content-length: ${LENGTH}`);
  expect(body.length).toBeLessThan(1_500_000);
  expect(body.equals(BYTES.subarray(0, body.length))).toBe(true);
  expect(repository.stats().quarantinedCount).toBe(2);
});

it('answers plain GETs as it answers all others', async () => {
  const node = await nodeWithChunk();
  const absent = chunkTarget(0xdeadbeef, idOf(2));
  const cases: [target: string, range?: string][] = [
    [signed('GET', TARGET)],
    [signed('GET', TARGET), 'bytes=70000-1999999'],
    [signed('GET', TARGET), 'bytes=-5'],
    [signed('GET', TARGET), 'bytes=2000003-'],
    [signed('GET', TARGET), 'bytes=1-0'],
    [signed('GET', absent)],
    [signed('GET', TARGET, -60)],
    [signed('HEAD', TARGET)],
    [signed('GET', '/chunks/deadbeef/..%2F..%2Fetc')],
    [TARGET],
  ];
  using plain = new RawClient(node.port);
  using other = new RawClient(node.port);
  for (const [target, range] of cases) {
    const lines = [`GET ${target} HTTP/1.1`, 'host: x', ...(range ? [`range: ${range}`] : [])];
    plain.send(...lines);
    other.send(...lines, 'x-request-id: the-other-way');
    const [given, expected] = [await plain.response(), await other.response()];
    const { date, 'x-request-id': requestId, 'keep-alive': _timeout, ...headers } = expected.headers;
    expect([given.status, given.headers]).toMatchObject([
      expected.status,
      { 'x-request-id': expect.any(String) },
    ]);
    const same = (text: Buffer, id: string) => text.toString('latin1').replace(id, '');
    expect(same(given.body, given.headers['x-request-id']!)).toBe(same(expected.body, requestId!));
    const { 'content-length': length, ...others } = headers;
    if (given.status < 300) expect(given.headers).toMatchObject({ ...others, 'content-length': length });
    else expect(given.headers).toMatchObject(others);
    expect(date).toBeDefined();
  }
});
