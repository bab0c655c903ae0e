import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_TOKEN, Coordinators, PASSWORD } from '../test-support/coordinators.ts';
import { TokenForge } from '../test-support/forged-tokens.ts';

/* Two coordinators on one database, and what goes wrong. */
let world: Coordinators;
beforeAll(async () => {
  world = await Coordinators.open({
    engine: 'postgresql',
    count: 2,
    env: { LOGIN_LIMIT: '1000', REGISTRATION_LIMIT: '1000', REFRESH_LIMIT: '1000' },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

const me = async (token: string, at: number) => (await world.ask('GET', '/auth/me', { token, at })).status;
/** Messages between coordinators take a moment. */
const untilRefused = (token: string, at: number) => expect.poll(() => me(token, at)).toBe(401);

describe('a token is void on every coordinator', () => {
  test('after a logout on another one', async () => {
    const { accessToken, refreshToken } = await world.join('viewer', 0);
    expect([await me(accessToken, 0), await me(accessToken, 1)]).toEqual([200, 200]);
    await world.ask('POST', '/auth/logout', { token: accessToken, at: 0 });
    expect(await me(accessToken, 0)).toBe(401);
    await untilRefused(accessToken, 1);
    const again = await world.ask('POST', '/auth/refresh', { body: { refreshToken }, at: 1 });
    expect(again.status).toBe(401);
  });

  test('after a logout everywhere, whichever login it is of', async () => {
    const { email } = await world.addUser('viewer');
    const [first, second] = [await world.login(email, 0), await world.login(email, 1)];
    const body = { everywhere: true };
    await world.ask('POST', '/auth/logout', { token: first.accessToken, body, at: 0 });
    await untilRefused(second.accessToken, 1);
    expect(await me(second.accessToken, 0)).toBe(401);
    const { refreshToken } = second;
    expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken }, at: 1 })).status).toBe(401);
    expect(await me((await world.login(email, 1)).accessToken, 0)).toBe(200);
  });

  test.each([
    ['disabled', { disabled: true }],
    ['given another role', { role: 'admin' }],
    ['given another password', { password: 'silent-walrus-teapot' }],
  ])('after its user was %s', async (_what, changes) => {
    const { userId, accessToken, refreshToken } = await world.join('viewer', 1);
    expect(await me(accessToken, 1)).toBe(200);
    const answer = await world.ask('PATCH', `/users/${userId}`, { token: ADMIN_TOKEN, body: changes, at: 0 });
    expect(answer.status).toBe(200);
    expect(await me(accessToken, 0)).toBe(401);
    await untilRefused(accessToken, 1);
    const refreshed = await world.ask('POST', '/auth/refresh', { body: { refreshToken }, at: 1 });
    if ('role' in changes) expect(refreshed.json.user.role).toBe('admin');
    else expect(refreshed.status).toBe(401);
  });

  test('after its user was deleted', async () => {
    const { userId, accessToken, refreshToken, email } = await world.join('admin', 1);
    expect((await world.ask('DELETE', `/users/${userId}`, { token: ADMIN_TOKEN, at: 0 })).status).toBe(204);
    expect(await me(accessToken, 0)).toBe(401);
    // This answers from what the coordinator knows; `/auth/me` would look for the user.
    await expect
      .poll(async () => (await world.ask('GET', '/admin/nodes', { token: accessToken, at: 1 })).status)
      .toBe(401);
    expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken }, at: 1 })).status).toBe(401);
    const login = await world.ask('POST', '/auth/login', { body: { email, password: PASSWORD }, at: 1 });
    expect(login.json.code).toBe('login_failed');
  });

  test('an API key too, when it is deleted or its user disabled', async () => {
    const { userId, accessToken } = await world.join('viewer', 0);
    const make = async () =>
      (
        await world.ask('POST', '/api-keys', {
          token: accessToken,
          body: { name: 'k', scopes: ['videos:read'] },
        })
      ).json;
    const [first, second] = [await make(), await make()];
    for (const { key } of [first, second]) expect(await me(key, 1)).toBe(200);
    await world.ask('DELETE', `/api-keys/${first.id}`, { token: accessToken, at: 0 });
    expect(await me(first.key, 0)).toBe(401);
    await untilRefused(first.key, 1);
    expect(await me(second.key, 1)).toBe(200);
    await world.ask('PATCH', `/users/${userId}`, { token: ADMIN_TOKEN, body: { disabled: true }, at: 0 });
    expect(await me(second.key, 0)).toBe(401);
    await untilRefused(second.key, 1);
  });

  test('a signed address too, when whoever gave it is disabled', async () => {
    const owner = await world.join('uploader', 0);
    const id = await world.addVideo(owner.userId, 'private');
    const asked = await world.ask('POST', `/videos/${id}/playback-url`, {
      token: owner.accessToken,
      body: {},
    });
    const target = asked.json.url.slice('/api/v1'.length);
    const head = async (path: string, at: number) => (await world.ask('HEAD', path, { at })).status;
    expect([await head(target, 0), await head(target, 1)]).toEqual([200, 200]);
    expect(await head(`${target}&download=1`, 0)).toBe(200);
    expect(await head(`${target}&other=1`, 0)).toBe(200);
    expect(await head(target.replace(id, await world.addVideo(owner.userId, 'private')), 0)).toBe(401);
    expect(await head(`${target}x`, 0)).toBe(401);
    // It opens the bytes, not the description, and nothing can be changed with it.
    expect(await head(target.replace('/content', ''), 0)).toBe(404);
    await world.ask('PATCH', `/users/${owner.userId}`, {
      token: ADMIN_TOKEN,
      body: { disabled: true },
      at: 0,
    });
    expect(await head(target, 0)).toBe(401);
    await expect.poll(() => head(target, 1)).toBe(401);
  });
});

