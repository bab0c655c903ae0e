import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import {
  type ChunkEntryLine,
  chunkEntrySchema,
  type PullProgress,
  pullProgressSchema,
  rangeDigestSchema,
} from '../../lib/node-api/schema.ts';
import {
  chunkTarget,
  formatChecksum,
  formatPosition,
  RANGE_DIGESTS_TARGET,
  rangeTarget,
} from '../../lib/node-api/targets.ts';
import { EMPTY_REPOSITORY_BYTES, storedBytes } from '../repository/capacity.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import { serveWith, until } from '../test-support/byte-server.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import { problemOf, startTestNode, type TestNode } from '../test-support/running-node.ts';

const LENGTH = 50_000;
const ALL = rangeTarget(0, 0xffff_ffff);

/** Chunks at positions 100, 200, 300 and so on. */
async function fill(node: TestNode, from: number, to: number): Promise<void> {
  for (let number = from; number <= to; number++) {
    await node.repository.put({ position: number * 100, id: idOf(number), bytes: bytesOf(number, LENGTH) });
  }
}

function digestOf(node: TestNode) {
  return node.repository.digest(0, 0xffff_ffff);
}

/** Pulls to the end; returns every line of progress. */
async function pull(node: TestNode, target: string, request: object): Promise<PullProgress[]> {
  const response = await node.request('POST', `${target}/pull`, { body: JSON.stringify(request) });
  expect(response.status).toBe(200);
  const lines = (await response.text()).trimEnd().split('\n');
  return lines.map((line) => pullProgressSchema.parse(JSON.parse(line)));
}

it('lists a range as lines, page by page', async () => {
  const node = await startTestNode();
  await fill(node, 1, 25);
  const seen: ChunkEntryLine[] = [];
  let after: string | null = null;
  do {
    const query: string = after === null ? '?limit=10' : `?limit=10&after=${after}`;
    const response: Response = await node.request('GET', rangeTarget(200, 2400) + query);
    const lines = (await response.text()).trimEnd().split('\n');
    seen.push(...lines.map((line) => chunkEntrySchema.parse(JSON.parse(line))));
    after = response.headers.get('x-next-cursor');
  } while (after !== null);
  expect(seen.map(({ id }) => id)).toEqual(Array.from({ length: 23 }, (_, index) => idOf(index + 2)));
  expect(seen[0]).toMatchObject({
    position: '000000c8',
    length: LENGTH,
    checksum: formatChecksum(checksumOf(bytesOf(2, LENGTH))),
  });
  const empty = await node.request('GET', rangeTarget(1, 2));
  expect([empty.status, await empty.text()]).toEqual([200, '']);
});

it('digests and drops a range', async () => {
  const node = await startTestNode();
  await fill(node, 1, 9);
  const target = rangeTarget(300, 599);
  const digest = await node.request('GET', `${target}?digest=1`);
  expect(await digest.json()).toMatchObject({ count: 3, bytes: 3 * LENGTH });
  const dropped = await node.request('DELETE', target);
  expect(await dropped.json()).toEqual({ deleted: 3, bytes: 3 * LENGTH });
  expect(await (await node.request('DELETE', target)).json()).toEqual({ deleted: 0, bytes: 0 });
  expect(node.repository.stats().chunkCount).toBe(6);
});

it('digests many ranges at once, in the order of the question', async () => {
  const node = await startTestNode();
  await fill(node, 1, 9);
  const ranges = [
    [300, 599],
    [0, 99],
    [100, 0xffff_ffff],
    [300, 599],
  ] as const;
  const ask = (names: readonly unknown[]) =>
    node.request('POST', RANGE_DIGESTS_TARGET, { body: JSON.stringify({ ranges: names }) });
  const names = ranges.map(([first, last]) => `${formatPosition(first)}-${formatPosition(last)}`);
  const expected = await Promise.all(ranges.map(([first, last]) => node.repository.digest(first, last)));
  expect(await (await ask(names)).json()).toEqual({ digests: expected });
  expect(expected.map(({ count }) => count)).toEqual([3, 0, 9, 3]);
  const malformed = [
    [],
    ['00000000-100000000'],
    ['00000009-00000008'],
    [1],
    [`${names[0]}/../x`],
    Array(257).fill(names[0]),
  ];
  for (const wrong of malformed) {
    expect(await problemOf(await ask(wrong))).toEqual({ status: 400, code: 'invalid_request' });
  }
});

