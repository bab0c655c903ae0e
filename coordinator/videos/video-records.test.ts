import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { AppError } from '../../lib/errors/app-error.ts';
import { decodeRecord } from '../records/record-codec.ts';
import { VideoServer } from './test-support/video-server.ts';

let server: VideoServer;
beforeEach(async () => {
  server = await VideoServer.open();
});
afterEach(() => server[Symbol.asyncDispose]());

const noQuorum = () => new AppError('write_quorum_unavailable', 'No nodes.', { retryable: true });
/** The one record that is stored. */
async function storedRecord() {
  await vi.waitFor(() => expect(server.store.recordIds).toHaveLength(1));
  return await decodeRecord([server.store.chunks.get(server.store.recordIds[0]!)!]);
}
/** What the record has to say of the video. */
function expected(id: string) {
  const { objectId, size, sha256, ...video } = server.videos.videos.get(id)!;
  return { objectId, size, sha256: new Uint8Array(sha256!), video };
}
const change = (id: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${server.url}/${id}`, {
    method: 'PATCH',
    body: JSON.stringify(body),
    headers: { ...server.authorization, 'content-type': 'application/json', ...headers },
  });

describe('an upload', () => {
  test('leaves a record that says all of it', async () => {
    const { id } = await server.upload('x'.repeat(100_000), '?filename=a.mp4&description=Some');
    const record = await storedRecord();
    expect(record).toMatchObject(expected(id));
    expect(record.chunks.map(({ length }) => length)).toEqual([65_536, 34_464]);
    const { objectId } = server.videos.videos.get(id)!;
    expect((await server.objects.record(objectId)).map((chunk) => chunk.id)).toEqual(server.store.recordIds);
  });

  test('whose record cannot be stored leaves nothing', async () => {
    server.store.recordFailure = noQuorum();
    await expect(server.upload('x')).rejects.toThrow('503');
    expect(server.isEmpty).toBe(true);
  });
});

describe('a change', () => {
  test('swaps the record for one that says it', async () => {
    const { id } = await server.upload('x', '?title=Old');
    const [before] = server.store.recordIds;
    server.nowMs += 1000;
    expect((await change(id, { title: 'New', description: 'More' })).status).toBe(200);
    const record = await storedRecord();
    expect(server.store.recordIds).not.toEqual([before]);
    expect(record).toMatchObject(expected(id));
    expect(record.video).toMatchObject({ title: 'New', description: 'More', version: 2 });
  });

  test('that changes nothing writes nothing', async () => {
    const { id } = await server.upload('x');
    const before = server.store.recordIds;
    expect((await change(id, {})).status).toBe(200);
    expect(server.store.recordIds).toEqual(before);
  });

  test('whose record cannot be stored does not happen', async () => {
    const { id } = await server.upload('x', '?title=Old');
    server.store.recordFailure = noQuorum();
    expect((await change(id, { title: 'New' })).status).toBe(503);
    expect(server.videos.videos.get(id)).toMatchObject({ title: 'Old', version: 1 });
    expect((await storedRecord()).video).toMatchObject({ title: 'Old', version: 1 });
    expect(server.objects.recordWrites.size).toBe(0);
    expect((await change(id, { title: 'New' })).status).toBe(200);
  });

  test('at the same time as others is made upon theirs', async () => {
    const { id } = await server.upload('x');
    const changes = [
      { title: 'T' },
      { description: 'D' },
      { filename: 'f.mp4' },
      { contentType: 'video/webm' },
    ];
    const answers = await Promise.all(changes.map((body) => change(id, body)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const all = { title: 'T', description: 'D', filename: 'f.mp4', contentType: 'video/webm', version: 5 };
    expect(server.videos.videos.get(id)).toMatchObject(all);
    expect((await storedRecord()).video).toMatchObject(all);
  });

  test('of a video that is deleted meanwhile leaves nothing', async () => {
    const { id } = await server.upload('x');
    server.store.onRecord = async () => {
      server.store.onRecord = async () => {};
      await server.service.delete(id, () => {});
    };
    expect((await change(id, { title: 'New' })).status).toBe(404);
    await vi.waitFor(() => expect(server.isEmpty).toBe(true));
  });

  test('that takes longer than its lease is not made', async () => {
    const { id } = await server.upload('x', '?title=Old');
    server.store.onRecord = async () => server.objects.recordWrites.clear();
    expect((await change(id, { title: 'New' })).status).toBe(409);
    expect((await storedRecord()).video.title).toBe('Old');
  });
});

describe('a deletion', () => {
  test('takes the record from the nodes before it answers', async () => {
    const { id } = await server.upload('x');
    const removing = Promise.withResolvers<void>();
    server.store.onRemove = () => removing.promise;
    const answer = await fetch(`${server.url}/${id}`, { method: 'DELETE', headers: server.authorization });
    expect(answer.status).toBe(204);
    expect(server.store.recordIds).toEqual([]);
    expect(server.store.chunks.size).toBe(1);
    removing.resolve();
  });

  test('does not wait for ever for nodes that do not answer', async () => {
    const { id } = await server.upload('x');
    const answered = Promise.withResolvers<void>();
    server.store.onRemoveEverywhere = () => answered.promise;
    const answer = await fetch(`${server.url}/${id}`, { method: 'DELETE', headers: server.authorization });
    expect(answer.status).toBe(204);
    expect(server.store.recordIds).toHaveLength(1);
    answered.resolve();
    await vi.waitFor(() => expect(server.store.recordIds).toEqual([]));
  });
});
