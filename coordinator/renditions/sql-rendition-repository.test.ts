import { v7 as uuidv7 } from 'uuid';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import type { PictureFile, Rendition } from './rendition.ts';
import { pieceOf, RenditionWorld, renditionOf } from './test-support/rendition-world.ts';

describe.each(ENGINES)('renditions on %s', (engine) => {
  let world: RenditionWorld;
  beforeAll(async () => {
    world = await RenditionWorld.open(engine);
  });
  afterAll(() => world[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const table of ['rendition_pieces', 'renditions', 'pictures', 'videos', 'objects'] as const)
      await world.handle.kysely.deleteFrom(table).execute();
    world.announced.length = 0;
  });

  const objectCount = async () =>
    (await world.handle.kysely.selectFrom('objects').select('id').execute()).length;
  const picture = (videoId: string, name = 'poster.jpg'): Omit<PictureFile, 'object'> => ({
    ...{ videoId, name, contentType: 'image/jpeg', width: 1280, height: 720 },
    createdAt: new Date('2026-01-02T03:04:07.891Z'),
  });
  const put = (file: Omit<PictureFile, 'object'>, output: { objectId: string; size: number }) =>
    world.inTransaction((transaction) => world.renditions.putPicture(transaction, file, output));

  test('a rendition and its pieces come back as they went in', async () => {
    const video = await world.video();
    const made = await world.rendition(video.id);
    const sound = await world.rendition(video.id, {
      ...{ name: 'audio-0', origin: 'virtual' },
      media: {
        ...{ kind: 'audio', track: 0, language: 'de', label: 'Ton “1”', isDefault: true },
        ...{ codecs: 'mp4a.40.2', channels: 2, sampleRate: 48_000 },
      },
    });
    const second = await world.output(50);
    const first = await world.output(300, 200);
    await world.add(made.id, pieceOf([50], { index: 1, servedLengths: [2 ** 31 - 1] }), second);
    await world.add(made.id, pieceOf([300, 150, 50]), first);

    expect(await world.renditions.list(video.id)).toEqual([
      { ...made, isReady: false },
      { ...sound, isReady: false },
    ]);
    const pieces = await world.renditions.pieces(made.id);
    expect(pieces.map((piece) => ({ ...piece, init: [...piece.init] }))).toEqual([
      {
        ...pieceOf([300, 150, 50]),
        init: [1, 2, 3],
        object: { objectId: first.objectId, size: 500, chunks: first.chunks },
      },
      {
        ...pieceOf([50], { index: 1, servedLengths: [2 ** 31 - 1] }),
        init: [1, 2, 3],
        object: { objectId: second.objectId, size: 50, chunks: second.chunks },
      },
    ]);
    expect(await world.renditions.pieces(sound.id)).toEqual([]);
    expect(await world.objects.manifest(first.objectId)).not.toBeNull();
    // Not open any more, so no lease can take it away.
    expect(await world.objects.renew([first.objectId], 1)).toEqual([first.objectId]);
  });

  test('what is published takes the place of what has its name', async () => {
    const video = await world.video();
    const old = await world.rendition(video.id);
    await world.add(old.id, pieceOf([5]), await world.output(5));
    await world.publish(old.id);
    const other = await world.rendition(video.id, { name: '480p' });
    const objects = await objectCount();
    const next = await world.rendition(video.id);
    await world.add(next.id, pieceOf([7]), await world.output(7));
    const states = async () =>
      Object.fromEntries((await world.renditions.list(video.id)).map(({ id, isReady }) => [id, isReady]));
    expect(await states()).toEqual({ [old.id]: true, [other.id]: false, [next.id]: false });
    world.announced.length = 0;
    await world.publish(next.id);
    expect(await states()).toEqual({ [other.id]: false, [next.id]: true });
    expect(await objectCount()).toBe(objects);
    expect(world.announced).toEqual([video.id]);
    const stale = world.inTransaction((transaction) => world.renditions.publish(transaction, old.id));
    await expect(stale).rejects.toMatchObject({ code: 'rendition_not_found' });
  });

  test('of two that are published at once one stays', async () => {
    const video = await world.video();
    for (let round = 0; round < 5; round++) {
      const both = [await world.rendition(video.id), await world.rendition(video.id)];
      const results = await Promise.allSettled(both.map(({ id }) => world.publish(id)));
      const failures = results.filter((result) => result.status === 'rejected');
      for (const { reason } of failures) expect(reason).toMatchObject({ code: 'rendition_not_found' });
      const left = await world.renditions.list(video.id);
      expect(left.map(({ isReady }) => isReady)).toEqual([true]);
    }
  });

  test('a piece takes the place of the one before it, whose object goes', async () => {
    const video = await world.video();
    const { id } = await world.rendition(video.id);
    await world.add(id, pieceOf([5]), await world.output(5));
    const objects = await objectCount();
    const again = await world.output(6);
    await world.add(id, pieceOf([6]), again);
    expect((await world.renditions.pieces(id)).map(({ object }) => object.objectId)).toEqual([
      again.objectId,
    ]);
    expect(await objectCount()).toBe(objects);
  });

  test.each([
    ['no segment', pieceOf([]), 'invalid_request'],
    ['other lengths than durations', pieceOf([5, 5], { durations: [1] }), 'invalid_request'],
    ['other served lengths', pieceOf([5, 5], { servedLengths: [1] }), 'invalid_request'],
    ['a length of nothing', pieceOf([0, 10]), 'invalid_request'],
    ['a duration that is too long to store', pieceOf([10], { durations: [2 ** 31] }), 'invalid_request'],
    ['no initialization segment', pieceOf([10], { init: new Uint8Array() }), 'invalid_request'],
    ['fewer bytes than the output', pieceOf([9]), 'invalid_request'],
    ['more bytes than the output', pieceOf([11]), 'invalid_request'],
  ])('a piece with %s is refused', async (_, piece, code) => {
    const video = await world.video();
    const { id } = await world.rendition(video.id);
    const output = await world.output(10);
    await expect(world.add(id, piece, output)).rejects.toMatchObject({ code });
    expect(await world.renditions.pieces(id)).toEqual([]);
    expect(await world.objects.renew([output.objectId], 60_000)).toEqual([]);
  });

  test('an output that is gone, or not as long as it is said to be, stays what it was', async () => {
    const video = await world.video();
    const { id } = await world.rendition(video.id);
    const expired = { code: 'upload_expired' };
    await expect(world.add(id, pieceOf([9]), { objectId: uuidv7(), size: 9 })).rejects.toMatchObject(expired);
    const output = await world.output(10);
    const longer = { objectId: output.objectId, size: 12 };
    await expect(world.add(id, pieceOf([12]), longer)).rejects.toMatchObject({ code: 'conflict' });
    await expect(put(picture(video.id), longer)).rejects.toMatchObject({ code: 'conflict' });
    expect(await world.objects.renew([output.objectId], 60_000)).toEqual([]);
    await world.add(id, pieceOf([10]), output);
    await expect(world.add(id, pieceOf([10], { index: 1 }), output)).rejects.toMatchObject(expired);
    await expect(put(picture(video.id), output)).rejects.toMatchObject(expired);
    expect(await world.renditions.pieces(id)).toHaveLength(1);
    expect(await world.renditions.pictures(video.id)).toEqual([]);
  });

  test('nothing is added to what is complete or gone', async () => {
    const video = await world.video();
    const { id } = await world.rendition(video.id);
    await world.publish(id);
    const output = await world.output(10);
    await expect(world.add(id, pieceOf([10]), output)).rejects.toMatchObject({ code: 'conflict' });
    const missing = { code: 'rendition_not_found' };
    await expect(world.add(uuidv7(), pieceOf([10]), output)).rejects.toMatchObject(missing);
    const gone = { code: 'video_not_found' };
    await expect(put(picture(uuidv7()), output)).rejects.toMatchObject(gone);
    await expect(world.rendition(uuidv7())).rejects.toMatchObject(gone);
  });

  test('a picture takes the place of the one with its name', async () => {
    const video = await world.video();
    const [one, two, sprite] = [await world.output(5), await world.output(6), await world.output(7)];
    await put(picture(video.id), one);
    await put(picture(video.id, 'storyboard-1.jpg'), sprite);
    await put({ ...picture(video.id), width: null, height: null }, two);
    expect(await world.renditions.pictures(video.id)).toEqual([
      {
        ...{ ...picture(video.id), width: null, height: null },
        object: { objectId: two.objectId, size: 6, chunks: two.chunks },
      },
      {
        ...picture(video.id, 'storyboard-1.jpg'),
        object: { objectId: sprite.objectId, size: 7, chunks: sprite.chunks },
      },
    ]);
    expect(await world.objects.manifest(one.objectId)).toBeNull();
    expect(world.announced).toEqual([video.id, video.id, video.id]);
  });

  test('what never became ready can be discarded, and nothing else', async () => {
    const video = await world.video();
    const ready = await world.rendition(video.id, { name: 'ready' });
    await world.publish(ready.id);
    const objects = await objectCount();
    const draft = await world.rendition(video.id);
    await world.add(draft.id, pieceOf([5]), await world.output(5));
    await world.inTransaction((transaction) =>
      world.renditions.discard(transaction, [draft.id, ready.id, uuidv7()]),
    );
    await world.inTransaction((transaction) => world.renditions.discard(transaction, []));
    expect((await world.renditions.list(video.id)).map(({ id }) => id)).toEqual([ready.id]);
    expect(await objectCount()).toBe(objects);
  });

  const deleteVideo = (id: string) =>
    world.inTransaction(async (transaction) => {
      const video = await world.videos.delete(transaction, id, {});
      const derived = await world.renditions.deleteAll(transaction, id);
      await world.objects.delete(transaction, video!.objectId);
      return derived;
    });

  test('everything goes with the video', async () => {
    const kept = await world.video();
    const keptRendition = await world.rendition(kept.id);
    const objects = await objectCount();
    const video = await world.video();
    const [one, two, poster] = [await world.output(5), await world.output(3, 3), await world.output(7)];
    const ready = await world.rendition(video.id);
    await world.add(ready.id, pieceOf([5]), one);
    await world.publish(ready.id);
    const draft = await world.rendition(video.id, { name: '480p' });
    await world.add(draft.id, pieceOf([6]), two);
    await put(picture(video.id), poster);
    world.announced.length = 0;
    const derived = await deleteVideo(video.id);
    const byId = (a: { objectId: string }, b: { objectId: string }) => (a.objectId < b.objectId ? -1 : 1);
    expect(derived.toSorted(byId)).toEqual(
      [one, two, poster].map(({ objectId, chunks }) => ({ objectId, chunks })).toSorted(byId),
    );
    expect(await world.renditions.list(video.id)).toEqual([]);
    expect(await world.renditions.pictures(video.id)).toEqual([]);
    expect(await objectCount()).toBe(objects);
    expect((await world.renditions.list(kept.id)).map(({ id }) => id)).toEqual([keptRendition.id]);
    expect(world.announced).toEqual([video.id]);
    expect(
      await world.inTransaction((transaction) => world.renditions.deleteAll(transaction, uuidv7())),
    ).toEqual([]);
  });

  test('what comes while the video is deleted leaves nothing behind', async () => {
    for (let round = 0; round < 5; round++) {
      const before = await objectCount();
      const video = await world.video();
      const draft = await world.rendition(video.id);
      const outputs = await Promise.all([1, 2, 3].map(() => world.output(5)));
      const late: Promise<unknown>[] = [
        world.add(draft.id, pieceOf([5]), outputs[0]!),
        world.publish(draft.id),
        put(picture(video.id), outputs[1]!),
        deleteVideo(video.id),
        put(picture(video.id, 'preview.webp'), outputs[2]!),
        world.inTransaction((transaction) => world.renditions.create(transaction, renditionOf(video.id))),
      ];
      const results = await Promise.allSettled(late);
      expect(results[3]).toMatchObject({ status: 'fulfilled' });
      const codes = results.flatMap((result) =>
        result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
      );
      for (const code of codes)
        expect(['video_not_found', 'rendition_not_found', 'conflict']).toContain(code);
      expect(await world.renditions.list(video.id)).toEqual([] satisfies Rendition[]);
      const open = await world.objects.renew(
        outputs.map(({ objectId }) => objectId),
        60_000,
      );
      for (const { objectId } of outputs) await world.objects.abandon(objectId);
      expect(open.length).toBeLessThanOrEqual(3);
      expect(await objectCount()).toBe(before);
    }
  });
});
