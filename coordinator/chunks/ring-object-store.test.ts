import { createHash, randomBytes } from 'node:crypto';
import { PassThrough, Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { createLogger } from '../../lib/logging/logger.ts';
import { recordPartOf } from '../objects/chunk-id.ts';
import type { Manifest } from '../objects/manifest.ts';
import { ChunkOutbox } from './chunk-outbox.ts';
import { ChunkReader } from './chunk-reader.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { slicesOf } from './object-reading.ts';
import type { ObjectContent, RecordContent, WrittenObject } from './object-store.ts';
import { RingObjectStore } from './ring-object-store.ts';
import { FakeNodes } from './testing/fake-nodes.ts';
import { PAGE_BYTES, WriteBuffers } from './write-buffers.ts';

const OBJECT_ID = '0192d3c4-0000-7000-8000-000000000001';
const RECORD: RecordContent = { version: 1, bytes: Buffer.from('a record') };

async function createStore(
  nodes: FakeNodes,
  options: { pages?: number; chunkPages?: number; slowAfterMs?: number; idleMs?: number } = {},
) {
  const clock = systemClock;
  const buffers = new WriteBuffers({
    clock,
    totalBytes: (options.pages ?? 8) * PAGE_BYTES,
    slowAfterMs: options.slowAfterMs ?? 1000,
  });
  const outbox = await ChunkOutbox.open({
    host: '127.0.0.1',
    port: 0,
    advertiseHost: '127.0.0.1',
    createToken: () => randomBytes(16).toString('hex'),
  });
  const store = new RingObjectStore({
    clock,
    logger: createLogger({ name: 'test', level: 'silent' }),
    placement: nodes,
    buffers,
    garbage: { add: () => {} },
    outbox,
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
    client: nodes,
    chunkBytes: (options.chunkPages ?? 2) * PAGE_BYTES,
    sourceIdleTimeoutMs: options.idleMs ?? 5000,
    chunksInFlight: 2,
    randomBytes,
  });
  return { store, buffers, [Symbol.asyncDispose]: () => outbox[Symbol.asyncDispose]() };
}

function manifestOf(written: WrittenObject): Manifest {
  return { objectId: OBJECT_ID, size: written.size, chunks: written.chunks };
}

function write(
  store: RingObjectStore,
  source: Readable,
  limitBytes = 1e9,
  signal = new AbortController().signal,
  describe: (content: ObjectContent) => Promise<RecordContent> = async () => RECORD,
) {
  return store.write(OBJECT_ID, source, { limitBytes, signal, describe });
}

async function readBack(
  store: RingObjectStore,
  manifest: Manifest,
  first: number,
  last: number,
): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(Buffer.from(piece));
      setImmediate(done);
    },
  });
  const reading = await store.read(manifest, first, last);
  await reading.sendTo(sink, new AbortController().signal);
  return Buffer.concat(pieces);
}

it('writes chunks of full length and reads any range back', async () => {
  const nodes = new FakeNodes(4);
  await using made = await createStore(nodes);
  const body = randomBytes(5 * PAGE_BYTES + 123);
  const written = await write(made.store, Readable.from([body.subarray(0, 700_001), body.subarray(700_001)]));
  expect(written.sha256).toEqual(createHash('sha256').update(body).digest());
  expect(written.chunks.map((chunk) => chunk.length)).toEqual([
    2 * PAGE_BYTES,
    2 * PAGE_BYTES,
    PAGE_BYTES + 123,
  ]);
  const manifest = manifestOf(written);
  for (const [first, last] of [
    [0, body.length - 1],
    [0, 0],
    [2 * PAGE_BYTES - 1, 2 * PAGE_BYTES],
    [body.length - 5, body.length - 1],
  ] as const) {
    expect((await readBack(made.store, manifest, first, last)).equals(body.subarray(first, last + 1))).toBe(
      true,
    );
  }
});

