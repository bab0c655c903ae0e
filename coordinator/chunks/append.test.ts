import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { createLogger } from '../../lib/logging/logger.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { ChunkOutbox } from './chunk-outbox.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { AppendOptions } from './object-store.ts';
import { readBytes } from './read-bytes.ts';
import { RingObjectStore } from './ring-object-store.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { PAGE_BYTES, WriteBuffers } from './write-buffers.ts';

const PATIENT = { timeout: 20_000, interval: 20 };
const OBJECT_ID = '0192d3c4-0000-7000-8000-000000000002';

/** An object that is written piece by piece, and what is noted of it. */
async function open(pages = 8) {
  const nodes = new FakeNodes(3);
  const clock = systemClock;
  const buffers = new WriteBuffers({ clock, totalBytes: pages * PAGE_BYTES, slowAfterMs: 20 });
  const outbox = await ChunkOutbox.open({
    host: '127.0.0.1',
    port: 0,
    advertiseHost: '127.0.0.1',
    createToken: () => randomBytes(16).toString('hex'),
  });
  const store = new RingObjectStore({
    ...{ clock, placement: nodes, client: nodes, buffers, outbox, randomBytes, chunksInFlight: 2 },
    logger: createLogger({ name: 'test', level: 'silent' }),
    garbage: { add: () => {} },
    writer: new ChunkWriter({
      clock,
      placement: nodes,
      client: nodes,
      copyTimeoutMs: 2000,
      stragglerTimeoutMs: 50,
    }),
    reader: new ChunkReader({
      clock,
      receiverPauseMs: 50,
      placement: nodes,
      client: nodes,
      stallTimeoutMs: 1000,
      maxRounds: 2,
    }),
    chunkBytes: 2 * PAGE_BYTES,
    sourceIdleTimeoutMs: 5000,
  });
  const chunks: ChunkRef[] = [];
  const hash = createHash('sha256');
  const append = (source: Readable, options: Partial<AppendOptions> = {}) => {
    let place = options.firstIndex ?? chunks.length;
    return store.append(OBJECT_ID, source, {
      firstIndex: place,
      hash,
      limitBytes: 1e9,
      signal: new AbortController().signal,
      flushMaxMs: 2000,
      persist: async (added) => {
        chunks.splice(place, added.length, ...added);
        place += added.length;
      },
      ...options,
    });
  };
  const content = () => {
    const size = chunks.reduce((sum, { length }) => sum + length, 0);
    return readBytes(
      store,
      { objectId: OBJECT_ID, size, chunks },
      { first: 0, last: size - 1 },
      new AbortController().signal,
    );
  };
  const storedCount = () => new Set([...nodes.stored.values()].flatMap((of) => [...of.keys()])).size;
  return {
    nodes,
    buffers,
    chunks,
    hash,
    append,
    content,
    storedCount,
    [Symbol.asyncDispose]: () => outbox[Symbol.asyncDispose](),
  };
}

it('keeps what came of a source that breaks off as a shorter chunk', async () => {
  await using object = await open();
  const bytes = randomBytes(3 * PAGE_BYTES + 500);
  const source = new PassThrough({ highWaterMark: bytes.length });
  source.write(bytes);
  const appending = object.append(source);
  await expect.poll(() => object.chunks.length, PATIENT).toBe(1);
  source.destroy();
  const { bytes: kept, interrupted } = await appending;
  expect(interrupted).toMatchObject({ code: 'incomplete_body' });
  expect(kept).toBe(bytes.length);
  const rest = randomBytes(2 * PAGE_BYTES);
  expect(await object.append(Readable.from([rest]))).toEqual({ bytes: rest.length, interrupted: undefined });
  const all = Buffer.concat([bytes, rest]);
  expect((await object.content()).equals(all)).toBe(true);
  expect(object.hash.digest('hex')).toBe(createHash('sha256').update(all).digest('hex'));
  expect(object.buffers.freePages).toBe(8);
});