it('says nothing of a range from the midst of its drop', async () => {
  const node = await startTestNode();
  await fill(node, 1, 9);
  const reached = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const drop = node.repository.drop.bind(node.repository);
  // The node stands still after it has begun.
  node.repository.drop = async (...parameters) => {
    reached.resolve();
    await goOn.promise;
    return drop(...parameters);
  };
  const target = rangeTarget(300, 599);
  const dropped = node.request('DELETE', target);
  await reached.promise;
  let isDropped = false;
  const look = async (method: 'GET' | 'POST', path: string, body?: object) => {
    const response = await node.request(method, path, body && { body: JSON.stringify(body) });
    expect(isDropped).toBe(true);
    return response;
  };
  const digest = look('GET', `${target}?digest=1`);
  const listing = look('GET', rangeTarget(500, 900));
  const digests = look('POST', RANGE_DIGESTS_TARGET, { ranges: ['00000000-ffffffff'] });
  expect((await node.request('GET', `${rangeTarget(600, 900)}?digest=1`)).status).toBe(200);
  isDropped = true;
  goOn.resolve();
  expect((await dropped).status).toBe(200);
  expect(await (await digest).json()).toMatchObject({ count: 0 });
  expect((await (await listing).text()).trimEnd().split('\n')).toHaveLength(4);
  expect(await (await digests).json()).toMatchObject({ digests: [{ count: 6 }] });
});

it('drops a range only if it still has the digest it was given', async () => {
  const node = await startTestNode();
  await fill(node, 1, 9);
  const target = rangeTarget(300, 599);
  const digestOfTarget = async () =>
    rangeDigestSchema.parse(await (await node.request('GET', `${target}?digest=1`)).json());
  const seen = await digestOfTarget();
  await node.repository.put({ position: 301, id: idOf(100), bytes: bytesOf(100, LENGTH) });
  const refused = await node.request('DELETE', `${target}?digest=${seen.digest}`);
  const now = await digestOfTarget();
  expect(await refused.json()).toMatchObject({ status: 409, code: 'digest_mismatch', ...now });
  expect(node.repository.stats().chunkCount).toBe(10);
  const dropped = await node.request('DELETE', `${target}?digest=${now.digest}`);
  expect(await dropped.json()).toEqual({ deleted: 4, bytes: 4 * LENGTH });
  for (const digest of ['', '1', now.digest.toUpperCase(), `${now.digest}0`]) {
    const malformed = await node.request('DELETE', `${target}?digest=${digest}`);
    expect(await problemOf(malformed)).toEqual({ status: 400, code: 'invalid_request' });
  }
  expect(node.repository.stats().chunkCount).toBe(6);
});

it.each([
  '/ranges/00000009-00000008',
  '/ranges/0-ffffffff',
  '/ranges/00000000-100000000',
  '/ranges/00000000_00000001',
  '/ranges/00000000-0000000G',
  '/ranges/FFFFFFFF-FFFFFFFF',
  '/ranges/-1-00000001',
  '/ranges/00000000-00000001?limit=0',
  '/ranges/00000000-00000001?limit=10001',
  '/ranges/00000000-00000001?limit=1e3',
  '/ranges/00000000-00000001?after=..%2f..',
  '/ranges/00000000-00000001?after=00000000',
  '/ranges/00000000-00000001?digest=yes',
])('refuses %s', async (target) => {
  const node = await startTestNode();
  expect(await problemOf(await node.request('GET', target))).toEqual({
    status: 400,
    code: 'invalid_request',
  });
});

