import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { sha256, UploadWorld } from './test-support/upload-world.ts';
import { UploadRepository } from './upload-repository.ts';

const MIB = 1024 * 1024;
const PATIENT = { timeout: 20_000, interval: 20 };

describe.each(ENGINES)('uploads that meet trouble, on %s', (engine) => {
  let world: UploadWorld;
  beforeAll(async () => {
    world = await UploadWorld.open(engine, { count: 2 });
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  const videoOf = async (path: string) => {
    const id = (await world.tus('HEAD', path)).headers['orbitvids-video-id']!;
    return { bytes: await world.download(id), json: (await world.ask('GET', `/videos/${id}`)).json };
  };

  test('a connection that is cut loses nothing of what arrived, wherever the upload goes on', async () => {
    const bytes = randomBytes(9 * MIB);
    const path = await world.create(bytes.length);
    let offset = 0;
    for (const [round, piece] of [1, 100_000, 2 * MIB, 3 * MIB + 17].entries()) {
      const at = round % 2;
      const sending = world.openPatch(path, offset, bytes.length - offset, { at });
      await sending.write(bytes.subarray(offset, offset + piece));
      // What has not been looked at when the connection ends is gone with it.
      await expect.poll(() => isHeld(path), PATIENT).toBe(true);
      sending.cut();
      offset += piece;
      // Whoever asks waits until what came is stored.
      await expect.poll(() => world.offset(path, { at: 1 - at }), PATIENT).toBe(offset);
    }
    expect((await world.patch(path, offset, bytes.subarray(offset))).status).toBe(204);
    const { bytes: stored, json } = await videoOf(path);
    expect(stored.equals(bytes)).toBe(true);
    // No coordinator has seen all of it, so this is computed later.
    expect(json.sha256).toBeNull();
    expect(await world.deadChunks()).toEqual([]);
  });

  test('the SHA-256 goes on where the connection was cut', async () => {
    const bytes = randomBytes(5 * MIB);
    const path = await world.create(bytes.length);
    const sending = world.openPatch(path, 0, bytes.length);
    await sending.write(bytes.subarray(0, 2 * MIB + 11));
    sending.cut();
    await expect.poll(() => world.offset(path), PATIENT).toBe(2 * MIB + 11);
    await world.patch(path, 2 * MIB + 11, bytes.subarray(2 * MIB + 11));
    expect((await videoOf(path)).json.sha256).toBe(sha256(bytes));
  });

  test.each([0, 1])(
    'a request that hangs lets go of its upload when another one comes to coordinator %i',
    async (at) => {
      const bytes = randomBytes(3 * MIB);
      const path = await world.create(bytes.length);
      const hanging = world.openPatch(path, 0, bytes.length);
      await hanging.write(bytes.subarray(0, MIB));
      await expect.poll(() => isHeld(path), PATIENT).toBe(true);
      await expect.poll(() => world.offset(path, { at }), PATIENT).toBe(MIB);
      expect(await hanging.answer).toBe(409);
      const second = world.openPatch(path, MIB, 2 * MIB, { at });
      await second.write(bytes.subarray(MIB, 2 * MIB));
      await expect.poll(() => isHeld(path), PATIENT).toBe(true);
      const third = await world.tus('HEAD', path);
      const offset = Number(third.headers['upload-offset']);
      expect((await world.patch(path, offset, bytes.subarray(offset))).status).toBe(204);
      expect(await second.answer).toBe(409);
      expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
    },
  );

  test('of two clients that send at once each byte comes from one', async () => {
    const bytes = randomBytes(6 * MIB);
    const path = await world.create(bytes.length);
    const client = async (at: number) => {
      for (let tries = 0; tries < 50; tries++) {
        const head = await world.tus('HEAD', path, { at }).catch(() => undefined);
        const offset = Number(head?.headers['upload-offset'] ?? Number.NaN);
        if (offset === bytes.length) return;
        if (Number.isNaN(offset)) continue;
        await world.patch(path, offset, bytes.subarray(offset, offset + MIB), { at }).catch(() => undefined);
      }
    };
    await Promise.all([client(0), client(1), client(0)]);
    expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
  });

  test('a giving up ends the request that hangs', async () => {
    const path = await world.create(MIB);
    const hanging = world.openPatch(path, 0, MIB);
    await hanging.write(randomBytes(1000));
    await expect.poll(() => isHeld(path), PATIENT).toBe(true);
    expect((await world.tus('DELETE', path, { at: 1 })).status).toBe(204);
    expect(await hanging.answer).toBe(409);
    expect((await world.tus('HEAD', path)).status).toBe(404);
  });

  test('of a request with a checksum that is cut nothing is kept', async () => {
    const path = await world.create(6 * MIB);
    const before = world.storedChunks().size;
    const sum = `sha256 ${Buffer.alloc(32).toString('base64')}`;
    const sending = world.openPatch(path, 0, 6 * MIB, { headers: { 'upload-checksum': sum } });
    await sending.write(randomBytes(5 * MIB));
    await expect.poll(() => world.storedChunks().size, PATIENT).toBeGreaterThan(before);
    sending.cut();
    await expect.poll(() => isHeld(path), PATIENT).toBe(false);
    expect(await world.offset(path)).toBe(0);
    await expect.poll(() => world.storedChunks().size, PATIENT).toBe(before);
  });

  test('what a holder that died has locked is free when its lease is over', async () => {
    const bytes = randomBytes(1000);
    const path = await world.create(bytes.length);
    await world.patch(path, 0, bytes.subarray(0, 500));
    const soon = new Date(Date.now() + 700);
    await world.database.kysely
      .updateTable('uploads')
      .set({ holder: randomUUID(), lock_expires_at: soon, held_since: new Date() })
      .where('id', '=', idOf(path))
      .execute();
    expect((await world.patch(path, 500, bytes.subarray(500), { at: 1 })).status).toBe(204);
    expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
  });

  test('who has lost an upload stores nothing of it', async () => {
    const bytes = randomBytes(4 * MIB);
    const path = await world.create(bytes.length);
    const late = world.openPatch(path, 0, bytes.length);
    await late.write(bytes.subarray(0, 1000));
    await expect.poll(() => isHeld(path), PATIENT).toBe(true);
    // As if it had been away for longer than its lease, and another one had come.
    await world.database.kysely
      .updateTable('uploads')
      .set((eb) => ({ fence: eb('fence', '+', 1), holder: null, lock_expires_at: null }))
      .where('id', '=', idOf(path))
      .execute();
    expect((await world.patch(path, 0, bytes.subarray(0, MIB), { at: 1 })).status).toBe(204);
    await late.write(bytes.subarray(1000));
    late.end();
    expect(await late.answer).toBe(409);
    expect(await world.offset(path)).toBe(MIB);
    expect((await world.patch(path, MIB, bytes.subarray(MIB), { at: 1 })).status).toBe(204);
    expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
  });

  test('an upload that has all its bytes, and whose last request died, is complete for who asks', async () => {
    const bytes = randomBytes(1000);
    const path = await world.create(undefined);
    await world.patch(path, 0, bytes);
    await world.database.kysely
      .updateTable('uploads')
      .set({ length: 1000 })
      .where('id', '=', idOf(path))
      .execute();
    expect((await world.ask('GET', path)).json).toMatchObject({ state: 'open', offset: 1000, length: 1000 });
    expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
  });

  test('when the nodes cannot take more, what they took is kept, and the upload goes on later', async () => {
    const bytes = randomBytes(9 * MIB);
    const path = await world.create(bytes.length);
    await world.patch(path, 0, bytes.subarray(0, 2 * MIB));
    for (const id of ['n1', 'n2', 'n3']) world.nodes.faults.set(id, 'dead');
    const refused = await world.patch(path, 2 * MIB, bytes.subarray(2 * MIB, 3 * MIB));
    expect([refused.status, refused.json.code]).toEqual([503, 'write_quorum_unavailable']);
    expect(await world.offset(path)).toBe(2 * MIB);
    world.nodes.faults.clear();
    await world.patch(path, 2 * MIB, bytes.subarray(2 * MIB, 8 * MIB));
    // All bytes are there, but the record of the video cannot be written.
    for (const id of ['n1', 'n2', 'n3']) world.nodes.faults.set(id, 'full');
    const full = await world.patch(path, 8 * MIB, bytes.subarray(8 * MIB));
    expect([full.status, full.json.code]).toEqual([507, 'insufficient_storage']);
    // To tus clients any other status means that the upload is gone.
    const all = await world.tus('HEAD', path);
    expect(
      all.status === 200 ? Number(all.headers['upload-offset']) < bytes.length : all.status === 423,
    ).toBe(true);
    world.nodes.faults.clear();
    const offset = await world.offset(path);
    await world.patch(path, offset, bytes.subarray(offset));
    expect((await videoOf(path)).bytes.equals(bytes)).toBe(true);
  });

  function idOf(path: string): string {
    return path.split('/').at(-1)!;
  }

  async function isHeld(path: string): Promise<boolean> {
    const row = await world.database.kysely
      .selectFrom('uploads')
      .select('holder')
      .where('id', '=', idOf(path))
      .executeTakeFirstOrThrow();
    return row.holder !== null;
  }
});

describe('uploads that take too long', () => {
  let world: UploadWorld;
  beforeAll(async () => {
    world = await UploadWorld.open('postgresql', { idleMs: 2000 });
  });
  afterAll(() => world?.[Symbol.asyncDispose]());

  /** As if so much time had passed. */
  async function letExpire(path: string): Promise<void> {
    const past = new Date(Date.now() - 1000);
    const id = path.split('/').at(-1)!;
    const { object_id: objectId } = await world.database.kysely
      .updateTable('uploads')
      .set({ expires_at: past })
      .where('id', '=', id)
      .returning('object_id')
      .executeTakeFirstOrThrow();
    await world.database.kysely
      .updateTable('objects')
      .set({ lease_expires_at: past })
      .where('id', '=', objectId!)
      .where('state', '=', 'open')
      .execute();
  }

  test('expire with everything of theirs', async () => {
    const token = await world.addUser({ bytes: 3000 });
    const path = await world.create(3000, { token });
    await world.patch(path, 0, randomBytes(1000), { token });
    await letExpire(path);
    expect((await world.tus('HEAD', path, { token })).status).toBe(410);
    expect((await world.patch(path, 1000, randomBytes(5), { token })).status).toBe(410);
    expect(await world.objects.expireOpen()).toBe(1);
    expect((await world.tus('HEAD', path, { token })).status).toBe(404);
    expect((await world.deadChunks()).length).toBe(world.storedChunks().size);
    await world.create(3000, { token });
  });

  test('what is sent keeps an upload from expiring, and a complete one is forgotten after a while', async () => {
    const path = await world.create(2);
    const expiryOf = async () => Date.parse((await world.ask('GET', path)).json.expiresAt);
    const before = await expiryOf();
    await expect.poll(() => Date.now(), PATIENT).toBeGreaterThan(before - 3_600_000 + 5);
    await world.patch(path, 0, Buffer.from('x'));
    expect(await expiryOf()).toBeGreaterThan(before);
    await world.patch(path, 1, Buffer.from('x'));
    const id = (await world.tus('HEAD', path)).headers['orbitvids-video-id']!;
    await letExpire(path);
    expect((await world.tus('HEAD', path)).status).toBe(410);
    const repository = new UploadRepository(world.database.kysely, { expiryMs: 1000 });
    expect(await repository.expire()).toBe(1);
    expect((await world.tus('HEAD', path)).status).toBe(404);
    expect((await world.download(id)).toString()).toBe('xx');
  });

  test('a client that falls silent is cut off, and what it sent is kept', async () => {
    const path = await world.create(2000);
    const silent = world.openPatch(path, 0, 2000);
    await silent.write(randomBytes(700));
    // A 408 would make clients give up.
    expect(await silent.answer).toBeUndefined();
    expect(await world.offset(path)).toBe(700);
  });
});

test('a coordinator that stops lets go of its uploads', async () => {
  await using world = await UploadWorld.open('postgresql', { count: 2 });
  const bytes = randomBytes(2 * MIB);
  const path = await world.create(bytes.length);
  const sending = world.openPatch(path, 0, bytes.length);
  await sending.write(bytes.subarray(0, MIB));
  await expect
    .poll(
      async () =>
        (await world.database.kysely.selectFrom('uploads').select('holder').executeTakeFirstOrThrow()).holder,
      PATIENT,
    )
    .not.toBeNull();
  world.coordinators[0]!.stop();
  expect(await sending.answer).toBe(409);
  expect(await world.offset(path, { at: 1 })).toBe(MIB);
  expect((await world.patch(path, MIB, bytes.subarray(MIB), { at: 1 })).status).toBe(204);
});
