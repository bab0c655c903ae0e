import { createHash, randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { positionOf } from '../../lib/hashring/index.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { createChunkId } from '../objects/chunk-id.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { TranscodeWorld } from '../transcode/test-support/transcode-world.ts';
import { Quotas } from './quotas.ts';
import { VideoService } from './service.ts';
import { SourceDrops } from './source-drops.ts';
import { MemoryObjectStore } from './test-support/memory-objects.ts';
import { UploadLeases } from './upload-leases.ts';
import { VideoRecords } from './video-records.ts';
import type { Video } from './video-repository.ts';

const SHA256 = createHash('sha256').update('bytes').digest();
const ANYONE = () => {};
const signal = new AbortController().signal;

describe.each(ENGINES)('sources that are not to stay, on %s', (engine) => {
  let database: DatabaseHandle;
  let world: TranscodeWorld;
  let objects: SqlObjectRepository;
  let quotas: Quotas;
  let store: MemoryObjectStore;
  let service: VideoService;
  let records: VideoRecords;
  let drops: SourceDrops;
  const announced: string[] = [];
  beforeAll(async () => {
    database = await openTestDatabase(engine);
    world = await TranscodeWorld.open(database, { keepsSource: false });
    objects = new SqlObjectRepository(database.kysely);
    quotas = new Quotas(database.kysely, { bytes: 0, videos: 0 });
    store = new MemoryObjectStore();
    const { videos } = world;
    const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
      database.kysely.transaction().execute(work);
    const attachments = { of: async () => [], deleteAll: async () => [] };
    const shared = { attachments, objects, store, inTransaction, clock: systemClock, logger: silentLogger };
    const cluster = { id: uuidv7(), replicas: 3, ranges: 4096 };
    records = new VideoRecords({ ...shared, cluster, createId: () => uuidv7() });
    service = new VideoService({
      ...{ ...shared, videos, records, quotas, derived: world.renditions, createId: () => uuidv7() },
      leases: new UploadLeases({ objects, leaseMs: 60_000, logger: silentLogger }),
      announceChange: async (_transaction, id) => void announced.push(id),
      ...{ uploadBytesMax: 1e9, cachedVideosMax: 10, cachedChunksMax: 10 },
    });
    drops = new SourceDrops({ videos, service, clock: systemClock, logger: silentLogger });
  });
  afterAll(() => database[Symbol.asyncDispose]());

  /** A video of one chunk, with a record. */
  async function addVideo(sha256: Uint8Array | null = SHA256): Promise<Video> {
    const [id, objectId] = [uuidv7(), uuidv7()];
    const at = new Date();
    const chunkId = createChunkId(objectId, 0, randomBytes(4));
    const chunks = [{ id: chunkId, position: positionOf(chunkId), length: 5, checksum: 0 }];
    store.chunks.set(chunkId, Buffer.from('bytes'));
    await objects.open(objectId, 60_000);
    const video: Video = {
      ...{ id, objectId, ownerId: uuidv7(), visibility: 'public', title: 'A film', description: '' },
      ...{ filename: null, contentType: 'video/mp4', size: 5, sha256, version: 1 },
      ...{ createdAt: at, updatedAt: at },
    };
    const record = await store.writeRecord(objectId, await records.encode(video, chunks));
    await world.videos.insert(video, { size: 5, sha256, chunks, record });
    return video;
  }
  const origins = async (id: string) =>
    (await world.renditions.list(id)).map(({ name, origin }) => `${name} ${origin}`).sort();
  const chunksOf = async ({ objectId }: Video) =>
    await database.kysely.selectFrom('chunks').select('id').where('object_id', '=', objectId).execute();
  const COPIED = ['240p encoded', '360p encoded', '480p copied', 'audio copied'];

  test('what is played out of the source is copied, and then the source goes, for good', async () => {
    const video = await addVideo();
    const { id, objectId } = video;
    await world.inspect({ isPlayable: true, hasAudio: true });
    expect(await world.statusOf(id)).toMatchObject({ status: 'playable' });
    expect(await origins(id)).toEqual(['480p virtual', 'audio virtual']);
    expect(await drops.runOnce(signal)).toBe(0);
    expect(await world.work()).toEqual(['copy', 'pictures', 'encode']);
    expect(await origins(id)).toEqual(COPIED);
    expect(await world.jobOf(id)).toMatchObject({ state: 'complete', source: 'drop' });
    const before = await service.content(id);
    const ids = (await chunksOf(video)).map((chunk) => chunk.id).filter((chunkId) => !chunkId.includes('-r'));
    expect(await objects.aliveAmong(ids)).toEqual(new Set(ids));

    // Two coordinators at once.
    const counts = await Promise.all([drops.runOnce(signal), drops.runOnce(signal)]);
    expect(counts.sort()).toEqual([0, 1]);
    expect(await world.jobOf(id)).toMatchObject({ state: 'complete', source: 'dropped' });
    expect(announced).toContain(id);
    expect(await chunksOf(video)).toEqual([]);
    expect(await objects.aliveAmong(ids)).toEqual(new Set());
    await expect.poll(() => [...store.chunks.keys()].filter((key) => key.includes(objectId))).toEqual([]);
    expect(await quotas.usageOf(video.ownerId!)).toMatchObject({ bytes: 0, videos: 1 });
    const content = await service.content(id);
    expect(content).toMatchObject({ size: 0, manifest: { chunks: [] }, video: { size: 5 } });
    expect(content.video.sourceDroppedAt).toBeInstanceOf(Date);
    expect(content.video.version).toBe(before.video.version + 1);
    expect(await world.statusOf(id)).toMatchObject({ status: 'ready' });

    // What is left of it goes on.
    const changed = await service.change(id, { title: 'Another', ownerId: uuidv7() }, ANYONE);
    expect(changed).toMatchObject({ title: 'Another', sourceDroppedAt: content.video.sourceDroppedAt });
    expect(await quotas.usageOf(video.ownerId!)).toMatchObject({ bytes: 0, videos: 0 });
    expect(await quotas.usageOf(changed.ownerId!)).toMatchObject({ bytes: 0, videos: 1 });
    // There is nothing that a record could bring back.
    expect(await objects.record(objectId)).toEqual([]);
    expect(await world.videos.withoutRecord(100)).not.toContain(id);
    const required = { code: 'source_required' };
    await expect(world.jobService.restart(id)).rejects.toMatchObject(required);
    await expect(world.jobService.retry(await world.jobOf(id))).rejects.toMatchObject(required);
    expect(await origins(id)).toEqual(COPIED);
    await service.delete(id, ANYONE);
    expect(await quotas.usageOf(changed.ownerId!)).toMatchObject({ bytes: 0, videos: 0 });
    expect(await world.renditions.list(id)).toEqual([]);
  });

  test('a source without a SHA-256 waits for it', async () => {
    const video = await addVideo(null);
    await world.inspect({ isPlayable: true });
    await world.work();
    expect(await drops.runOnce(signal)).toBe(0);
    expect(await chunksOf(video)).not.toEqual([]);
    await service.fillSha256(video.id, SHA256);
    expect(await drops.runOnce(signal)).toBe(1);
    expect(Buffer.from((await service.find(video.id)).sha256!)).toEqual(SHA256);
  });

  test('a change that is under way when the source goes is made of what is left then', async () => {
    const video = await addVideo();
    await world.work();
    store.onRecord = async () => {
      store.onRecord = async () => {};
      expect(await drops.runOnce(signal)).toBe(1);
    };
    expect(await service.change(video.id, { title: 'Late' }, ANYONE)).toMatchObject({ title: 'Late' });
    expect(await chunksOf(video)).toEqual([]);
    await expect.poll(() => store.recordIds.filter((key) => key.includes(video.objectId))).toEqual([]);
  });

  test('what fails keeps the source until it has succeeded', async () => {
    const video = await addVideo();
    await world.inspect({ isPlayable: true });
    const copy = await world.leaseOf('copy');
    await world.service.complete(copy, await world.resultOf(copy));
    const pictures = await world.leaseOf('pictures');
    await world.service.fail(pictures, { code: 'failed', reason: 'All is black.', retryable: false });
    await world.work();
    expect(await world.statusOf(video.id)).toMatchObject({ status: 'ready' });
    expect(await drops.runOnce(signal)).toBe(0);
    await world.jobService.retry(await world.jobOf(video.id));
    await world.work();
    expect(await drops.runOnce(signal)).toBe(1);
  });

  test('a video that is transcoded once more keeps its source until that is done', async () => {
    const video = await addVideo();
    await world.work();
    await world.jobService.restart(video.id);
    expect(await drops.runOnce(signal)).toBe(0);
    await world.work();
    expect(await drops.runOnce(signal)).toBe(1);
  });

  test('what cannot be copied is encoded in full size', async () => {
    const video = await addVideo();
    await world.inspect({ isPlayable: true, hasAudio: true });
    const copy = await world.leaseOf('copy');
    await world.service.fail(copy, { code: 'failed', reason: 'Broken.', retryable: false });
    expect(await world.statusOf(video.id)).toMatchObject({ status: 'playable' });
    expect(await origins(video.id)).toEqual(['480p virtual', 'audio virtual']);
    await world.work();
    expect(await origins(video.id)).toEqual([
      ...['240p encoded', '360p encoded', '480p encoded', 'audio encoded'],
    ]);
    expect(await drops.runOnce(signal)).toBe(1);
  });

  test('a source that something is still played out of is kept, and the job says so', async () => {
    const video = await addVideo();
    await world.inspect({ isPlayable: true, hasAudio: true });
    const copy = await world.leaseOf('copy');
    const result = await world.resultOf(copy);
    if (result.kind !== 'copy') throw new Error('expected copy');
    await world.service.complete(copy, { ...result, audio: [] });
    await world.work();
    expect(await origins(video.id)).toContain('audio virtual');
    expect(await world.jobOf(video.id)).toMatchObject({
      ...{ state: 'complete', source: 'keep', reason: expect.stringMatching(/source is kept/) },
    });
    expect(await world.statusOf(video.id)).toMatchObject({ status: 'ready', reason: null });
    expect(await drops.runOnce(signal)).toBe(0);
    expect(await chunksOf(video)).not.toEqual([]);
  });

  test('a source whose sound nobody has made is kept', async () => {
    const video = await addVideo();
    const inspection = await world.leaseOf('inspect');
    const found = await world.inspection(inspection, { isPlayable: true, hasAudio: true });
    const copyable = { video: false, audio: [0] };
    await world.service.complete(inspection, { ...found, audio: [], copyable });
    const copy = await world.leaseOf('copy');
    const result = await world.resultOf(copy);
    if (result.kind !== 'copy') throw new Error('expected copy');
    await world.service.complete(copy, { ...result, audio: [] });
    await world.work();
    expect(await origins(video.id)).toEqual(['240p encoded', '360p encoded', '480p copied']);
    expect(await world.jobOf(video.id)).toMatchObject({ state: 'complete', source: 'keep' });
    expect(await drops.runOnce(signal)).toBe(0);
  });

  test('a rendition that waits for its sound gives way to its copy whole', async () => {
    const video = await addVideo();
    const inspection = await world.leaseOf('inspect');
    const found = await world.inspection(inspection, { isPlayable: true, hasAudio: true });
    // The sound has to be encoded, so that the pictures are not published yet.
    const outputs = { ...found, audio: [] };
    await world.service.complete(inspection, outputs);
    expect(await world.statusOf(video.id)).toMatchObject({ status: 'processing' });
    const copy = await world.leaseOf('copy');
    await world.service.complete(copy, await world.resultOf(copy));
    await world.work();
    expect(await origins(video.id)).toEqual([
      ...['240p encoded', '360p encoded', '480p copied', 'audio encoded'],
    ]);
    expect(await drops.runOnce(signal)).toBe(1);
  });

  test('jobs of the other policy leave the source where it is', async () => {
    const video = await addVideo();
    await database.kysely
      .updateTable('transcode_jobs')
      .set({ source: 'keep' })
      .where('video_id', '=', video.id)
      .execute();
    await world.inspect({ isPlayable: true });
    expect(await world.work()).toEqual(['pictures', 'encode']);
    expect(await origins(video.id)).toEqual(['240p encoded', '360p encoded', '480p virtual']);
    expect(await world.jobOf(video.id)).toMatchObject({ state: 'complete', source: 'keep', reason: null });
    expect(await drops.runOnce(signal)).toBe(0);
  });
});
