import { v7 as uuidv7 } from 'uuid';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UserPrincipal } from '../auth/principal.ts';
import { decodeRecord } from '../records/record-codec.ts';
import { VideoServer } from './test-support/video-server.ts';

let server: VideoServer;
beforeEach(async () => {
  server = await VideoServer.open();
});
afterEach(() => server[Symbol.asyncDispose]());

/** The headers of a new user. */
function join(role: UserPrincipal['role']): { authorization: string; id: string } {
  const id = uuidv7();
  server.principals.set(id, {
    kind: 'user',
    userId: id,
    role,
    sessionId: uuidv7(),
    scopes: null,
    generation: 1,
  });
  return { authorization: `Bearer ${id}`, id };
}

async function ask(method: string, path: string, who?: { authorization: string }, body?: object) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: {
      ...(who && { authorization: who.authorization }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = text.startsWith('{') ? JSON.parse(text) : {};
  return { status: response.status, json, headers: response.headers, text };
}

test('a private video is there for its owner and administrators alone, whichever way it is asked for', async () => {
  const [owner, other, admin] = [join('uploader'), join('uploader'), join('admin')];
  const { id } = await server.upload('secret', '?visibility=private', { authorization: owner.authorization });
  const paths = [`/${id}`, `/${id}/content`, `/${id}/content?download=1`, `/${id.toUpperCase()}/content?x=1`];
  for (const path of paths) {
    for (const who of [undefined, other]) {
      const { status, json, text } = await ask('GET', path, who);
      expect([path, status, json.code]).toEqual([path, 404, 'video_not_found']);
      expect(text).not.toContain('secret');
    }
    expect((await ask('HEAD', path)).status).toBe(404);
    for (const who of [owner, admin, server.authorization]) {
      const { status, headers } = await ask('GET', path, who);
      expect(status).toBe(200);
      expect(headers.get('cache-control')).toMatch(/^private/);
    }
  }
  // Once it is in memory, too.
  expect((await ask('GET', `/${id}/content`)).status).toBe(404);
  for (const method of ['PATCH', 'DELETE']) {
    expect((await ask(method, `/${id}`, other, { title: 'mine' })).status).toBe(404);
  }
});

test('lists show what is public and what is one’s own', async () => {
  const [owner, other] = [join('uploader'), join('viewer')];
  const ids: Record<string, string> = {};
  for (const visibility of ['public', 'unlisted', 'private']) {
    const { id } = await server.upload('x', `?visibility=${visibility}`, owner);
    ids[visibility] = id;
  }
  const list = async (who?: { authorization: string }, query = '') => {
    const { json } = await ask('GET', query, who);
    return json.items.map((item: { id: string }) => item.id).sort();
  };
  const all = Object.values(ids).sort();
  expect(await list()).toEqual([ids.public]);
  expect(await list(other)).toEqual([ids.public]);
  expect(await list(owner)).toEqual(all);
  expect(await list(server.authorization)).toEqual(all);
  expect(await list(owner, '?owner=me')).toEqual(all);
  expect(await list(other, '?owner=me')).toEqual([]);
  expect(await list(undefined, `?owner=${owner.id}`)).toEqual([ids.public]);
  expect((await ask('GET', '?owner=me')).json.code).toBe('invalid_request');
  expect((await ask('GET', `/${ids.unlisted}`)).status).toBe(200);
});

test('only its owner and administrators change a video, and only those give it to others', async () => {
  const [owner, other, viewer] = [join('uploader'), join('uploader'), join('viewer')];
  const { id, ownerId } = await server.upload('x', '', owner);
  expect(ownerId).toBe(owner.id);
  for (const who of [other, viewer]) {
    expect((await ask('PATCH', `/${id}`, who, { title: 'mine' })).json.code).toBe('forbidden');
    expect((await ask('DELETE', `/${id}`, who)).json.code).toBe('forbidden');
  }
  expect((await ask('PATCH', `/${id}`, owner, { ownerId: other.id })).json.code).toBe('forbidden');
  expect((await ask('PATCH', `/${id}`, owner, { title: 'mine' })).json.title).toBe('mine');
  expect((await ask('PATCH', `/${id}`, server.authorization, { ownerId: other.id })).json.ownerId).toBe(
    other.id,
  );
  expect((await ask('DELETE', `/${id}`, owner)).json.code).toBe('forbidden');
  expect((await ask('DELETE', `/${id}`, other)).status).toBe(204);
});

test('a video that becomes private is gone for those who read it a moment ago', async () => {
  const owner = join('uploader');
  const { id } = await server.upload('x', '', owner);
  expect((await ask('GET', `/${id}/content`)).status).toBe(200);
  expect((await ask('PATCH', `/${id}`, owner, { visibility: 'private' })).status).toBe(200);
  expect((await ask('GET', `/${id}/content`)).status).toBe(404);
});

test('records on the storage nodes say whose a video is and who may read it', async () => {
  const owner = join('uploader');
  await server.upload('x', '?visibility=private', owner);
  await expect.poll(() => server.store.recordIds).toHaveLength(1);
  const record = await decodeRecord([server.store.chunks.get(server.store.recordIds[0]!)!]);
  expect(record.video).toMatchObject({ ownerId: owner.id, visibility: 'private' });
});

test('without anonymous reading nobody reads without a token', async () => {
  await using closed = await VideoServer.open({ anonymousRead: false });
  const { id } = await closed.upload('x');
  for (const path of ['', `/${id}`, `/${id}/content`, `/${id}/content?x`]) {
    expect((await fetch(`${closed.url}${path}`)).status).toBe(401);
    expect((await fetch(`${closed.url}${path}`, { headers: closed.authorization })).status).toBe(200);
  }
});