it('makes one chunk of a short end and what follows, and hashes what follows alone', async () => {
  await using object = await open();
  const [end, more] = [randomBytes(1000), randomBytes(2 * PAGE_BYTES)];
  await object.append(Readable.from([end]));
  await object.append(Readable.from([more]), { firstIndex: 0, prefix: end });
  expect(object.chunks.map(({ length }) => length)).toEqual([2 * PAGE_BYTES, 1000]);
  expect((await object.content()).equals(Buffer.concat([end, more]))).toBe(true);
  expect(object.hash.digest('hex')).toBe(createHash('sha256').update(end).update(more).digest('hex'));
});

it('leaves a short end alone when nothing follows', async () => {
  await using object = await open();
  const end = randomBytes(1000);
  await object.append(Readable.from([end]));
  const [before] = object.chunks;
  const source = new PassThrough();
  source.destroy();
  expect(await object.append(source, { firstIndex: 0, prefix: end })).toMatchObject({ bytes: 0 });
  expect(await object.append(Readable.from([]), { firstIndex: 0, prefix: end })).toMatchObject({ bytes: 0 });
  expect(object.chunks).toEqual([before]);
  await expect.poll(object.storedCount, PATIENT).toBe(1);
});

it('keeps nothing of a source that is not what it should be, or breaks off before that can be told', async () => {
  await using object = await open();
  const wrong = new Error('another checksum');
  const verify = () => {
    throw wrong;
  };
  await expect(object.append(Readable.from([randomBytes(5 * PAGE_BYTES)]), { verify })).rejects.toBe(wrong);
  const source = new PassThrough({ highWaterMark: 5 * PAGE_BYTES });
  source.write(randomBytes(5 * PAGE_BYTES));
  const appending = object.append(source, { verify: () => {} });
  await expect.poll(object.storedCount, PATIENT).toBeGreaterThan(0);
  source.destroy();
  await expect(appending).rejects.toMatchObject({ code: 'incomplete_body' });
  expect(object.chunks).toEqual([]);
  await expect.poll(object.storedCount, PATIENT).toBe(0);
});

it('keeps what was noted before the nodes failed, and nothing behind it', async () => {
  await using object = await open();
  const bytes = randomBytes(2 * PAGE_BYTES);
  const source = new PassThrough({ highWaterMark: 8 * PAGE_BYTES });
  source.write(bytes);
  const appending = object.append(source);
  await expect.poll(() => object.chunks.length, PATIENT).toBe(1);
  for (const id of ['n1', 'n2']) object.nodes.faults.set(id, 'dead');
  source.end(randomBytes(3 * PAGE_BYTES));
  await expect(appending).rejects.toMatchObject({ code: 'write_quorum_unavailable' });
  object.nodes.faults.clear();
  expect((await object.content()).equals(bytes)).toBe(true);
  await expect.poll(object.storedCount, PATIENT).toBe(1);
});

it('gives up what nodes do not take in time once the source has broken off', async () => {
  await using object = await open();
  const source = new PassThrough();
  source.write(randomBytes(1000));
  for (const id of ['n0', 'n1', 'n2']) object.nodes.faults.set(id, 'hang');
  const appending = object.append(source, { flushMaxMs: 50 });
  source.destroy();
  await expect(appending).rejects.toMatchObject({ code: 'incomplete_body' });
  expect(object.chunks).toEqual([]);
});

it('notes nothing that is not admitted', async () => {
  await using object = await open();
  const admit = async (sizeBytes: number) => {
    if (sizeBytes > 2 * PAGE_BYTES) throw new Error('enough');
  };
  await expect(object.append(Readable.from([randomBytes(5 * PAGE_BYTES)]), { admit })).rejects.toThrow(
    'enough',
  );
  expect(object.chunks.length).toBeLessThanOrEqual(1);
});

it('lets many appends finish with little memory, each with every byte', async () => {
  const objects = await Promise.all(Array.from({ length: 6 }, () => open(2)));
  const bodies = objects.map(() => randomBytes(3 * PAGE_BYTES + 11));
  await Promise.all(objects.map((object, index) => object.append(Readable.from([bodies[index]!]))));
  for (const [index, object] of objects.entries()) {
    expect((await object.content()).equals(bodies[index]!)).toBe(true);
    await object[Symbol.asyncDispose]();
  }
});