test('an open stream of events ends for whoever may not listen any more', async () => {
  const { accessToken } = await world.join('admin');
  const response = await fetch(`${world.urls[1]}/api/v1/admin/events`, {
    headers: { authorization: `Bearer ${accessToken}` },
  });
  expect(response.status).toBe(200);
  await world.ask('POST', '/auth/logout', { token: accessToken, at: 0 });
  await untilRefused(accessToken, 1);
  const event = { kind: 'secret_event', details: {} };
  const tell = () =>
    world.database.notifications.publish(
      'events',
      JSON.stringify({ id: null, at: '', nodeId: null, ...event }),
    );
  await tell();
  // Ends by itself, or the test does not.
  expect(await response.text()).not.toContain('secret_event');
});

test('so does one that follows videos, on every coordinator', async () => {
  const owner = await world.join('uploader');
  const id = await world.addVideo(owner.userId, 'private');
  const response = await fetch(`${world.urls[1]}/api/v1/videos/events?video=${id}&owner=me`, {
    headers: { authorization: `Bearer ${owner.accessToken}` },
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes(`"id":"${id}"`)) text += (await reader.read()).value ?? '';
  await world.ask('POST', '/auth/logout', { token: owner.accessToken, at: 0 });
  await untilRefused(owner.accessToken, 1);
  text = '';
  const { kysely, notifications } = world.database;
  // Of what is as it was nobody would be told in any case.
  await kysely.updateTable('videos').set({ title: 'Secret' }).where('id', '=', id).execute();
  await notifications.publish('video_media', `${id} ${owner.userId}`);
  // Ends by itself, or the test does not.
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) text += value;
  expect(text).not.toContain('event: video');
});

