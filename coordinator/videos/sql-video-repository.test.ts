import { createHash } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { SqlVideoRepository } from './sql-video-repository.ts';
import type { Audience, Video, VideoChanges } from './video-repository.ts';

describe.each(ENGINES)('videos on %s', (engine) => {
  let handle: DatabaseHandle;
  let objects: SqlObjectRepository;
  let videos: SqlVideoRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    objects = new SqlObjectRepository(handle.kysely);
    videos = new SqlVideoRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  afterEach(async () => {
    await handle.kysely.deleteFrom('videos').execute();
    await handle.kysely.deleteFrom('objects').execute();
  });

  async function insert(overrides: Partial<Video> = {}): Promise<Video> {
    const video: Video = {
      id: uuidv7(),
      objectId: uuidv7(),
      ownerId: uuidv7(),
      visibility: 'unlisted',
      title: 'Ünïcode 愛 \u{1f600}',
      description: 'Line 1\nLine 2',
      filename: `it's "a".mp4`,
      contentType: 'video/mp4',
      size: 2 ** 42 + 1,
      sha256: new Uint8Array(createHash('sha256').update('x').digest()),
      version: 1,
      createdAt: new Date('2026-01-02T03:04:05.678Z'),
      updatedAt: new Date('2026-01-02T03:04:05.679Z'),
      ...overrides,
    };
    await objects.open(video.objectId, 60_000);
    await videos.insert(video, { size: video.size, sha256: video.sha256, chunks: [], record: [] });
    return video;
  }
  const plain = (video: Video | null) => video && { ...video, sha256: new Uint8Array(video.sha256!) };
  const update = (id: string, changes: VideoChanges, options: { updatedAt: Date; version?: number }) =>
    handle.kysely.transaction().execute((transaction) => videos.update(transaction, id, changes, options));
  const remove = (id: string, version?: number) =>
    handle.kysely.transaction().execute((transaction) => videos.delete(transaction, id, { version }));

  test('a video comes back as it went in', async () => {
    const video = await insert();
    expect(plain(await videos.find(video.id))).toEqual(video);
    const nameless = await insert({ filename: null, description: '' });
    expect(plain(await videos.find(nameless.id))).toEqual(nameless);
    expect(await videos.find(uuidv7())).toBeNull();
  });

  test('a video without an open object is not inserted', async () => {
    const video = await insert();
    const stored = { size: video.size, sha256: video.sha256, chunks: [], record: [] };
    const expired = { code: 'upload_expired' };
    for (const objectId of [uuidv7(), video.objectId]) {
      const id = uuidv7();
      await expect(videos.insert({ ...video, id, objectId }, stored)).rejects.toMatchObject(expired);
      expect(await videos.find(id)).toBeNull();
    }
  });

  test('an object whose video cannot be inserted stays open', async () => {
    const video = await insert();
    const objectId = uuidv7();
    await objects.open(objectId, 60_000);
    const stored = {
      size: 1,
      sha256: video.sha256,
      chunks: [{ id: 'chunk', position: 1, length: 1, checksum: 1 }],
      record: [],
    };
    await expect(videos.insert({ ...video, objectId }, stored)).rejects.toMatchObject({ code: '23505' });
    expect(await objects.manifest(objectId)).toBeNull();
    expect(await objects.renew([objectId], 60_000)).toEqual([]);
    const chunks = await handle.kysely.selectFrom('chunks').select('id').execute();
    expect(chunks).toEqual([]);
    const id = uuidv7();
    await videos.insert({ ...video, id, objectId }, stored);
    expect((await objects.manifest(objectId))?.chunks).toEqual(stored.chunks);
    expect(await videos.find(id)).not.toBeNull();
  });

  test('a change applies what is given and counts the version up', async () => {
    const video = await insert();
    const updatedAt = new Date('2026-02-03T04:05:06.789Z');
    const changed = { ...video, title: 'New', version: 2, updatedAt };
    expect(plain(await update(video.id, { title: 'New' }, { updatedAt }))).toEqual(changed);
    expect(plain(await videos.find(video.id))).toEqual(changed);
    const all = { title: 'T', description: 'D', filename: 'f.webm', contentType: 'video/webm' };
    expect(plain(await update(video.id, all, { updatedAt, version: 2 }))).toEqual({
      ...changed,
      ...all,
      version: 3,
    });
  });

  test('a change meant for another version does nothing', async () => {
    const video = await insert();
    const options = { updatedAt: new Date(), version: 2 };
    expect(await update(video.id, { title: 'New' }, options)).toBeNull();
    expect(await update(uuidv7(), { title: 'New' }, { updatedAt: new Date() })).toBeNull();
    expect(plain(await videos.find(video.id))).toEqual(video);
  });

  test('of concurrent changes to one version exactly one succeeds', async () => {
    const video = await insert();
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        update(video.id, { title: `T${index}` }, { updatedAt: new Date(), version: 1 }),
      ),
    );
    expect(results.filter((result) => result !== null)).toHaveLength(1);
  });

  test('a deletion returns what was there, once', async () => {
    const video = await insert();
    expect(await remove(video.id, 2)).toBeNull();
    expect(plain(await remove(video.id, 1))).toEqual(video);
    expect(await remove(video.id)).toBeNull();
    expect(await videos.find(video.id)).toBeNull();
  });

  test('a video and its object go in one transaction', async () => {
    const video = await insert();
    await handle.kysely.transaction().execute(async (transaction) => {
      const deleted = await videos.delete(transaction, video.id, {});
      await objects.delete(transaction, deleted!.objectId);
    });
    expect(await objects.manifest(video.objectId)).toBeNull();
  });

  test('pages go from the newest to the oldest, each video once, whatever is inserted meanwhile', async () => {
    const times = [5, 3, 3, 3, 9, 1, 7, 7].map((second) => new Date(Date.UTC(2026, 0, 1, 0, 0, second, 123)));
    const inserted: Video[] = [];
    for (const createdAt of times) inserted.push(await insert({ createdAt }));
    const expected = inserted
      .toSorted((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1))
      .map(({ id }) => id);

    const seen: string[] = [];
    let after: Video | undefined;
    for (;;) {
      // Through the cursor, as a client would.
      const page = await videos.list({
        limit: 3,
        audience: 'everything',
        after: after && decodeCursor(encodeCursor(after)),
      });
      seen.push(...page.map(({ id }) => id));
      after = page.at(-1);
      if (page.length < 3) break;
      await insert({ createdAt: new Date(Date.UTC(2027, 0, 1)) });
    }
    expect(seen).toEqual(expected);
  });

  test('lists what the audience may see, and changes whose it is', async () => {
    const ownerId = uuidv7();
    const made: Record<string, Video> = {};
    for (const visibility of ['public', 'unlisted', 'private'] as const) {
      made[visibility] = await insert({ ownerId, visibility });
    }
    const ids = async (audience: Audience, of?: string) =>
      (await videos.list({ limit: 9, audience, ownerId: of })).map(({ id }) => id).sort();
    const all = Object.values(made)
      .map(({ id }) => id)
      .sort();
    expect(await ids('everything')).toEqual(all);
    expect(await ids({ userId: null })).toEqual([made.public!.id]);
    expect(await ids({ userId: uuidv7() })).toEqual([made.public!.id]);
    expect(await ids({ userId: ownerId })).toEqual(all);
    expect(await ids({ userId: null }, ownerId)).toEqual([made.public!.id]);
    expect(await ids('everything', uuidv7())).toEqual([]);
    const next = uuidv7();
    const changed = await handle.kysely
      .transaction()
      .execute((transaction) =>
        videos.update(
          transaction,
          made.private!.id,
          { visibility: 'public', ownerId: next },
          { updatedAt: new Date() },
        ),
      );
    expect(changed).toMatchObject({ visibility: 'public', ownerId: next });
    expect(await ids({ userId: next })).toEqual([made.public!.id, made.private!.id].sort());
  });
});