it('lets every upload finish when there are more of them than pages', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes, { pages: 6, chunkPages: 4 });
  const bodies = Array.from({ length: 20 }, () => randomBytes(3 * PAGE_BYTES + 17));
  const written = await Promise.all(bodies.map((body) => write(made.store, Readable.from([body]))));
  for (const [index, body] of bodies.entries()) {
    expect(createHash('sha256').update(body).digest().equals(written[index]!.sha256)).toBe(true);
  }
  await expect.poll(() => made.buffers.freePages).toBe(6);
});

it('does not let uploads that trickle keep the memory from the others', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes, { pages: 2, slowAfterMs: 20 });
  const trickling = [new PassThrough(), new PassThrough()];
  const slow = trickling.map((source) => {
    source.write('first words');
    return write(made.store, source);
  });
  await expect.poll(() => made.buffers.freePages).toBe(0);
  const body = randomBytes(2 * PAGE_BYTES);
  const fast = await write(made.store, Readable.from([body]));
  expect(fast.size).toBe(body.length);
  for (const source of trickling) source.end(' and last');
  for (const written of await Promise.all(slow)) {
    expect((await readBack(made.store, manifestOf(written), 0, written.size - 1)).toString()).toBe(
      'first words and last',
    );
  }
});

it('wakes an upload whose chunk was cut while it waited for room', async () => {
  const nodes = new FakeNodes(3);
  const slow = Promise.withResolvers<void>();
  const storeNow = nodes.store.bind(nodes);
  nodes.store = async (node, chunk, signal) => {
    await slow.promise;
    await storeNow(node, chunk, signal);
  };
  await using made = await createStore(nodes, { pages: 8, chunkPages: 1, slowAfterMs: 10 });
  // Each holds a part of a page beside the chunks that wait for their nodes; the last one waits for memory.
  const uploads = [1, 2, 3].map(() => write(made.store, Readable.from([randomBytes(4 * PAGE_BYTES + 99)])));
  await expect.poll(() => made.buffers.waiting).toBeGreaterThan(0);
  await systemClock.sleep(50);
  slow.resolve();
  for (const written of await Promise.all(uploads)) expect(written.size).toBe(4 * PAGE_BYTES + 99);
});

it('keeps no node waiting for a receiver that pauses, and goes on where it stopped', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes);
  const body = randomBytes(20_000);
  const manifest = manifestOf(await write(made.store, Readable.from([body])));
  const taken: Buffer[] = [];
  const goOn = Promise.withResolvers<void>();
  const sink = new Writable({
    write(piece: Buffer, _encoding, done) {
      taken.push(Buffer.from(piece));
      if (taken.length === 3) void goOn.promise.then(() => done());
      else setImmediate(done);
    },
  });
  const reading = await made.store.read(manifest, 0, body.length - 1);
  const sending = reading.sendTo(sink, new AbortController().signal);
  await expect.poll(() => nodes.cancelled).toBe(1);
  goOn.resolve();
  await sending;
  expect(Buffer.concat(taken).equals(body)).toBe(true);
  expect(nodes.failures).toEqual([]);
});

it('ends when its receiver drops what is written without a word', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes);
  const manifest = manifestOf(await write(made.store, Readable.from([randomBytes(20_000)])));
  const sink = new Writable({ write: () => {} });
  const reading = await made.store.read(manifest, 0, 19_999);
  const sending = reading.sendTo(sink, new AbortController().signal);
  setImmediate(() => sink.emit('close'));
  await expect(sending).rejects.toThrow('the receiver has gone');
});

