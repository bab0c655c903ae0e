import { createHash, randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VideoServer } from './test-support/video-server.ts';

let server: VideoServer;

beforeEach(async () => {
  server = await VideoServer.open();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const MP4 = Buffer.concat([
  Buffer.from('\0\0\0\x18ftypmp42\0\0\0\0mp42isom', 'latin1'),
  randomBytes(200_000),
]);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();

describe('POST /videos', () => {
  it('stores a raw body and answers 201 with the video', async () => {
    const response = await fetch(`${server.url}?title=A%20trip&description=Two%20days`, {
      method: 'POST',
      body: MP4,
      headers: { ...server.authorization, 'content-disposition': 'attachment; filename="trip to.mp4"' },
    });
    expect(response.status).toBe(201);
    const video = (await response.json()) as { id: string };
    expect(video).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/),
      title: 'A trip',
      description: 'Two days',
      filename: 'trip to.mp4',
      contentType: 'video/mp4',
      size: MP4.length,
      sha256: sha256(MP4).toString('hex'),
      createdAt: '2026-01-02T03:04:05.678Z',
      updatedAt: '2026-01-02T03:04:05.678Z',
      links: { content: `/api/v1/videos/${video.id}/content` },
    });
    expect(response.headers.get('location')).toBe(`/api/v1/videos/${video.id}`);
    expect(response.headers.get('etag')).toBe('"v1"');
  });

  it('gives back the same bytes', async () => {
    const video = await server.upload(MP4);
    const response = await fetch(`${server.url}/${video.id}/content`);
    expect(response.status).toBe(200);
    expect(Buffer.from(await response.arrayBuffer()).equals(MP4)).toBe(true);
    const head = await fetch(`${server.url}/${video.id}/content`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe(String(MP4.length));
    const part = await fetch(`${server.url}/${video.id}/content`, { headers: { range: 'bytes=10-19' } });
    expect(part.status).toBe(206);
    expect(Buffer.from(await part.arrayBuffer()).equals(MP4.subarray(10, 20))).toBe(true);
  });

  it('is forgotten after DELETE', async () => {
    const video = await server.upload(MP4);
    await fetch(`${server.url}/${video.id}/content`, { method: 'HEAD' });
    const remove = () =>
      fetch(`${server.url}/${video.id}`, { method: 'DELETE', headers: server.authorization });
    expect((await remove()).status).toBe(204);
    expect((await fetch(`${server.url}/${video.id}/content`)).status).toBe(404);
    expect((await remove()).status).toBe(404);
  });
});