test('so do those that an API key has opened, when it is deleted', async () => {
  const admin = await world.join('admin');
  const body = { name: 'k', scopes: ['videos:read', 'admin'] };
  const { json } = await world.ask('POST', '/api-keys', { token: admin.accessToken, body });
  const headers = { authorization: `Bearer ${json.key}` };
  const paths = ['admin/events', 'videos/events?owner=me'];
  const streams = await Promise.all(
    paths.map((path) => fetch(`${world.urls[1]}/api/v1/${path}`, { headers })),
  );
  expect(streams.map(({ status }) => status)).toEqual([200, 200]);
  const id = await world.addVideo(admin.userId, 'private');
  await world.ask('DELETE', `/api-keys/${json.id}`, { token: admin.accessToken, at: 0 });
  await untilRefused(json.key, 1);
  const { notifications } = world.database;
  const event = { id: null, at: '', nodeId: null, kind: 'secret_event', details: {} };
  await notifications.publish('events', JSON.stringify(event));
  await notifications.publish('video_media', `${id} ${admin.userId}`);
  // They end by themselves, or the test does not.
  const [events, videos] = await Promise.all(streams.map((response) => response.text()));
  expect(events).not.toContain('secret_event');
  expect(videos).not.toContain('event: video');
});

test('an API key ends with its time', async () => {
  const { accessToken } = await world.join('viewer');
  const make = async () =>
    (
      await world.ask('POST', '/api-keys', {
        token: accessToken,
        body: { name: 'k', scopes: ['videos:read'] },
      })
    ).json;
  const [old, used] = [await make(), await make()];
  await world.database.kysely
    .updateTable('api_keys')
    .set({ expires_at: sql<Date>`now() - interval '1 second'` })
    .where('id', '=', old.id)
    .execute();
  expect(await me(old.key, 0)).toBe(401);
  expect(await me(used.key, 0)).toBe(200);
});

test('a refresh raced by clients on two coordinators has one outcome', async () => {
  const { refreshToken } = await world.join('viewer');
  const answers = await Promise.all(
    [0, 1, 0, 1].map((at) => world.ask('POST', '/auth/refresh', { body: { refreshToken }, at })),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(new Set(answers.map(({ json }) => json.refreshToken)).size).toBe(1);
  const next = answers[0]!.json.refreshToken;
  expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken: next }, at: 1 })).status).toBe(
    200,
  );
});

test('a used refresh token that comes later than an answer may take ends the login', async () => {
  const { refreshToken, accessToken } = await world.join('viewer');
  const { json } = await world.ask('POST', '/auth/refresh', { body: { refreshToken } });
  await world.database.kysely
    .updateTable('refresh_tokens')
    .set({ used_at: sql<Date>`used_at - interval '1 minute'` })
    .where('used_at', 'is not', null)
    .execute();
  expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken }, at: 1 })).status).toBe(401);
  const body = { refreshToken: json.refreshToken };
  expect((await world.ask('POST', '/auth/refresh', { body })).status).toBe(401);
  expect(await me(accessToken, 1)).toBe(401);
  await untilRefused(json.accessToken, 0);
});

test('clocks may differ by seconds, and not by minutes', async () => {
  const forge = await TokenForge.open(world.database, world.contexts[0]!.clusterId);
  const { userId } = await world.join('viewer');
  const status = async (fields: { issuedInS: number; expiresInS: number }) =>
    me(await forge.make({ userId, role: 'viewer', ...fields }), 0);
  expect(await status({ issuedInS: 20, expiresInS: 920 })).toBe(200);
  expect(await status({ issuedInS: -910, expiresInS: -10 })).toBe(200);
  expect(await status({ issuedInS: 120, expiresInS: 1020 })).toBe(401);
  expect(await status({ issuedInS: -1000, expiresInS: -100 })).toBe(401);
});