it('copies a range from another node, once', async () => {
  const [source, node] = [await startTestNode(), await startTestNode()];
  await fill(source, 1, 30);
  await fill(node, 5, 7);
  const lines = await pull(node, rangeTarget(100, 2500), { source: source.url, concurrency: 4 });
  const nothingFailed = { failed: 0, failedChunks: [] };
  expect(lines[0]).toEqual({ copied: 0, copiedBytes: 0, present: 0, ...nothingFailed, cursor: null });
  expect(lines.at(-1)).toEqual({
    copied: 22,
    copiedBytes: 22 * LENGTH,
    present: 3,
    ...nothingFailed,
    cursor: `${formatPosition(2500)}-${idOf(25)}`,
    done: true,
  });
  expect(await node.repository.digest(100, 2500)).toEqual(await source.repository.digest(100, 2500));
  expect(node.repository.stats().chunkCount).toBe(25);
  const again = await pull(node, rangeTarget(100, 2500), { source: source.url });
  expect(again.at(-1)).toMatchObject({ copied: 0, present: 25, done: true });
});

it('goes on where a pull stopped because the source failed', async () => {
  const [source, node] = [await startTestNode(), await startTestNode()];
  await fill(source, 1, 20);
  let served = 0;
  // Stands in front of the source and dies after a dozen answers.
  const failing = await serveWith(async (request, response) => {
    if (++served > 12) {
      response.destroy();
      return;
    }
    const answer = await fetch(source.url + request.url);
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { 'content-length': body.length }).end(body);
  });
  const failed = (await pull(node, ALL, { source: failing, concurrency: 3 })).at(-1)!;
  expect(failed).toMatchObject({ error: { code: 'source_failed' } });
  // Everything up to the cursor is here; what is behind it may be.
  const upTo = Number.parseInt(failed.cursor!.slice(0, 8), 16);
  expect(await node.repository.digest(0, upTo)).toEqual(await source.repository.digest(0, upTo));

  const resumed = (await pull(node, ALL, { source: source.url, after: failed.cursor })).at(-1)!;
  expect(resumed).toMatchObject({ done: true });
  expect(resumed.copied + resumed.present).toBe(20 - upTo / 100);
  expect(await digestOf(node)).toEqual(await digestOf(source));
});

it('says so when there is no source, or one that is no storage node', async () => {
  const node = await startTestNode();
  const lastOf = async (source: string) => (await pull(node, ALL, { source })).at(-1);
  expect(await lastOf('http://127.0.0.1:1')).toMatchObject({
    error: { code: 'source_failed' },
    cursor: null,
  });
  const other = await serveWith((_request, response) =>
    response.writeHead(404, { 'content-length': 0 }).end(),
  );
  expect(await lastOf(other)).toMatchObject({ error: { code: 'source_failed' } });
  const chatter = await serveWith((_request, response) => response.end('hello\n'));
  expect(await lastOf(chatter)).toMatchObject({ error: { code: 'source_failed' } });
});

it('takes nothing from a source that lies about its chunks', async () => {
  const node = await startTestNode();
  const line = (number: number, changes = {}) =>
    `${JSON.stringify({
      position: formatPosition(number * 100),
      id: idOf(number),
      length: LENGTH,
      checksum: formatChecksum(checksumOf(bytesOf(number, LENGTH))),
      createdAt: 1,
      ...changes,
    })}\n`;
  const lie = async (listing: string, next?: string) => {
    const source = await serveWith((request, response) => {
      const body = request.url!.startsWith('/ranges/') ? Buffer.from(listing) : bytesOf(1, LENGTH);
      const cursor =
        next !== undefined && request.url!.startsWith('/ranges/') ? { 'x-next-cursor': next } : {};
      response.writeHead(200, { 'content-length': body.length, ...cursor }).end(body);
    });
    return (await pull(node, rangeTarget(0, 1000), { source, concurrency: 1 })).at(-1)!;
  };
  // Other bytes than listed: one may be damaged, but not chunk after chunk.
  expect(await lie(line(1) + line(2))).toMatchObject({
    copied: 1,
    failed: 1,
    failedChunks: [idOf(2)],
    cursor: `${formatPosition(200)}-${idOf(2)}`,
    done: true,
  });
  const lies = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => line(number)).join('');
  expect(await lie(lies)).toMatchObject({
    present: 1,
    error: { code: 'checksum_mismatch', detail: expect.stringContaining('chunk 0000') },
  });
  // Listings that would never end, that leave the range, or that are out of order.
  const cursor = `${formatPosition(100)}-${idOf(1)}`;
  expect(await lie(line(1), cursor)).toMatchObject({ present: 1, error: { code: 'source_failed' } });
  expect(await lie('', cursor)).toMatchObject({ error: { code: 'source_failed' } });
  expect(await lie(line(11))).toMatchObject({ error: { code: 'source_failed' } });
  expect(await lie(line(1) + line(1))).toMatchObject({ error: { code: 'source_failed' } });
  expect(await lie(line(3, { length: 2 ** 31 }))).toMatchObject({ error: { code: 'source_failed' } });
  expect(await lie(line(3, { id: '../../etc' }))).toMatchObject({ error: { code: 'source_failed' } });
  expect(node.repository.stats().chunkCount).toBe(1);
});

