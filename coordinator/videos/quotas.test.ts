import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { Quotas } from './quotas.ts';
import { SqlVideoRepository } from './sql-video-repository.ts';

const HOUR_MS = 3_600_000;

describe.each(ENGINES)('quotas in %s', (engine) => {
  let handle: DatabaseHandle;
  let objects: SqlObjectRepository;
  let videos: SqlVideoRepository;
  let quotas: Quotas;

  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    objects = new SqlObjectRepository(handle.kysely);
    videos = new SqlVideoRepository(handle.kysely);
    quotas = new Quotas(handle.kysely, { bytes: 1000, videos: 3 });
  });
  afterAll(() => handle?.[Symbol.asyncDispose]());

  async function addUser(limits: { quota_bytes?: number; quota_videos?: number } = {}): Promise<string> {
    const id = randomUUID();
    await handle.kysely
      .insertInto('users')
      .values({
        id,
        email: `${id}@example.org`,
        name: 'n',
        password_hash: '',
        role: 'uploader',
        last_login_at: null,
        quota_bytes: limits.quota_bytes ?? null,
        quota_videos: limits.quota_videos ?? null,
      })
      .execute();
    return id;
  }

  async function open(ownerId: string | null, bytes: number, leaseMs = HOUR_MS): Promise<string> {
    const objectId = randomUUID();
    await quotas.open(objectId, leaseMs, { ownerId, bytes, videos: 1 });
    return objectId;
  }

  async function commit(objectId: string, ownerId: string | null, size: number): Promise<string> {
    const id = randomUUID();
    const now = new Date();
    const described = { title: 't', description: '', filename: null, contentType: 'video/mp4' };
    const sha256 = randomBytes(32);
    await videos.insert(
      {
        id,
        objectId,
        ownerId,
        visibility: 'public',
        ...described,
        size,
        sha256,
        version: 1,
        createdAt: now,
        updatedAt: now,
      },
      { size, sha256, chunks: [], record: [] },
    );
    return id;
  }

  const exceeded = { code: 'quota_exceeded' };

  test('what is stored and reserved together is never more than the limit', async () => {
    const owner = await addUser();
    const first = await open(owner, 600);
    await expect(open(owner, 401)).rejects.toMatchObject(exceeded);
    await commit(first, owner, 600);
    await expect(open(owner, 401)).rejects.toMatchObject(exceeded);
    await open(owner, 400);
    expect(await quotas.usageOf(owner)).toEqual({
      bytes: 600,
      videos: 1,
      reservedBytes: 400,
      reservedVideos: 1,
      bytesMax: 1000,
      videosMax: 3,
    });
  });

  test('many at once do not get more than one after the other', async () => {
    const owner = await addUser({ quota_videos: 0 });
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => open(owner, 150)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(6);
    expect(await quotas.usageOf(owner)).toMatchObject({ reservedBytes: 900, reservedVideos: 6 });
  });

  test('many that grow at once do not, either', async () => {
    const owner = await addUser({ quota_videos: 0 });
    const ids = await Promise.all(Array.from({ length: 10 }, () => open(owner, 1)));
    const results = await Promise.allSettled(ids.map((id) => quotas.grow(id, 200)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(await quotas.usageOf(owner)).toMatchObject({ reservedBytes: 806 });
    await quotas.grow(ids[results.findIndex(({ status }) => status === 'fulfilled')]!, 150);
    expect(await quotas.usageOf(owner)).toMatchObject({ reservedBytes: 806 });
  });

  test('the refusal has the numbers, and leaves nothing open', async () => {
    const owner = await addUser({ quota_bytes: 10 });
    const objectId = randomUUID();
    await expect(
      quotas.open(objectId, HOUR_MS, { ownerId: owner, bytes: 11, videos: 1 }),
    ).rejects.toMatchObject({
      ...exceeded,
      details: { wantedBytes: 11, usage: { bytes: 0, reservedBytes: 0, bytesMax: 10 } },
    });
    expect(await objects.renew([objectId], HOUR_MS)).toEqual([objectId]);
    expect(await quotas.usageOf(owner)).toMatchObject({ reservedBytes: 0, reservedVideos: 0 });
  });

  test('the number of videos has a limit as well, with room for what is not reserved', async () => {
    const owner = await addUser({ quota_bytes: 0 });
    for (let count = 0; count < 2; count++) await open(owner, 10_000);
    const part = { ownerId: owner, bytes: 1, videos: 0, videosRoom: 1 };
    await quotas.open(randomUUID(), HOUR_MS, part);
    await open(owner, 1);
    await expect(open(owner, 1)).rejects.toMatchObject(exceeded);
    await expect(quotas.open(randomUUID(), HOUR_MS, part)).rejects.toMatchObject(exceeded);
  });

  test('what is given up or expires is given back', async () => {
    const owner = await addUser();
    await objects.abandon(await open(owner, 900));
    await open(owner, 900, 1);
    await expect.poll(() => objects.expireOpen()).toBeGreaterThan(0);
    expect(await quotas.usageOf(owner)).toMatchObject({ reservedBytes: 0, reservedVideos: 0, bytes: 0 });
  });

  test('a deleted video frees its room, and one that changes hands takes that of another', async () => {
    const [owner, other] = [await addUser(), await addUser()];
    const id = await commit(await open(owner, 700), owner, 700);
    await commit(await open(null, 5), null, 5);
    const inTransaction = handle.kysely.transaction();
    await inTransaction.execute((transaction) =>
      videos.update(transaction, id, { ownerId: other }, { updatedAt: new Date() }),
    );
    expect(await quotas.usageOf(owner)).toMatchObject({ bytes: 0, videos: 0 });
    expect(await quotas.usageOf(other)).toMatchObject({ bytes: 700, videos: 1 });
    await inTransaction.execute((transaction) => videos.delete(transaction, id, {}));
    expect(await quotas.usageOf(other)).toMatchObject({ bytes: 0, videos: 0 });
  });

  test('nought is no limit, and operators have none', async () => {
    const owner = await addUser({ quota_bytes: 0, quota_videos: 0 });
    for (let count = 0; count < 5; count++) await open(owner, 10_000);
    expect(await quotas.usageOf(owner)).toMatchObject({ bytesMax: null, videosMax: null });
    await quotas.grow(await open(null, 10_000), 20_000);
  });
});
