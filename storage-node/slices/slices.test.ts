import { expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../lib/bytes/checksum.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import { chunkTarget, formatChecksum, sliceTarget } from '../../lib/node-api/targets.ts';
import { LARGE_PIECE_SLICES_MAX, SLICES_MAX } from '../limits.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import type { ChunkReading, VideoRepository } from '../repository/video-repository.ts';
import { until } from '../test-support/byte-server.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import {
  problemOf,
  signed,
  startTestNode,
  type TestNode,
  type TestNodeOptions,
} from '../test-support/running-node.ts';

const LENGTH = 3_000_017;
const BYTES = bytesOf(1, LENGTH);
const POSITION = 0xcafe;
const [FIRST, LAST] = [100_001, 1_700_000];
const SLICE = BYTES.subarray(FIRST, LAST + 1);

async function startWithChunk(options: TestNodeOptions = {}): Promise<TestNode> {
  const node = await startTestNode(options);
  const stored = await node.request('PUT', chunkTarget(POSITION, idOf(1)), {
    body: new Uint8Array(BYTES),
    headers: { 'x-chunk-checksum': formatChecksum(checksumOf(BYTES)) },
  });
  expect(stored.status).toBe(201);
  return node;
}

const targetOf = (slice = { first: FIRST, last: LAST }, id = idOf(1)) => sliceTarget(POSITION, id, slice);
const urlOf = (node: TestNode, target = targetOf(), expiresInS = 60) =>
  node.url + signed('GET', target, expiresInS);

it('a slice of a chunk is sent as a file that never changes, to scripts of every origin', async () => {
  const node = await startWithChunk();
  const response = await fetch(urlOf(node), { headers: { origin: 'https://player.example' } });
  expect(response.status).toBe(200);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    ...{ 'content-type': 'video/mp4', 'content-length': String(SLICE.length), 'accept-ranges': 'bytes' },
    ...{ 'cache-control': 'private, max-age=31536000, immutable, no-transform' },
    ...{ 'access-control-allow-origin': '*', 'x-content-type-options': 'nosniff' },
  });
  expect(Buffer.from(await response.arrayBuffer()).equals(SLICE)).toBe(true);
  const etag = response.headers.get('etag')!;
  expect((await fetch(urlOf(node), { headers: { 'if-none-match': etag } })).status).toBe(304);
  const head = await fetch(urlOf(node), { method: 'HEAD' });
  expect([head.status, head.headers.get('content-length')]).toEqual([200, String(SLICE.length)]);
  expect(head.headers.get('etag')).toBe(etag);
});

it('ranges count from the beginning of the slice, and never reach beyond it', async () => {
  const node = await startWithChunk();
  const ask = async (headers: Record<string, string>) => {
    const response = await fetch(urlOf(node), { headers });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, range: response.headers.get('content-range'), bytes };
  };
  const all = SLICE.length;
  const part = await ask({ range: 'bytes=10-19' });
  expect([part.status, part.range]).toEqual([206, `bytes 10-19/${all}`]);
  expect(part.bytes.equals(SLICE.subarray(10, 20))).toBe(true);
  const end = await ask({ range: `bytes=${all - 5}-99999999` });
  expect(end.bytes.equals(SLICE.subarray(all - 5))).toBe(true);
  expect((await ask({ range: 'bytes=-7' })).bytes.equals(SLICE.subarray(all - 7))).toBe(true);
  expect([(await ask({ range: `bytes=${all}-` })).status]).toEqual([416]);
  expect((await ask({ range: 'bytes=0-1', 'if-range': '"other"' })).bytes.length).toBe(all);
});

it('an address that is altered, expired, or made for something else opens nothing', async () => {
  const node = await startWithChunk();
  const good = urlOf(node);
  const wider = good.replace(`${FIRST}-${LAST}`, `0-${LAST}`);
  const codes = async (url: string, method = 'GET') => (await problemOf(await fetch(url, { method }))).code;
  expect(await codes(wider)).toBe('signature_invalid');
  expect(await codes(good.replace(idOf(1), idOf(2)))).toBe('signature_invalid');
  expect(await codes(urlOf(node, targetOf(), -1))).toBe('signature_expired');
  expect(await codes(`${node.url}${targetOf()}?x=1`)).toBe('signature_missing');
  // A coordinator's own requests are no addresses for clients, and the other way round.
  expect(await codes(node.url + signed('PUT', targetOf()))).toBe('signature_invalid');
  expect(await codes(good, 'DELETE')).toMatch(/signature_invalid/);
  expect(await codes(urlOf(node, targetOf({ first: FIRST, last: LENGTH })))).toBe('chunk_not_found');
  expect(await codes(urlOf(node, targetOf({ first: LAST, last: FIRST })))).toBe('chunk_not_found');
  const absent = await fetch(urlOf(node, targetOf({ first: 0, last: 9 }, idOf(2))));
  expect(await problemOf(absent)).toEqual({ status: 404, code: 'chunk_not_found' });
  expect(absent.headers.get('access-control-allow-origin')).toBe('*');
});

it('browsers that ask beforehand are told that they may', async () => {
  const node = await startWithChunk();
  const { status, headers } = await fetch(urlOf(node), {
    method: 'OPTIONS',
    headers: {
      origin: 'null',
      'access-control-request-method': 'GET',
      'access-control-request-headers': 'range',
    },
  });
  expect(status).toBe(204);
  expect(headers.get('access-control-allow-origin')).toBe('*');
  expect(headers.get('access-control-allow-headers')).toContain('Range');
});

it('slow clients are served up to a limit, and when they are many, in pieces of a block', async () => {
  const memory = new MemoryVideoRepository({ capacityBytes: 2 ** 28, clock: systemClock });
  const gate = Promise.withResolvers<void>();
  const read: (readonly [number, number])[] = [];
  const open: VideoRepository['open'] = async (position, id) => {
    const reading = await memory.open(position, id);
    if (reading === undefined) return undefined;
    const send: ChunkReading['send'] = async (first, last, sink) => {
      read.push([first, last]);
      await gate.promise;
      await reading.send(first, last, sink);
    };
    return { entry: reading.entry, send };
  };
  const repository = new Proxy(memory, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (name === 'open') return open;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const node = await startWithChunk({ repository });
  const answers: Promise<Buffer>[] = [];
  for (let index = 0; index < SLICES_MAX; index++) {
    answers.push(fetch(urlOf(node)).then(async (response) => Buffer.from(await response.arrayBuffer())));
    await until(() => read.length === index + 1);
  }
  const refused = await fetch(urlOf(node));
  expect(await problemOf(refused)).toEqual({ status: 503, code: 'too_busy' });
  expect(refused.headers.get('access-control-allow-origin')).toBe('*');
  const large = read.filter(([, last]) => last === LAST);
  expect(large).toHaveLength(LARGE_PIECE_SLICES_MAX);
  const endOfBlock = Math.ceil(FIRST / BLOCK_BYTES) * BLOCK_BYTES - 1;
  expect(read.slice(LARGE_PIECE_SLICES_MAX).every(([, last]) => last === endOfBlock)).toBe(true);
  gate.resolve();
  for (const answer of answers) expect((await answer).equals(SLICE)).toBe(true);
  expect((await fetch(urlOf(node))).status).toBe(200);
});