it('passes over a chunk that differs, and stops at the end of its capacity', async () => {
  const source = await startTestNode();
  await fill(source, 1, 5);
  const node = await startTestNode();
  await node.repository.put({ position: 300, id: idOf(3), bytes: bytesOf(99, LENGTH) });
  const differs = (await pull(node, ALL, { source: source.url, concurrency: 1 })).at(-1);
  expect(differs).toMatchObject({ copied: 4, failed: 1, failedChunks: [idOf(3)], done: true });

  const repository = new MemoryVideoRepository({
    capacityBytes: EMPTY_REPOSITORY_BYTES + 3 * storedBytes(LENGTH),
    clock: { nowMs: () => 0 },
  });
  const small = await startTestNode({ repository });
  const full = (await pull(small, ALL, { source: source.url, concurrency: 1 })).at(-1);
  expect(full).toMatchObject({ copied: 3, failed: 0, error: { code: 'insufficient_storage' } });
});

it('copies all but what the source finds damaged, and takes that from another one', async () => {
  const bytes = (number: number) => bytesOf(number, 1_200_000);
  const sources = [];
  for (let copy = 0; copy < 2; copy++) {
    const repository = new MemoryVideoRepository({ capacityBytes: 256 * 1024 * 1024, clock: systemClock });
    sources.push({ repository, node: await startTestNode({ repository }) });
    await fill(sources[copy]!.node, 1, 30);
    for (let number = 40; number < 44; number++) {
      await repository.put({ position: number * 100, id: idOf(number), bytes: bytes(number) });
    }
  }
  const [bad, good] = sources as [(typeof sources)[0], (typeof sources)[0]];
  // Damage that shows before the first byte is sent, and damage that cuts the connection later.
  for (const number of [3, 4, 5, 6, 7, 8]) bad.repository.damage(number * 100, idOf(number), 9);
  bad.repository.damage(4100, idOf(41), 1_150_000);
  const node = await startTestNode();
  const last = (await pull(node, ALL, { source: bad.node.url })).at(-1)!;
  expect(last).toMatchObject({
    copied: 27,
    failed: 7,
    done: true,
    cursor: `${formatPosition(4300)}-${idOf(43)}`,
  });
  expect(last.failedChunks.toSorted()).toEqual([3, 4, 5, 6, 7, 8, 41].map(idOf));
  const rest = (await pull(node, ALL, { source: good.node.url })).at(-1);
  expect(rest).toMatchObject({ copied: 7, present: 27, failed: 0, done: true });
  expect(await digestOf(node)).toEqual(await digestOf(good.node));
});