it('stores nothing of a source that breaks off, stalls or is too long, and frees its memory', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes, { idleMs: 50 });
  const breaking = new PassThrough();
  const broken = write(made.store, breaking);
  breaking.write(randomBytes(3 * PAGE_BYTES), () => breaking.destroy());
  await expect(broken).rejects.toMatchObject({ code: 'incomplete_body' });

  const stalling = new PassThrough();
  stalling.write('abc');
  await expect(write(made.store, stalling)).rejects.toMatchObject({ code: 'request_timeout' });
  await expect(write(made.store, Readable.from([randomBytes(1000)]), 999)).rejects.toMatchObject({
    code: 'body_too_large',
  });

  await expect.poll(() => made.buffers.freePages).toBe(8);
  await expect.poll(() => [...nodes.stored.values()].map((chunks) => chunks.size)).toEqual([0, 0, 0]);
});

it('stores the record while the last chunk is on its way', async () => {
  const nodes = new FakeNodes(4);
  const held = Promise.withResolvers<void>();
  const storeNow = nodes.store.bind(nodes);
  nodes.store = async (node, chunk, signal) => {
    if (!recordPartOf(chunk.ref.id)) await held.promise;
    await storeNow(node, chunk, signal);
  };
  await using made = await createStore(nodes);
  const body = randomBytes(2 * PAGE_BYTES + 9);
  const record = { version: 3, bytes: randomBytes(2 * PAGE_BYTES + 1) };
  let described: ObjectContent | undefined;
  const writing = write(made.store, Readable.from([body]), 1e9, undefined, async (content) => {
    described = content;
    return record;
  });
  // Two chunks' worth of record, three copies each.
  const stored = () => [...nodes.stored.values()].reduce((sum, chunks) => sum + chunks.size, 0);
  await expect.poll(stored).toBe(6);
  held.resolve();
  const written = await writing;
  expect(described).toMatchObject({ size: body.length, sha256: written.sha256, chunks: written.chunks });
  expect(written.record.map(({ id }) => recordPartOf(id))).toMatchObject([
    { objectId: OBJECT_ID, version: 3, part: 0, parts: 2 },
    { objectId: OBJECT_ID, version: 3, part: 1, parts: 2 },
  ]);
  const parts = written.record.map(({ id }) => nodes.stored.get('n0')!.get(id)!);
  expect(Buffer.concat(parts).equals(record.bytes)).toBe(true);
  await made.store.removeEverywhere(OBJECT_ID, [...written.chunks, ...written.record]);
  expect(stored()).toBe(0);
});

it('keeps nothing when the record cannot be made or stored', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes);
  const stored = () => [...nodes.stored.values()].map((chunks) => chunks.size);
  const failing = write(made.store, Readable.from([Buffer.from('x')]), 1e9, undefined, () =>
    Promise.reject(new Error('no')),
  );
  await expect(failing).rejects.toThrow('no');
  await expect.poll(stored).toEqual([0, 0, 0]);
  const storeNow = nodes.store.bind(nodes);
  nodes.store = (node, chunk, signal) =>
    recordPartOf(chunk.ref.id) && node.id !== 'n0'
      ? Promise.reject(new Error('full'))
      : storeNow(node, chunk, signal);
  const code = 'write_quorum_unavailable';
  await expect(write(made.store, Readable.from([Buffer.from('x')]))).rejects.toMatchObject({ code });
  await expect(made.store.writeRecord(OBJECT_ID, RECORD)).rejects.toMatchObject({ code });
  await expect.poll(stored).toEqual([0, 0, 0]);
  expect(nodes.permits).toBe(0);
});

it('does not wait for the record of an upload whose chunks cannot be stored', async () => {
  const nodes = new FakeNodes(3);
  for (const id of ['n0', 'n1', 'n2']) nodes.faults.set(id, 'full');
  await using made = await createStore(nodes);
  const never = () => new Promise<RecordContent>(() => {});
  const failing = write(made.store, Readable.from([Buffer.from('x')]), 1e9, undefined, never);
  await expect(failing).rejects.toMatchObject({ code: 'insufficient_storage' });
});