test('two administrators who demote each other at the same time do not both succeed', async () => {
  const { json } = await world.ask('GET', '/users?role=admin&limit=200', { token: ADMIN_TOKEN });
  const [first, ...others] = json.items as { id: string }[];
  for (const { id } of others) await world.ask('DELETE', `/users/${id}`, { token: ADMIN_TOKEN });
  const second = await world.addUser('admin');
  const answers = await Promise.all(
    [first!.id, second.id].map((id, at) =>
      world.ask('PATCH', `/users/${id}`, { token: ADMIN_TOKEN, body: { role: 'viewer' }, at }),
    ),
  );
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  const refused = answers.findIndex(({ status }) => status === 409);
  expect(answers[refused]!.json.code).toBe('last_admin');
  const last = [first!.id, second.id][refused]!;
  for (const body of [{ disabled: true }, { role: 'uploader' }]) {
    const answer = await world.ask('PATCH', `/users/${last}`, { token: ADMIN_TOKEN, body });
    expect(answer.json.code).toBe('last_admin');
  }
  expect((await world.ask('DELETE', `/users/${last}`, { token: ADMIN_TOKEN })).json.code).toBe('last_admin');
});

test('limits are shared by all coordinators', async () => {
  const { email } = await world.addUser('viewer');
  const attempt = (at: number, password: string) =>
    world.ask('POST', '/auth/login', { body: { email, password }, at });
  for (let count = 0; count < 10; count++) {
    expect((await attempt(count % 2, 'wrong-password-1')).status).toBe(401);
  }
  for (const at of [0, 1]) {
    const { status, json, headers } = await attempt(at, PASSWORD);
    expect([status, json.code]).toEqual([429, 'too_many_requests']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  // Of somebody else nothing was tried.
  await world.join('viewer', 1);
});

test('while the database is down nobody is let in, and afterwards everything goes on', async () => {
  const { accessToken, refreshToken, email } = await world.join('viewer');
  const video = await world.addVideo(null, 'private');
  const key = (
    await world.ask('POST', '/api-keys', { token: accessToken, body: { name: 'k', scopes: ['videos:read'] } })
  ).json.key;
  expect(await me(accessToken, 0)).toBe(200);
  await world.postgres!.stop();
  const requests: [string, string, { token?: string; body?: object }][] = [
    ['GET', '/auth/me', { token: accessToken }],
    ['GET', '/auth/me', { token: key }],
    // Would be answered from memory.
    ['GET', '/admin/nodes', { token: ADMIN_TOKEN }],
    ['GET', `/videos/${video}`, { token: accessToken }],
    ['GET', `/videos/${video}/content`, { token: ADMIN_TOKEN }],
    ['GET', `/videos/${video}/content`, {}],
    ['GET', '/videos', {}],
    ['POST', '/auth/login', { body: { email, password: PASSWORD } }],
    ['POST', '/auth/register', { body: { email: 'new@example.org', password: PASSWORD } }],
    ['POST', '/auth/refresh', { body: { refreshToken } }],
    ['POST', '/auth/logout', { body: { refreshToken } }],
  ];
  for (const [method, path, options] of requests) {
    await expect
      .poll(async () => {
        const { status, json } = await world.ask(method, path, options);
        return [method, path, status, json?.code];
      })
      .toEqual([method, path, 503, 'database_unavailable']);
  }
  await world.postgres!.start();
  await expect.poll(() => me(accessToken, 0), { timeout: 20_000 }).toBe(200);
  expect((await world.ask('GET', `/videos/${video}`, { token: accessToken })).status).toBe(404);
});

test('what was revoked while a coordinator heard nothing is void as soon as it hears again', async () => {
  const { accessToken, userId } = await world.join('viewer');
  await expect.poll(() => me(accessToken, 1), { timeout: 20_000 }).toBe(200);
  await world.database.kysely
    .insertInto('revocations')
    .values({ kind: 'user', subject: userId, generation: 9, expires_at: new Date(Date.now() + 60_000) })
    .execute();
  // Nobody was told; what was missed is read when the connection is back.
  await world.postgres!.stop();
  await world.postgres!.start();
  for (const at of [0, 1]) {
    await expect.poll(() => me(accessToken, at), { timeout: 20_000 }).toBe(401);
  }
});