it('names twenty of the chunks that failed, and counts all', async () => {
  const repository = new MemoryVideoRepository({ capacityBytes: 256 * 1024 * 1024, clock: systemClock });
  const source = await startTestNode({ repository });
  await fill(source, 1, 30);
  for (let number = 1; number <= 25; number++) repository.damage(number * 100, idOf(number), 0);
  const last = (await pull(await startTestNode(), ALL, { source: source.url })).at(-1)!;
  expect(last).toMatchObject({ copied: 5, failed: 25, done: true });
  expect(last.failedChunks).toHaveLength(20);
});

it('gives up on a source that stalls', async () => {
  const source = await startTestNode();
  await fill(source, 1, 5);
  const stalling = await serveWith(async (request, response) => {
    if (request.url!.startsWith(chunkTarget(300, idOf(3)))) return;
    const answer = await fetch(source.url + request.url);
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { 'content-length': body.length }).end(body);
  });
  const node = await startTestNode({ sourceIdleTimeoutMs: 1000 });
  const last = (await pull(node, ALL, { source: stalling })).at(-1)!;
  expect(last).toMatchObject({ error: { code: 'source_stalled', detail: expect.stringContaining(idOf(3)) } });
  expect(last.cursor).toBe(`${formatPosition(200)}-${idOf(2)}`);
});

it('passes over what the source deleted in the meantime', async () => {
  const [source, node] = [await startTestNode(), await startTestNode()];
  await fill(source, 1, 5);
  const deleting = await serveWith(async (request, response) => {
    const gone = request.url!.startsWith(chunkTarget(300, idOf(3)));
    const answer = gone ? new Response('', { status: 404 }) : await fetch(source.url + request.url);
    const body = Buffer.from(await answer.arrayBuffer());
    response.writeHead(answer.status, { 'content-length': body.length }).end(body);
  });
  const last = (await pull(node, ALL, { source: deleting })).at(-1);
  expect(last).toMatchObject({ copied: 4, present: 0, done: true });
});

it('reports progress every second, at the speed it was told to keep to', async () => {
  const [source, node] = [await startTestNode(), await startTestNode()];
  await fill(source, 1, 11);
  const started = performance.now();
  const lines = await pull(node, ALL, { source: source.url, bytesPerSecond: LENGTH * 5, concurrency: 3 });
  const elapsedS = (performance.now() - started) / 1000;
  expect(lines.at(-1)).toMatchObject({ copied: 11, done: true });
  // The first chunk goes at once, ten more at five a second.
  expect(elapsedS).toBeGreaterThan(1.95);
  expect(lines.length).toBeGreaterThanOrEqual(3);
  expect(lines[1]!.copied).toBeGreaterThan(0);
  expect(lines[1]!.copied).toBeLessThan(11);
});

it('stops when the client hangs up, and when the node stops', async () => {
  const source = await startTestNode();
  await fill(source, 1, 5);
  let fetching = 0;
  const hanging = await serveWith(async (request, response) => {
    if (request.url!.startsWith('/chunks/')) {
      fetching++;
      response.on('close', () => fetching--);
      return;
    }
    response.end(Buffer.from(await (await fetch(source.url + request.url)).arrayBuffer()));
  });
  const body = JSON.stringify({ source: hanging });

  const leaving = await startTestNode();
  const abort = new AbortController();
  await leaving.request('POST', `${ALL}/pull`, { body, signal: abort.signal });
  await until(() => fetching === 5);
  abort.abort();
  await until(() => fetching === 0);

  const stopping = await startTestNode();
  const pulling = pull(stopping, ALL, { source: hanging });
  await until(() => fetching === 5);
  stopping.stop();
  expect((await pulling).at(-1)).toMatchObject({ error: { code: 'server_stopping' } });
  await until(() => fetching === 0);
});

it.each([
  { source: 'ftp://x' },
  { source: 'http://x', concurrency: 17 },
  { source: 'http://x', after: '../..' },
  { source: 'http://x', bytesPerSecond: 0 },
  { source: 'http://x', surprise: 1 },
])('refuses the pull %j', async (request) => {
  const node = await startTestNode();
  const response = await node.request('POST', `${ALL}/pull`, { body: JSON.stringify(request) });
  expect(await problemOf(response)).toEqual({ status: 400, code: 'invalid_request' });
});