it('gives up when the nodes do, with their reason', async () => {
  const nodes = new FakeNodes(3);
  for (const id of ['n0', 'n1', 'n2']) nodes.faults.set(id, 'full');
  await using made = await createStore(nodes);
  const failing = write(made.store, Readable.from([randomBytes(3 * PAGE_BYTES), randomBytes(10)]));
  await expect(failing).rejects.toMatchObject({ code: 'insufficient_storage' });
  await expect.poll(() => made.buffers.freePages).toBe(8);
});

it('goes on at the byte where a node broke off, however often nodes break', async () => {
  const nodes = new FakeNodes(4);
  await using made = await createStore(nodes);
  const body = randomBytes(60_000);
  const manifest = manifestOf(await write(made.store, Readable.from([body])));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ node: fc.nat(2), after: fc.nat(60_000) }), { maxLength: 3 }),
      fc.nat(59_999),
      fc.nat(59_999),
      async (breaks, a, b) => {
        nodes.breakAfter.clear();
        for (const { node, after } of breaks.slice(0, 2)) nodes.breakAfter.set(`n${node}`, after);
        const [first, last] = [Math.min(a, b), Math.max(a, b)];
        expect(
          (await readBack(made.store, manifest, first, last)).equals(body.subarray(first, last + 1)),
        ).toBe(true);
      },
    ),
    { numRuns: 60 },
  );
});

it('finds handoff copies, and says so when nobody has a chunk', async () => {
  const nodes = new FakeNodes(5);
  for (const id of ['n0', 'n1']) nodes.faults.set(id, 'dead');
  await using made = await createStore(nodes);
  const manifest = manifestOf(await write(made.store, Readable.from([Buffer.from('kept elsewhere')])));
  nodes.faults.clear();
  nodes.faults.set('n2', 'dead');
  expect((await readBack(made.store, manifest, 0, 13)).toString()).toBe('kept elsewhere');
  for (const chunks of nodes.stored.values()) chunks.clear();
  await expect(made.store.read(manifest, 0, 1)).rejects.toMatchObject({ code: 'chunk_unavailable' });
});

it('stops reading when the receiver goes away', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes);
  const manifest = manifestOf(await write(made.store, Readable.from([randomBytes(500_000)])));
  const sink = new Writable({ write: (_piece, _encoding, done) => void setImmediate(done) });
  const reading = await made.store.read(manifest, 0, 499_999);
  const sending = reading.sendTo(sink, new AbortController().signal);
  setImmediate(() => sink.destroy());
  await expect(sending).rejects.toThrow();
});

it('cuts a range into slices of chunks', () => {
  const chunks = [3, 3, 2].map((length, index) => ({ id: `c${index}`, position: 0, length, checksum: 0 }));
  const manifest = { objectId: OBJECT_ID, size: 8, chunks };
  expect(slicesOf(manifest, 2, 6).map((slice) => [slice.ref.id, slice.first, slice.last])).toEqual([
    ['c0', 2, 2],
    ['c1', 0, 2],
    ['c2', 0, 0],
  ]);
});

it('gives up a write that may not have so many bytes, and keeps nothing of it', async () => {
  const nodes = new FakeNodes(3);
  await using made = await createStore(nodes);
  const asked: number[] = [];
  const refusal = new Error('enough');
  const writing = made.store.write(OBJECT_ID, Readable.from([randomBytes(5 * PAGE_BYTES)]), {
    limitBytes: 1e9,
    signal: new AbortController().signal,
    describe: async () => RECORD,
    admit: async (sizeBytes) => {
      asked.push(sizeBytes);
      if (sizeBytes > 3 * PAGE_BYTES) throw refusal;
    },
  });
  await expect(writing).rejects.toBe(refusal);
  expect(asked.slice(0, 2)).toEqual([2 * PAGE_BYTES, 4 * PAGE_BYTES]);
  await expect.poll(() => [...nodes.stored.values()].every((chunks) => chunks.size === 0)).toBe(true);
});
