import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RawClient } from '../../lib/http/test-support/raw-client.ts';
import { VideoServer } from './test-support/video-server.ts';

let server: VideoServer;
beforeEach(async () => {
  server = await VideoServer.open({ bodyIdleTimeoutMs: 200 });
});
afterEach(() => server[Symbol.asyncDispose]());

type Json = Record<string, unknown>;
interface ListJson {
  readonly items: readonly { readonly id: string; readonly title: string }[];
  readonly nextCursor: string | null;
}

async function request(
  method: string,
  path: string,
  options: { body?: unknown; headers?: Record<string, string> } = {},
) {
  const isJson = options.body !== undefined && typeof options.body !== 'string';
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...server.authorization,
      ...(isJson && { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body !== undefined && {
      body: isJson ? JSON.stringify(options.body) : (options.body as string),
    }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    json: (text === '' ? {} : JSON.parse(text)) as Json,
  };
}

describe('GET /videos', () => {
  const list = async (query = '') => {
    const { status, json } = await request('GET', query);
    expect(status).toBe(200);
    return json as unknown as ListJson;
  };
  const titles = (page: ListJson) => page.items.map(({ title }) => title);

  test('is empty at first', async () => {
    expect(await list()).toEqual({ items: [], nextCursor: null });
  });

  test('pages from the newest to the oldest, undisturbed by what comes and goes', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index++) {
      // Some are made within one millisecond.
      if (index % 3 === 0) server.nowMs += 1;
      ids.push((await server.upload('x', `?title=${index}`)).id);
    }
    const everything = await list();
    expect(everything.nextCursor).toBeNull();
    const expected = titles(everything);
    expect([...expected].sort()).toEqual(['0', '1', '2', '3', '4', '5', '6']);
    expect(expected[0]).toBe('6');

    const first = await list('?limit=3');
    expect(titles(first)).toEqual(expected.slice(0, 3));
    server.nowMs += 1;
    await server.upload('x', '?title=new');
    await request('DELETE', `/${first.items.at(-1)!.id}`);
    const second = await list(`?limit=3&cursor=${first.nextCursor}`);
    expect(titles(second)).toEqual(expected.slice(3, 6));
    const third = await list(`?limit=3&cursor=${second.nextCursor}`);
    expect(titles(third)).toEqual(expected.slice(6));
    expect(third.nextCursor).toBeNull();
    expect(titles(await list('?limit=1'))).toEqual(['new']);
  });

  test('a page that ends with the last video says so', async () => {
    await server.upload('x');
    await server.upload('x');
    expect((await list('?limit=2')).nextCursor).toBeNull();
    expect((await list('?limit=1')).nextCursor).not.toBeNull();
  });

  test.each([
    ['limit', ['0', '101', '-1', '1.5', 'x', '']],
    ['cursor', ['x', '', 'AAAA', '%00']],
  ])('a bad %s is refused by name', async (field, values) => {
    for (const value of values) {
      const { status, json } = await request('GET', `?${field}=${value}`);
      expect(status).toBe(400);
      expect(json).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
      expect(json.detail).toMatch(new RegExp(`^${field}: `));
    }
  });
});

