import { Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { RECIPE_GAP_BYTES_MAX } from '../../lib/worker-api/recipe.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import { Random } from '../rebalance/test-support/random.ts';
import { MemoryObjectStore } from '../videos/test-support/memory-objects.ts';
import { MemoryReading } from './memory-reading.ts';
import { groupsOf, isSolid } from './source-groups.ts';
import { manifestOf, noise, randomRanges } from './test-support/made-renditions.ts';
import { openVirtual } from './virtual-reading.ts';

const SOURCE_BYTES = 3_000_000;
const SOURCE = noise(SOURCE_BYTES);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

function stored() {
  const store = new MemoryObjectStore();
  const source = manifestOf(SOURCE_BYTES, [1_000_000, 1_000_001]);
  let start = 0;
  for (const { id, length } of source.chunks) {
    store.chunks.set(id, SOURCE.subarray(start, start + length));
    start += length;
  }
  return { store, source };
}

class Collector extends Writable {
  readonly pieces: Buffer[] = [];
  readonly #slow: boolean;
  constructor(slow = false) {
    super({ highWaterMark: 1 });
    this.#slow = slow;
  }
  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    // The memory of a piece may be used for another one once it was taken.
    this.pieces.push(Buffer.from(piece));
    if (this.#slow) setImmediate(done);
    else done();
  }
  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }
}

describe(`segments made of a source, seed ${SEED}`, () => {
  const seeded = new Random(SEED);
  const random = () => seeded.next();

  test('are the header and the ranges, and any part of that', async () => {
    const { store, source } = stored();
    for (let round = 0; round < 60; round++) {
      const header = noise(Math.floor(random() * 3000));
      const ranges = randomRanges(SOURCE_BYTES, 1 + Math.floor(random() * 30), random);
      const whole = Buffer.concat([
        header,
        ...ranges.map(({ offset, length }) => SOURCE.subarray(offset, offset + length)),
      ]);
      const first = random() < 0.3 ? 0 : Math.floor(random() * whole.length);
      const last = random() < 0.3 ? whole.length - 1 : first + Math.floor(random() * (whole.length - first));
      const { signal } = new AbortController();
      const reading = await openVirtual(store, { recipe: { header, ranges }, source }, first, last, signal);
      const sink = new Collector(random() < 0.5);
      await reading.sendTo(sink, signal);
      expect(sink.bytes.equals(whole.subarray(first, last + 1))).toBe(true);
    }
    expect(store.openReadings).toBe(0);
  });

  test('close neighbours are one reading, whose gaps are dropped; far ones are not read in between', () => {
    for (let round = 0; round < 200; round++) {
      const ranges = randomRanges(SOURCE_BYTES, 1 + Math.floor(random() * 40), random);
      const total = ranges.reduce((sum, { length }) => sum + length, 0);
      const skip = Math.floor(random() * total);
      const length = Math.floor(random() * (total - skip + 1));
      const groups = groupsOf(ranges, skip, length);
      expect(groups.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(length);
      for (const group of groups) {
        let at = group.first;
        for (const range of group.ranges) {
          expect(range.offset - at).toBeGreaterThanOrEqual(0);
          expect(range.offset - at).toBeLessThanOrEqual(RECIPE_GAP_BYTES_MAX);
          at = range.offset + range.length;
        }
        expect(at).toBe(group.last + 1);
        expect(isSolid(group)).toBe(group.ranges.length === 1);
      }
    }
  });
});

test('a client that goes away ends the readings that are open and those that were asked for', async () => {
  const { store, source } = stored();
  const gone = new AbortController();
  const ranges = [0, 1, 2, 3].map((index) => ({ offset: index * 500_000, length: 100_000 }));
  store.onRead = (count) => {
    if (count === 2) gone.abort(new Error('the client has gone'));
  };
  const recipe = { header: noise(10), ranges };
  const reading = await openVirtual(store, { recipe, source }, 0, 400_009, gone.signal);
  await expect(reading.sendTo(new Collector(true), gone.signal)).rejects.toThrow('the client has gone');
  await expect.poll(() => store.openReadings).toBe(0);
  expect(store.reads).toBeLessThanOrEqual(2);
});

test('bytes in memory are sent once a slow client has taken them, and not at all when it goes away', async () => {
  let take: () => void = () => {};
  const held = new Writable({
    highWaterMark: 1,
    write: (_piece, _encoding, done) => {
      take = done;
    },
  });
  const { signal } = new AbortController();
  let isSent = false;
  const sending = new MemoryReading(noise(9)).sendTo(held, signal).then(() => {
    isSent = true;
  });
  await new Promise(setImmediate);
  expect(isSent).toBe(false);
  take();
  await sending;
  const gone = new AbortController();
  const stuck = new MemoryReading(noise(9)).sendTo(new Writable({ write: () => {} }), gone.signal);
  gone.abort(new Error('the client has gone'));
  await expect(stuck).rejects.toThrow('the client has gone');
});

test('a reading that is not sent is given back', async () => {
  const { store, source } = stored();
  const { signal } = new AbortController();
  const recipe = { header: noise(10), ranges: [{ offset: 5, length: 5 }] };
  (await openVirtual(store, { recipe, source }, 0, 14, signal)).cancel();
  expect(store.openReadings).toBe(0);
});

test('bytes that cannot be had, and a sink that fails, are errors and not the end of the process', async () => {
  const { store, source } = stored();
  const { signal } = new AbortController();
  const gap = {
    header: noise(1),
    ranges: [
      { offset: 0, length: 9 },
      { offset: 99, length: 9 },
    ],
  };
  store.sendFailure = { afterBytes: 50, error: new Error('the node died') };
  const reading = await openVirtual(store, { recipe: gap, source }, 0, 18, signal);
  await expect(reading.sendTo(new Collector(), signal)).rejects.toThrow('the node died');
  const failing = new Writable({ write: (_piece, _encoding, done) => done(new Error('the socket broke')) });
  failing.on('error', () => {});
  const other = await openVirtual(
    store satisfies Pick<ObjectStore, 'read'>,
    { recipe: gap, source },
    0,
    18,
    signal,
  );
  await expect(other.sendTo(failing, signal)).rejects.toThrow();
  expect(store.openReadings).toBe(0);
});
