import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VideoServer } from './test-support/video-server.ts';

describe.each([
  ['directly', true],
  ['through the app', false],
])('the bytes of a dropped source %s', (_way, direct) => {
  let server: VideoServer;
  beforeAll(async () => {
    server = await VideoServer.open({ direct });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const read = async (id: string, headers: Record<string, string> = {}, method = 'GET') =>
    await fetch(`${server.url}/${id}/content`, { method, headers });

  test('are gone, whatever the condition or range; the video is not', async () => {
    const { id } = await server.upload('bytes of a video');
    const { headers } = await read(id);
    const etag = headers.get('etag')!;
    expect(await server.service.dropSource(id)).toBe(true);
    expect(await server.service.dropSource(id)).toBe(false);
    expect(server.changed).toEqual([id]);
    await expect.poll(() => server.store.chunks.size).toBe(0);
    for (const asked of [{}, { 'if-none-match': etag }, { 'if-match': etag }, { range: 'bytes=0-3' }]) {
      const answer = await read(id, asked as Record<string, string>);
      expect(answer.status).toBe(410);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(await answer.json()).toMatchObject({ code: 'source_dropped' });
    }
    const head = await read(id, {}, 'HEAD');
    expect([head.status, await head.text()]).toEqual([410, '']);
    const video = await (await fetch(`${server.url}/${id}`)).json();
    expect(video).toMatchObject({
      ...{ size: 16, source: { status: 'dropped', droppedAt: '2026-01-02T03:04:05.678Z' } },
      links: { content: null },
    });
    const edited = await fetch(`${server.url}/${id}`, {
      ...{ method: 'PATCH', body: '{"title":"Another"}' },
      headers: { ...server.authorization, 'content-type': 'application/json' },
    });
    expect(edited.status).toBe(200);
    expect(server.store.chunks.size).toBe(0);
  });

  test('that go while they are looked up, or read, are never a short or empty body', async () => {
    const { id } = await server.upload('bytes of a video');
    // Between the video and its manifest.
    const { manifest } = server.objects;
    server.objects.manifest = async (objectId) => {
      server.objects.manifest = manifest;
      await server.service.dropSource(id);
      return await server.objects.manifest(objectId);
    };
    expect((await read(id)).status).toBe(410);

    // By another coordinator, whose message has not arrived.
    const other = await server.upload('bytes of another video');
    await read(other.id);
    const { objectId } = server.videos.videos.get(other.id)!;
    await server.videos.dropSource(undefined, other.id, new Date());
    await server.objects.empty(undefined, objectId);
    server.store.chunks.clear();
    const late = await read(other.id);
    expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([410, 'source_dropped']);
  });
});