describe('GET /videos/{id}', () => {
  test('answers with the video, or that it has not changed', async () => {
    const video = await server.upload('x', '?title=T');
    const { status, headers, json } = await request('GET', `/${video.id}`);
    expect(status).toBe(200);
    expect(json).toEqual(video);
    const etag = headers.get('etag')!;
    expect((await request('GET', `/${video.id}`, { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await request('GET', `/${video.id}`, { headers: { 'if-none-match': '"v9"' } })).status).toBe(200);
    expect((await request('GET', `/${video.id}`, { headers: { 'if-match': '"v9"' } })).status).toBe(412);
    await request('PATCH', `/${video.id}`, { body: { title: 'U' } });
    const changed = await request('GET', `/${video.id}`, { headers: { 'if-none-match': etag } });
    expect(changed.json.title).toBe('U');
    expect(changed.headers.get('etag')).not.toBe(etag);
  });

  test.each(['01890000-0000-7000-8000-000000000000', 'x'])('%s does not exist', async (id) => {
    for (const method of ['GET', 'DELETE']) {
      expect(await request(method, `/${id}`)).toMatchObject({
        status: 404,
        json: { code: 'video_not_found' },
      });
    }
    expect((await request('PATCH', `/${id}`, { body: { title: 'T' } })).status).toBe(404);
  });
});

describe('PATCH /videos/{id}', () => {
  let id: string;
  beforeEach(async () => {
    ({ id } = await server.upload('x', '?title=T&filename=a.mp4'));
    server.nowMs += 1000;
  });
  const patch = (body: unknown, headers: Record<string, string> = {}) =>
    request('PATCH', `/${id}`, { body, headers });

  test('changes what is given and nothing else', async () => {
    const before = (await request('GET', `/${id}`)).json;
    const { status, headers, json } = await patch({
      title: ' New ',
      filename: '../b.webm',
      contentType: 'video/webm',
    });
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"v2"');
    expect(json).toEqual({
      ...before,
      title: 'New',
      filename: 'b.webm',
      contentType: 'video/webm',
      updatedAt: '2026-01-02T03:04:06.678Z',
    });
    expect((await patch({ description: 'Line 1\nLine 2' })).json).toMatchObject({
      title: 'New',
      description: 'Line 1\nLine 2',
    });
  });

  test('is seen by the next playback, here at once and elsewhere by a message', async () => {
    const contentType = async () => (await fetch(`${server.url}/${id}/content`)).headers.get('content-type');
    expect(await contentType()).toBe('video/mp4');
    await patch({ contentType: 'video/webm' });
    expect(await contentType()).toBe('video/webm');
    expect(server.changed).toEqual([id]);
  });

  test('without a field changes nothing', async () => {
    const { status, headers } = await patch({});
    expect(status).toBe(200);
    expect(headers.get('etag')).toBe('"v1"');
  });

  test.each<[unknown, string]>([
    [{ title: 1 }, 'title'],
    [{ title: '' }, 'title'],
    [{ title: '  ' }, 'title'],
    [{ title: null }, 'title'],
    [{ title: 'x'.repeat(301) }, 'title'],
    [{ title: 'a\0b' }, 'title'],
    [{ title: 'a\nb' }, 'title'],
    [{ title: '\ud800' }, 'title'],
    [{ description: 1 }, 'description'],
    [{ description: 'x'.repeat(20_001) }, 'description'],
    [{ description: '\0' }, 'description'],
    [{ filename: '/' }, 'filename'],
    [{ contentType: 'video' }, 'contentType'],
    [{ contentType: 'a/b\r\nx: y' }, 'contentType'],
    [{ titel: 'T' }, 'titel'],
    [{ title: 'T', size: 1 }, 'size'],
    [[], ''],
    ['"text"', ''],
    ['null', ''],
  ])('%j is refused by name', async (body, field) => {
    const { status, json } = await patch(body, { 'content-type': 'application/json' });
    expect(status).toBe(400);
    expect(json).toMatchObject({ code: 'invalid_request', errors: [{ field }] });
    expect((await request('GET', `/${id}`)).headers.get('etag')).toBe('"v1"');
  });

  test.each<[string, Record<string, string>, number, string]>([
    ['{', {}, 400, 'invalid_json'],
    ['', {}, 400, 'empty_body'],
    ['{}', { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    [JSON.stringify({ description: 'x'.repeat(66_000) }), {}, 413, 'body_too_large'],
  ])('%.20s %j: %i %s', async (body, headers, status, code) => {
    const answer = await patch(body, { 'content-type': 'application/json', ...headers });
    expect([answer.status, answer.json.code]).toEqual([status, code]);
  });

  test('a long body of unknown length is refused as well', async () => {
    const response = await fetch(`${server.url}/${id}`, {
      method: 'PATCH',
      headers: { ...server.authorization, 'content-type': 'application/json' },
      body: new Blob([' '.repeat(200_000)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(response.status).toBe(413);
  });

  test('a body that does not come is not waited for', async () => {
    using client = new RawClient(server.port);
    client.send(
      `PATCH /api/v1/videos/${id} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${server.token}`,
      'Content-Type: application/json',
      'Content-Length: 10',
    );
    const response = await client.response();
    expect(response.status).toBe(408);
    expect(JSON.parse(response.body.toString())).toMatchObject({ code: 'request_timeout' });
  });

  test.each([
    ['"v1"', 200],
    ['"v0", "v1"', 200],
    ['*', 200],
    ['"v2"', 412],
    ['W/"v1"', 412],
    ['v1', 412],
  ])('If-Match %s: %i', async (ifMatch, status) => {
    const answer = await patch({ title: 'New' }, { 'if-match': ifMatch });
    expect(answer.status).toBe(status);
    if (status === 412) expect(answer.json.code).toBe('precondition_failed');
    expect((await request('GET', `/${id}`)).json.title).toBe(status === 200 ? 'New' : 'T');
  });

  test('of two changes to one state, one is refused', async () => {
    const statuses = await Promise.all(
      ['A', 'B'].map(async (title) => (await patch({ title }, { 'if-match': '"v1"' })).status),
    );
    expect(statuses.sort()).toEqual([200, 412]);
  });
});

describe('DELETE /videos/{id}', () => {
  test('is gone at once, its chunks soon, and cannot be deleted again', async () => {
    const { id } = await server.upload('x');
    await fetch(`${server.url}/${id}/content`, { method: 'HEAD' });
    expect((await request('DELETE', `/${id}`)).status).toBe(204);
    for (const path of [`/${id}`, `/${id}/content`]) expect((await request('GET', path)).status).toBe(404);
    expect(await request('DELETE', `/${id}`)).toMatchObject({
      status: 404,
      json: { code: 'video_not_found' },
    });
    expect(server.changed).toEqual([id]);
    await server.service[Symbol.asyncDispose]();
    expect(server.isEmpty).toBe(true);
  });

  test('respects If-Match', async () => {
    const { id } = await server.upload('x');
    expect((await request('DELETE', `/${id}`, { headers: { 'if-match': '"v2"' } })).status).toBe(412);
    expect((await request('GET', `/${id}`)).status).toBe(200);
    expect((await request('DELETE', `/${id}`, { headers: { 'if-match': '"v1"' } })).status).toBe(204);
  });

  test('does not wait for the nodes', async () => {
    const { id } = await server.upload('x');
    const removing = Promise.withResolvers<void>();
    server.store.onRemove = () => removing.promise;
    expect((await request('DELETE', `/${id}`)).status).toBe(204);
    expect(server.store.chunks.size).toBe(1);
    removing.resolve();
    await server.service[Symbol.asyncDispose]();
    expect(server.store.chunks.size).toBe(0);
  });
});

test('writing needs the admin token, reading does not', async () => {
  const { id } = await server.upload('x');
  const anonymous = (method: string, path: string) =>
    fetch(`${server.url}${path}`, { method, ...(method === 'PATCH' && { body: '{}' }) });
  for (const method of ['PATCH', 'DELETE']) {
    const response = await anonymous(method, `/${id}`);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="orbitvids"');
  }
  for (const path of ['', `/${id}`, `/${id}/content`])
    expect((await anonymous('GET', path)).status).toBe(200);
});

test('a change elsewhere is seen after a message, and after lost messages', async () => {
  const { id } = await server.upload('x');
  const contentType = async () => (await fetch(`${server.url}/${id}/content`)).headers.get('content-type');
  const changeElsewhere = (type: string) =>
    server.videos.update({}, id, { contentType: type }, { updatedAt: new Date(server.nowMs) });
  expect(await contentType()).toBe('video/mp4');
  await changeElsewhere('video/webm');
  expect(await contentType()).toBe('video/mp4');
  server.service.invalidate(id);
  expect(await contentType()).toBe('video/webm');
  await changeElsewhere('video/ogg');
  server.service.invalidateAll();
  expect(await contentType()).toBe('video/ogg');
});
