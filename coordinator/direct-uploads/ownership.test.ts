import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Coordinators, type Session } from '../test-support/coordinators.ts';

let world: Coordinators;
let owner: Session;
let other: Session;

beforeAll(async () => {
  world = await Coordinators.open({
    engine: 'postgresql',
    env: { MAX_VIDEO_SIZE: '1GiB', QUOTA_BYTES: '10000' },
  });
  [owner, other] = [await world.join('uploader'), await world.join('uploader')];
}, 60_000);
afterAll(() => world[Symbol.asyncDispose]());

/** An upload as if the cluster had nodes: there are none here, so none gets URLs. */
async function addUpload(ownerId: string): Promise<string> {
  const { kysely } = world.database;
  const [id, videoId] = [randomUUID(), randomUUID()];
  const lease_expires_at = new Date(Date.now() + 60_000);
  await kysely
    .insertInto('objects')
    .values({ id, state: 'open', size: null, sha256: null, lease_expires_at })
    .execute();
  await kysely
    .insertInto('direct_uploads')
    .values({
      ...{ id, video_id: videoId, owner_id: ownerId, size: 5, part_bytes: 5, nonce: Buffer.alloc(3) },
      ...{ sha256: null, metadata: '{}' },
    })
    .execute();
  return id;
}

test('somebody else’s upload is not there', async () => {
  const id = await addUpload(owner.userId);
  const token = other.accessToken;
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['POST', '/complete'],
  ] as const) {
    const answer = await world.ask(method, `/uploads/direct/${id}${path}`, { token });
    expect([answer.status, answer.json.code]).toEqual([404, 'upload_not_found']);
  }
  const own = await world.ask('DELETE', `/uploads/direct/${id}`, { token: owner.accessToken });
  expect(own.status).toBe(204);
});

test('an upload whose time has run out is not there either', async () => {
  const id = await addUpload(owner.userId);
  await world.database.kysely
    .updateTable('objects')
    .set({ lease_expires_at: new Date(Date.now() - 1000) })
    .where('id', '=', id)
    .execute();
  const answer = await world.ask('GET', `/uploads/direct/${id}`, { token: owner.accessToken });
  expect(answer.status).toBe(404);
});

test('sizes, digests and quotas are checked before any URL is given out', async () => {
  const begin = (body: object) => world.ask('POST', '/uploads/direct', { token: owner.accessToken, body });
  for (const [body, field] of [
    [{}, 'size'],
    [{ size: 0 }, 'size'],
    [{ size: 1.5 }, 'size'],
    [{ size: 5, sha256: 'abc' }, 'sha256'],
    [{ size: 5, contentType: 'nonsense' }, 'contentType'],
    [{ size: 5, color: 'red' }, 'color'],
  ] as const) {
    const { status, json } = await begin(body);
    expect([status, json.errors[0].field]).toEqual([400, field]);
  }
  expect(await begin({ size: 2 ** 31 })).toMatchObject({ status: 413, json: { code: 'body_too_large' } });
  expect((await begin({ size: 20_000 })).json.code).toBe('quota_exceeded');
});
