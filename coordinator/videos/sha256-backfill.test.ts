import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import { Leases } from '../database/leases.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { decodeRecord } from '../records/record-codec.ts';
import { describeContent } from './content.ts';
import { Quotas } from './quotas.ts';
import { VideoService } from './service.ts';
import { SHA256_LEASE, Sha256Backfill } from './sha256-backfill.ts';
import { SqlVideoRepository } from './sql-video-repository.ts';
import { MemoryObjectStore } from './test-support/memory-objects.ts';
import { UploadLeases } from './upload-leases.ts';
import { VideoRecords } from './video-records.ts';
import type { Video } from './video-repository.ts';

const SHA256 = createHash('sha256').update('bytes').digest();
const signal = new AbortController().signal;

describe.each(ENGINES)('the backfill of SHA-256 values on %s', (engine) => {
  let handle: DatabaseHandle;
  let objects: SqlObjectRepository;
  let videos: SqlVideoRepository;
  let store: MemoryObjectStore;
  let service: VideoService;
  let leases: Leases;
  const asked: string[] = [];
  let failing: string | undefined;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    objects = new SqlObjectRepository(handle.kysely);
    videos = new SqlVideoRepository(handle.kysely);
    leases = new Leases(handle.kysely, 'me');
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => {
    await handle.kysely.deleteFrom('videos').execute();
    await handle.kysely.deleteFrom('objects').execute();
    asked.length = 0;
    failing = undefined;
    store = new MemoryObjectStore();
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      handle.kysely.transaction().execute(work);
    const attachments = { of: async () => [], deleteAll: async () => [] };
    const shared = {
      attachments,
      objects,
      store,
      inTransaction,
      createId: () => uuidv7(),
      clock: systemClock,
    };
    const records = new VideoRecords({
      ...shared,
      cluster: { id: uuidv7(), replicas: 3, ranges: 4096 },
      logger: silentLogger,
    });
    service = new VideoService({
      ...shared,
      derived: { deleteAll: async () => [] },
      videos,
      records,
      quotas: new Quotas(handle.kysely, { bytes: 0, videos: 0 }),
      leases: new UploadLeases({ objects, leaseMs: 60_000, logger: silentLogger }),
      logger: silentLogger,
      announceChange: async () => {},
      uploadBytesMax: 1e9,
      cachedVideosMax: 10,
      cachedChunksMax: 10,
    });
  });

  function backfill(): Sha256Backfill {
    const digester = {
      sha256: async (chunks: readonly { id: string }[]) => {
        asked.push(chunks[0]!.id);
        if (chunks[0]!.id === failing) throw new Error('no node has it');
        return SHA256;
      },
    };
    return new Sha256Backfill({
      ...{ videos, service, objects, digester, leases, clock: systemClock, logger: silentLogger },
    });
  }

  async function insert(sha256: Uint8Array | null): Promise<Video> {
    const [id, objectId] = [uuidv7(), uuidv7()];
    const date = new Date('2026-01-02T03:04:05.678Z');
    const chunks = [{ id: `chunk-of-${objectId}`, position: 1, length: 5, checksum: 2 }];
    await objects.open(objectId, 60_000);
    const video: Video = {
      ...{ id, objectId, title: 'T', description: '', filename: null, contentType: 'video/mp4' },
      ...{
        ownerId: null,
        visibility: 'public',
        size: 5,
        sha256,
        version: 1,
        createdAt: date,
        updatedAt: date,
      },
    };
    await videos.insert(video, { size: 5, sha256, chunks, record: [] });
    return video;
  }

  test('fills in what is missing, in the row and in the record, and leaves the entity tag as it is', async () => {
    const video = await insert(null);
    await insert(SHA256);
    const before = await service.content(video.id);
    expect(before.reprDigest).toBeNull();
    expect(await backfill().runOnce(signal)).toBe(1);
    expect(asked).toHaveLength(1);
    const after = await service.content(video.id);
    expect(Buffer.from(after.video.sha256!)).toEqual(SHA256);
    expect(after.etag).toBe(before.etag);
    expect(after.reprDigest).toBe(`sha-256=:${SHA256.toString('base64')}:`);
    const record = await objects.record(video.objectId);
    const decoded = await decodeRecord(record.map(({ id }) => store.chunks.get(id)!));
    expect(Buffer.from(decoded.sha256!)).toEqual(SHA256);
    expect(decoded.video.version).toBe(after.video.version);
    const row = await handle.kysely
      .selectFrom('objects')
      .select('sha256')
      .where('id', '=', video.objectId)
      .executeTakeFirstOrThrow();
    expect(Buffer.from(row.sha256!)).toEqual(SHA256);
    expect(await backfill().runOnce(signal)).toBe(0);
  });

  test('one that cannot be read does not hold up the others', async () => {
    const [bad, good] = [await insert(null), await insert(null)];
    failing = `chunk-of-${bad.objectId}`;
    expect(await backfill().runOnce(signal)).toBe(1);
    expect((await videos.find(good.id))?.sha256).not.toBeNull();
    expect((await videos.find(bad.id))?.sha256).toBeNull();
  });

  test('a change that comes in between is kept', async () => {
    const video = await insert(null);
    await Promise.all([backfill().runOnce(signal), service.change(video.id, { title: 'Another' }, () => {})]);
    const { title, sha256, version } = (await videos.find(video.id))!;
    expect([title, sha256 === null, version]).toEqual(['Another', false, 3]);
  });

  test('only one coordinator does it', async () => {
    await insert(null);
    const other = new Leases(handle.kysely, 'other');
    await other.acquire(SHA256_LEASE, 60_000);
    expect(await backfill().runOnce(signal)).toBe(0);
    await other.release(SHA256_LEASE);
    expect(await backfill().runOnce(signal)).toBe(1);
  });

  test('a record without a SHA-256 is written and read', async () => {
    const video = await insert(null);
    await service.change(video.id, { title: 'Named' }, () => {});
    const record = await objects.record(video.objectId);
    const decoded = await decodeRecord(record.map(({ id }) => store.chunks.get(id)!));
    expect([decoded.sha256, decoded.video.title]).toEqual([null, 'Named']);
    const { etag } = describeContent(video, { objectId: video.objectId, size: 5, chunks: [] });
    expect(etag).toBe(`"${video.objectId.replaceAll('-', '')}"`);
  });
});
