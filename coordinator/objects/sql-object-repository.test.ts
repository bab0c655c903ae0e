import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { positionOf, rangeOf } from '../../lib/hashring/index.ts';
import type { Database, DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { createChunkId, createRecordChunkId } from './chunk-id.ts';
import { withCommitted } from './commit-object.ts';
import type { ChunkRef } from './manifest.ts';
import type { StoredObject } from './object-repository.ts';
import { SqlObjectRepository } from './sql-object-repository.ts';

const HOUR_MS = 3_600_000;

function chunksOf(objectId: string, count: number): ChunkRef[] {
  return Array.from({ length: count }, (_, sequence) => {
    const id = createChunkId(objectId, sequence, randomBytes(4));
    return {
      id,
      position: positionOf(id),
      length: 1000 + sequence,
      checksum: 0xffff_0000 + (sequence & 0xff),
    };
  });
}

function recordOf(objectId: string, version: number, parts = 1): ChunkRef[] {
  const token = randomBytes(4).toString('hex');
  return Array.from({ length: parts }, (_, part) => {
    const id = createRecordChunkId({ objectId, version, token, part, parts });
    return { id, position: positionOf(id), length: 400 + part, checksum: 7 };
  });
}

function storedObject(chunks: readonly ChunkRef[], record: readonly ChunkRef[] = []): StoredObject {
  const size = chunks.reduce((sum, { length }) => sum + length, 0);
  return { size, sha256: createHash('sha256').update(String(size)).digest(), chunks, record };
}

describe.each(ENGINES)('objects on %s', (engine) => {
  let handle: DatabaseHandle;
  let objects: SqlObjectRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    objects = new SqlObjectRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  const commitIn = async (
    database: Database,
    objectId: string,
    chunks: readonly ChunkRef[],
    record: readonly ChunkRef[] = [],
  ) => {
    const statement = sql`${withCommitted(objectId, storedObject(chunks, record))} select id from committed`;
    return (await statement.execute(database)).rows.length === 1;
  };
  const commit = (objectId: string, chunks: readonly ChunkRef[], record: readonly ChunkRef[] = []) =>
    commitIn(handle.kysely, objectId, chunks, record);
  const replace = (objectId: string, writeId: string, record: readonly ChunkRef[]) =>
    handle.kysely
      .transaction()
      .execute((transaction) => objects.replaceRecord(transaction, objectId, writeId, record));
  const aliveOf = async (...chunks: readonly ChunkRef[][]) => {
    const alive = await objects.aliveAmong(chunks.flat().map(({ id }) => id));
    return chunks.map((group) => group.filter(({ id }) => alive.has(id)).length);
  };
  const remove = (objectId: string) =>
    handle.kysely.transaction().execute((transaction) => objects.delete(transaction, objectId));
  const isOpen = async (objectId: string) => (await objects.renew([objectId], HOUR_MS)).length === 0;
  const letLeaseRunOut = (objectId: string) =>
    handle.kysely
      .updateTable('objects')
      .set({ lease_expires_at: sql<Date>`now() - interval '1 second'` })
      .where('id', '=', objectId)
      .execute();

  test('a committed manifest comes back as it went in, in order', async () => {
    const objectId = randomUUID();
    const chunks = chunksOf(objectId, 12);
    await objects.open(objectId, HOUR_MS);
    expect(await objects.manifest(objectId)).toBeNull();
    await commit(objectId, chunks);
    expect(await objects.manifest(objectId)).toEqual({ objectId, size: storedObject(chunks).size, chunks });
  });

  test('a manifest of very many chunks fits one commit', async () => {
    const objectId = randomUUID();
    const chunks = chunksOf(objectId, 20_000);
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, chunks);
    expect((await objects.manifest(objectId))?.chunks).toEqual(chunks);
    await remove(objectId);
  });

  test('use by range counts each chunk of committed objects once, in its range', async () => {
    await handle.kysely.deleteFrom('objects').execute();
    const objectId = randomUUID();
    const chunks = [
      ...chunksOf(objectId, 300),
      { id: `${createChunkId(objectId, 300, randomBytes(4))}`, position: 0, length: 5, checksum: 0 },
      {
        id: `${createChunkId(objectId, 301, randomBytes(4))}`,
        position: 2 ** 32 - 1,
        length: 6,
        checksum: 0,
      },
    ];
    await objects.open(objectId, HOUR_MS);
    expect((await objects.usageByRange(64)).chunks.every((count) => count === 0)).toBe(true);
    await commit(objectId, chunks);
    const expected = { chunks: new Float64Array(64), bytes: new Float64Array(64) };
    for (const { position, length } of chunks) {
      expected.chunks[rangeOf(position, 64)]! += 1;
      expected.bytes[rangeOf(position, 64)]! += length;
    }
    expect(await objects.usageByRange(64)).toEqual(expected);
    await remove(objectId);
  });

  test('chunks of an interval come in the order of their bytes, page by page', async () => {
    await handle.kysely.deleteFrom('objects').execute();
    const objectId = randomUUID();
    const twins = ['b', 'a-', 'a', 'ab'].map((tail) => ({
      id: `same-position-${tail}`,
      position: 2 ** 31,
      length: 1,
      checksum: 2 ** 32 - 1,
    }));
    const chunks = [...chunksOf(objectId, 100), ...twins];
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, chunks);
    const order = (one: ChunkRef, other: ChunkRef) =>
      one.position - other.position || Buffer.compare(Buffer.from(one.id), Buffer.from(other.id));
    for (const interval of [
      { first: 0, last: 2 ** 32 - 1 },
      { first: 2 ** 31, last: 2 ** 31 },
      { first: 2 ** 30, last: 3 * 2 ** 30 },
    ]) {
      const paged: ChunkRef[] = [];
      for (;;) {
        const page = await objects.chunksBetween(interval, { after: paged.at(-1) ?? null, limit: 7 });
        paged.push(...page);
        if (page.length < 7) break;
      }
      const inside = chunks.filter(({ position }) => position >= interval.first && position <= interval.last);
      expect(paged).toEqual(inside.toSorted(order));
    }
    const parts = [
      { first: 3 * 2 ** 30, last: 2 ** 32 - 1 },
      { first: 5, last: 4 },
      { first: 2 ** 31 - 2 ** 29, last: 2 ** 31 },
      { first: 0, last: 2 ** 28 },
    ];
    const within = chunks
      .filter(({ position }) => parts.some(({ first, last }) => first <= position && position <= last))
      .toSorted(order);
    expect(within.length).toBeGreaterThan(30);
    expect(await objects.chunksWithin(parts, within.length)).toEqual(within);
    expect(await objects.chunksWithin(parts, within.length - 1)).toBeNull();
    expect(await objects.chunksWithin([], 1)).toEqual([]);
    await remove(objectId);
  });

  test('an object without a chunk has an empty manifest', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, []);
    expect(await objects.manifest(objectId)).toEqual({ objectId, size: 0, chunks: [] });
  });

  test('an object is opened once', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    await expect(objects.open(objectId, HOUR_MS)).rejects.toThrow(/duplicate key/);
  });

  test('what is not open cannot be committed', async () => {
    const unknown = randomUUID();
    expect(await commit(unknown, [])).toBe(false);
    const twice = randomUUID();
    await objects.open(twice, HOUR_MS);
    expect(await commit(twice, [])).toBe(true);
    expect(await commit(twice, [])).toBe(false);
    const abandoned = randomUUID();
    await objects.open(abandoned, HOUR_MS);
    await objects.abandon(abandoned);
    expect(await commit(abandoned, [])).toBe(false);
  });

  test('a commit that is rolled back leaves the object open', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    const attempt = handle.kysely.transaction().execute(async (transaction) => {
      await commitIn(transaction, objectId, chunksOf(objectId, 2));
      throw new Error('the video could not be stored');
    });
    await expect(attempt).rejects.toThrow('the video could not be stored');
    expect(await objects.manifest(objectId)).toBeNull();
    expect(await isOpen(objectId)).toBe(true);
  });

  test('renewing tells which objects are no longer open', async () => {
    const [open, committed, unknown] = [randomUUID(), randomUUID(), randomUUID()];
    await objects.open(open, HOUR_MS);
    await objects.open(committed, HOUR_MS);
    await commit(committed, []);
    expect(await objects.renew([open, committed, unknown], HOUR_MS)).toEqual([committed, unknown]);
    expect(await objects.renew([], HOUR_MS)).toEqual([]);
  });

  test('abandoning and deleting touch only what they are for', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    await remove(objectId);
    expect(await isOpen(objectId)).toBe(true);
    await commit(objectId, []);
    await objects.abandon(objectId);
    expect(await objects.manifest(objectId)).not.toBeNull();
    await remove(objectId);
    expect(await objects.manifest(objectId)).toBeNull();
  });

  test('expiry removes open objects whose lease ran out, and nothing else', async () => {
    const [fresh, late, committed, renewed] = Array.from({ length: 4 }, () => randomUUID());
    for (const id of [fresh, late, committed, renewed]) await objects.open(id!, HOUR_MS);
    await commit(committed!, []);
    await letLeaseRunOut(late!);
    await letLeaseRunOut(committed!);
    await letLeaseRunOut(renewed!);
    expect(await objects.renew([renewed!], HOUR_MS)).toEqual([]);
    expect(await objects.expireOpen()).toBe(1);
    expect(await objects.expireOpen()).toBe(0);
    expect(await isOpen(fresh!)).toBe(true);
    expect(await isOpen(renewed!)).toBe(true);
    expect(await isOpen(late!)).toBe(false);
    expect(await objects.manifest(committed!)).not.toBeNull();
  });

  test('a lease runs by the database clock from the moment it is given', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, 1);
    await expect.poll(() => objects.expireOpen()).toBe(1);
  });

  test('chunks are alive while their object is open or a committed manifest names them', async () => {
    const [open, committed, unknown] = [randomUUID(), randomUUID(), randomUUID()];
    const running = chunksOf(open, 2);
    const named = chunksOf(committed, 2);
    const replaced = chunksOf(committed, 2);
    const orphans = chunksOf(unknown, 2);
    await objects.open(open, HOUR_MS);
    await objects.open(committed, HOUR_MS);
    await commit(committed, named);
    const all = [...running, ...named, ...replaced, ...orphans].map(({ id }) => id);
    const expected = [...running, ...named].map(({ id }) => id);
    const alive = await objects.aliveAmong([...all, 'not-made-by-us']);
    expect([...alive].sort()).toEqual(expected.sort());
    expect(await objects.aliveAmong([])).toEqual(new Set());

    await remove(committed);
    await letLeaseRunOut(open);
    // A lease that ran out still protects until the expiry removed the object.
    expect((await objects.aliveAmong(all)).size).toBe(2);
    await objects.expireOpen();
    expect(await objects.aliveAmong(all)).toEqual(new Set());
  });

  test('a record is beside the manifest, not in it', async () => {
    const objectId = randomUUID();
    const [chunks, record] = [chunksOf(objectId, 3), recordOf(objectId, 1, 3)];
    await objects.open(objectId, HOUR_MS);
    expect(await aliveOf(chunks, record)).toEqual([3, 3]);
    await commit(objectId, chunks, record);
    expect((await objects.manifest(objectId))?.chunks).toEqual(chunks);
    expect(await objects.record(objectId)).toEqual(record);
    expect(await aliveOf(chunks, record, recordOf(objectId, 2))).toEqual([3, 3, 0]);
    const gone = await remove(objectId);
    expect(gone.map(({ id }) => id).sort()).toEqual(record.map(({ id }) => id).sort());
    expect(await aliveOf(chunks, record)).toEqual([0, 0]);
  });

  test('an object with a record and no chunk has an empty manifest', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, [], recordOf(objectId, 1));
    expect(await objects.manifest(objectId)).toEqual({ objectId, size: 0, chunks: [] });
  });

  test('a new record is alive from before its first chunk, and the old one until the swap', async () => {
    const objectId = randomUUID();
    const [chunks, first, second] = [chunksOf(objectId, 1), recordOf(objectId, 1), recordOf(objectId, 2)];
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, chunks, first);
    const writeId = randomUUID();
    expect(await objects.openRecord(objectId, writeId, HOUR_MS)).toBe(true);
    expect(await aliveOf(chunks, first, second)).toEqual([1, 1, 1]);
    expect(await replace(objectId, writeId, second)).toEqual(first);
    expect(await aliveOf(chunks, first, second)).toEqual([1, 0, 1]);
    expect(await objects.record(objectId)).toEqual(second);
    expect((await objects.manifest(objectId))?.chunks).toEqual(chunks);
  });

  test('a record whose lease ended is not made current', async () => {
    const objectId = randomUUID();
    const [first, second] = [recordOf(objectId, 1), recordOf(objectId, 2)];
    await objects.open(objectId, HOUR_MS);
    await commit(objectId, [], first);
    const [late, abandoned, other] = [randomUUID(), randomUUID(), randomUUID()];
    await objects.openRecord(objectId, late, 1);
    await expect.poll(() => objects.expireOpen()).toBe(1);
    await objects.openRecord(objectId, abandoned, HOUR_MS);
    await objects.abandonRecord(abandoned);
    // Another write that is under way does not help.
    await objects.openRecord(objectId, other, HOUR_MS);
    for (const writeId of [late, abandoned])
      await expect(replace(objectId, writeId, second)).rejects.toMatchObject({ code: 'upload_expired' });
    expect(await objects.record(objectId)).toEqual(first);
    await objects.abandonRecord(other);
    expect(await aliveOf(first, second)).toEqual([1, 0]);
  });

  test('no record is written for what is not committed, and deletion ends those under way', async () => {
    const [objectId, writeId] = [randomUUID(), randomUUID()];
    expect(await objects.openRecord(objectId, randomUUID(), HOUR_MS)).toBe(false);
    await objects.open(objectId, HOUR_MS);
    expect(await objects.openRecord(objectId, randomUUID(), HOUR_MS)).toBe(false);
    await commit(objectId, []);
    await objects.openRecord(objectId, writeId, HOUR_MS);
    await remove(objectId);
    await expect(replace(objectId, writeId, recordOf(objectId, 2))).rejects.toMatchObject({
      code: 'upload_expired',
    });
    expect(await aliveOf(recordOf(objectId, 2))).toEqual([0]);
  });

  test('an object that is being committed is never seen as dead', async () => {
    for (let round = 0; round < 10; round++) {
      const objectId = randomUUID();
      const chunks = chunksOf(objectId, 3);
      const ids = chunks.map(({ id }) => id);
      await objects.open(objectId, HOUR_MS);
      const questions = Array.from({ length: 5 }, () => objects.aliveAmong(ids));
      const [, ...answers] = await Promise.all([commit(objectId, chunks), ...questions]);
      for (const alive of answers) expect(alive.size).toBe(3);
    }
  });

  test('of expiry and commit at the same time exactly one wins', async () => {
    for (let round = 0; round < 10; round++) {
      const objectId = randomUUID();
      await objects.open(objectId, HOUR_MS);
      await letLeaseRunOut(objectId);
      const [committed, expired] = await Promise.all([
        commit(objectId, chunksOf(objectId, 2)),
        objects.expireOpen(),
      ]);
      expect(Number(committed) + expired).toBe(1);
      expect((await objects.manifest(objectId)) !== null).toBe(committed);
    }
  });

  // PGlite has one connection: there nothing can happen inside another's transaction.
  if (engine === 'pglite') return;
  test('expiry passes over an object that is being committed', async () => {
    const objectId = randomUUID();
    await objects.open(objectId, HOUR_MS);
    await letLeaseRunOut(objectId);
    await handle.kysely.transaction().execute(async (transaction) => {
      await commitIn(transaction, objectId, []);
      expect(await objects.expireOpen()).toBe(0);
    });
    expect(await objects.manifest(objectId)).not.toBeNull();
  });
});
