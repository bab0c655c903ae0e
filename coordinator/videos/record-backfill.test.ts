import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import { Leases } from '../database/leases.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { decodeRecord } from '../records/record-codec.ts';
import { BACKFILL_LEASE, RecordBackfill } from './record-backfill.ts';
import { SqlVideoRepository } from './sql-video-repository.ts';
import { MemoryObjectStore } from './test-support/memory-objects.ts';
import { VideoRecords } from './video-records.ts';

const signal = new AbortController().signal;

describe.each(ENGINES)('the backfill of records on %s', (engine) => {
  let handle: DatabaseHandle;
  let objects: SqlObjectRepository;
  let videos: SqlVideoRepository;
  let store: MemoryObjectStore;
  let records: VideoRecords;
  let backfill: RecordBackfill;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    objects = new SqlObjectRepository(handle.kysely);
    videos = new SqlVideoRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => {
    await handle.kysely.deleteFrom('videos').execute();
    await handle.kysely.deleteFrom('objects').execute();
    store = new MemoryObjectStore();
    records = new VideoRecords({
      cluster: { id: uuidv7(), replicas: 3, ranges: 4096 },
      objects,
      attachments: { of: async () => [] },
      store,
      inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) =>
        handle.kysely.transaction().execute(work),
      createId: () => uuidv7(),
      clock: systemClock,
      logger: silentLogger,
    });
    const leases = new Leases(handle.kysely, 'me');
    backfill = new RecordBackfill({ videos, records, leases, clock: systemClock, logger: silentLogger });
  });

  /** A video as a version without records would have left it. */
  async function insert(title: string): Promise<string> {
    const [id, objectId] = [uuidv7(), uuidv7()];
    const sha256 = createHash('sha256').update(title).digest();
    const chunks = [{ id: `chunk-of-${objectId}`, position: 1, length: 7, checksum: 2 }];
    const date = new Date('2026-01-02T03:04:05.678Z');
    await objects.open(objectId, 60_000);
    const video = {
      ...{ id, objectId, title, description: '', filename: null, contentType: 'video/mp4' },
      ...{ ownerId: null, visibility: 'public' as const },
      ...{ size: 7, sha256, version: 1, createdAt: date, updatedAt: date },
    };
    await videos.insert(video, { size: 7, sha256, chunks, record: [] });
    return id;
  }
  const storedTitles = async () => {
    const all = await Promise.all(store.recordIds.map((id) => decodeRecord([store.chunks.get(id)!])));
    return all.map(({ video }) => video.title).sort();
  };

  test('gives every video a record, once', async () => {
    const titles = Array.from({ length: 205 }, (_, index) => `T${index}`);
    for (const title of titles) await insert(title);
    expect(await videos.withoutRecord(3)).toHaveLength(3);
    expect(await backfill.runOnce(signal)).toBe(205);
    expect(await storedTitles()).toEqual(titles.sort());
    expect(await videos.withoutRecord(3)).toEqual([]);
    expect(await backfill.runOnce(signal)).toBe(0);
    expect(store.recordIds).toHaveLength(205);
  });

  test('goes on where it failed', async () => {
    for (const title of ['a', 'b']) await insert(title);
    store.recordFailure = new AppError('write_quorum_unavailable', 'No nodes.');
    await expect(backfill.runOnce(signal)).rejects.toThrow('No nodes.');
    expect(await backfill.runOnce(signal)).toBe(2);
  });

  test('leaves a video alone that changes or goes away meanwhile', async () => {
    const changed = await insert('old');
    store.onRecord = async () => {
      store.onRecord = async () => {};
      const update = { updatedAt: new Date(), version: 1 };
      await handle.kysely
        .transaction()
        .execute((transaction) => videos.update(transaction, changed, { title: 'new' }, update));
    };
    expect(await backfill.runOnce(signal)).toBe(0);
    await records[Symbol.asyncDispose]();
    expect(store.recordIds).toEqual([]);
    expect(await backfill.runOnce(signal)).toBe(1);
    expect(await storedTitles()).toEqual(['new']);
  });

  test('leaves it to another coordinator that does it', async () => {
    await insert('a');
    const other = new Leases(handle.kysely, 'other');
    await other.acquire(BACKFILL_LEASE, 60_000);
    expect(await backfill.runOnce(signal)).toBe(0);
    await other.release(BACKFILL_LEASE);
    expect(await backfill.runOnce(signal)).toBe(1);
  });
});
