import { expect, test } from 'vitest';
import { Refused } from './coordinator-client.ts';
import { HttpSource } from './http-source.ts';
import { READ_AHEAD_BYTES, READ_CACHE_BYTES } from './limits.ts';

const SIZE = 3 * READ_CACHE_BYTES + 12_345;

/** Byte `n` is the same wherever it is read. */
function byteAt(offset: number): number {
  return (offset * 31 + (offset >> 8)) & 255;
}

function setUp(fail: (attempt: number) => Error | undefined = () => undefined) {
  const asked: [number, number][] = [];
  let attempts = 0;
  const client = {
    read: async (_url: string, first: number, last: number) => {
      attempts += 1;
      const error = fail(attempts);
      if (error !== undefined) throw error;
      asked.push([first, last]);
      return Uint8Array.from({ length: last - first + 1 }, (_, index) => byteAt(first + index));
    },
  };
  const abort = new AbortController();
  const source = new HttpSource({ client, sizeBytes: SIZE, url: () => '/source', signal: abort.signal });
  const check = async (offset: number, length: number) => {
    const bytes = await source.read(offset, length);
    expect(bytes.length).toBe(Math.max(0, Math.min(length, SIZE - offset)));
    for (const place of [0, 1, bytes.length >> 1, bytes.length - 1]) {
      if (place >= 0 && place < bytes.length) expect(bytes[place]).toBe(byteAt(offset + place));
    }
  };
  return { source, asked, abort, check };
}

test('reads what is there, from anywhere, to the end and beyond', async () => {
  const { check } = setUp();
  for (const [offset, length] of [
    [0, 10],
    [5, 100_000],
    [SIZE - 5, 100],
    [SIZE, 10],
    [READ_AHEAD_BYTES - 3, 2 * READ_AHEAD_BYTES + 7],
  ] as const) {
    await check(offset, length);
  }
});

test('who reads on gets larger ranges, and those ahead of time', async () => {
  const { check, asked } = setUp();
  for (let offset = 0; offset < 4 * READ_AHEAD_BYTES; offset += 32_768) await check(offset, 32_768);
  expect(asked.length).toBeLessThan(8);
  // Two places by turns are no worse.
  const before = asked.length;
  for (let step = 0; step < 64; step++) {
    await check(5 * READ_AHEAD_BYTES + step * 65_536, 65_536);
    await check(12 * READ_AHEAD_BYTES + step * 65_536, 65_536);
  }
  expect(asked.length - before).toBeLessThan(10);
});

test('tries again, and says when it is of no use', async () => {
  const passing = setUp((attempt) => (attempt < 3 ? new Error('connection reset') : undefined));
  await passing.check(0, 10);
  const gone = setUp(() => new Refused(404, { code: 'video_not_found' }));
  await expect(gone.source.read(0, 10)).rejects.toThrow('video_not_found');
  // An address that has expired is replaced by a heartbeat.
  const expired = setUp((attempt) => (attempt < 2 ? new Refused(401, { code: 'unauthorized' }) : undefined));
  await expired.check(0, 10);
  const aborted = setUp(() => new Error('connection reset'));
  const reading = aborted.source.read(0, 10);
  aborted.abort.abort(new Error('not wanted any more'));
  await expect(reading).rejects.toThrow();
});
