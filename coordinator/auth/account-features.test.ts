import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  ADMIN_TOKEN,
  CLUSTER_SECRET,
  Coordinators,
  FIRST_ADMIN,
  PASSWORD,
} from '../test-support/coordinators.ts';

let world: Coordinators;
beforeAll(async () => {
  world = await Coordinators.open({
    env: { LOGIN_LIMIT: '1000', REFRESH_LIMIT: '1000', CORS_ORIGINS: 'https://videos.example' },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

describe('cookies', () => {
  const origin = () => world.urls[0]!;
  const login = async (headers: Record<string, string> = {}) => {
    const { email } = await world.addUser('viewer');
    return await world.ask('POST', '/auth/login', {
      body: { email, password: PASSWORD, session: 'cookie' },
      headers: { origin: origin(), ...headers },
    });
  };
  const cookieOf = (headers: Headers) =>
    headers
      .getSetCookie()
      .map((cookie) => cookie.split(';', 1)[0])
      .join('; ');

  test('carry a login that no script can read', async () => {
    const answer = await login();
    expect(answer.json).not.toHaveProperty('accessToken');
    expect(answer.text).not.toContain('ovr_');
    const [access, refresh] = answer.headers.getSetCookie();
    expect(access).toMatch(/^orbitvids_access=ey[\w.-]+; Max-Age=900; Path=\/; HttpOnly; SameSite=Lax$/);
    expect(refresh).toMatch(
      /^orbitvids_refresh=ovr_[\w-]+; Max-Age=2592000; Path=\/api\/v1\/auth; HttpOnly; SameSite=Strict$/,
    );
    const cookie = cookieOf(answer.headers);
    const me = await world.ask('GET', '/auth/me', { headers: { cookie } });
    expect(me.json.user.id).toBe(answer.json.user.id);

    const refreshed = await world.ask('POST', '/auth/refresh', { headers: { cookie, origin: origin() } });
    expect(refreshed.status).toBe(200);
    const next = cookieOf(refreshed.headers);
    expect(next).not.toBe(cookie);
    const out = await world.ask('POST', '/auth/logout', { headers: { cookie: next, origin: origin() } });
    expect(out.status).toBe(204);
    for (const gone of out.headers.getSetCookie()) expect(gone).toContain('Max-Age=0');
    expect((await world.ask('GET', '/auth/me', { headers: { cookie: next } })).status).toBe(401);
  });

  test('are for https alone where the page came over https', async () => {
    const host = new URL(origin()).host;
    const answer = await login({ origin: `https://${host}` });
    const [access, refresh] = answer.headers.getSetCookie();
    expect(access).toMatch(/^__Host-orbitvids_access=.*; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    expect(refresh).toMatch(/^__Secure-orbitvids_refresh=.*Secure; SameSite=Strict$/);
    const me = await world.ask('GET', '/auth/me', { headers: { cookie: cookieOf(answer.headers) } });
    expect(me.status).toBe(200);
  });

  test('change nothing for a page of another site', async () => {
    const cookie = cookieOf((await login()).headers);
    const pages: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site', origin: origin() },
      { 'sec-fetch-site': 'same-site', origin: origin() },
      { 'sec-fetch-site': 'none' },
      { origin: `${origin()}.evil.example` },
      {},
    ];
    for (const headers of pages) {
      const ask = (path: string, body: object) =>
        world.ask('POST', path, { headers: { cookie, ...headers }, body });
      const key = await ask('/api-keys', { name: 'k', scopes: ['admin'] });
      expect([headers, key.status, key.json.code]).toEqual([headers, 403, 'cross_site_request']);
      expect((await ask('/auth/refresh', {})).status).toBe(403);
      expect((await ask('/auth/logout', {})).status).toBe(403);
      const other = { ...FIRST_ADMIN, session: 'cookie' };
      expect((await world.ask('POST', '/auth/login', { headers, body: other })).status).toBe(403);
    }
    for (const headers of [{ origin: origin() }, { 'sec-fetch-site': 'same-origin' }]) {
      const body = { name: 'k', scopes: ['videos:read'] };
      expect((await world.ask('POST', '/api-keys', { headers: { cookie, ...headers }, body })).status).toBe(
        201,
      );
    }
  });
});

describe('browsers', () => {
  test('are told what an answer is not', async () => {
    for (const [path, token] of [
      ['/videos', undefined],
      ['/users', ADMIN_TOKEN],
      ['/nothing', undefined],
      ['//healthz', undefined],
    ] as const) {
      const { headers } = await world.ask('GET', path, { token });
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-powered-by')).toBeNull();
    }
  });

  test('of other origins get nothing unless the configuration names them', async () => {
    const allowed = async (origin: string, path: string) => {
      const { headers } = await world.ask('GET', path, { headers: { origin } });
      expect(headers.get('access-control-allow-credentials')).toBeNull();
      return headers.get('access-control-allow-origin');
    };
    for (const path of ['/videos', '/videos/00000000-0000-7000-8000-000000000000/content']) {
      expect(await allowed('https://videos.example', path)).toBe('https://videos.example');
      for (const origin of [
        'https://evil.example',
        'null',
        'https://videos.example.evil',
        'http://videos.example',
      ]) {
        expect(await allowed(origin, path)).toBeNull();
      }
    }
    const preflight = await world.ask('OPTIONS', '/users', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'DELETE' },
    });
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });
});

test('API keys do no more than they are for, expire, and are shown once', async () => {
  const { accessToken, userId } = await world.join('uploader');
  const body = { name: 'script', scopes: ['videos:read', 'videos:read'], expiresInDays: 1 };
  const created = await world.ask('POST', '/api-keys', { token: accessToken, body });
  expect(created).toMatchObject({
    status: 201,
    json: { name: 'script', scopes: ['videos:read'], lastUsedAt: null },
  });
  const { key, id } = created.json;
  expect(key).toMatch(/^ovk_[\w-]{43}$/);
  const list = await world.ask('GET', '/api-keys', { token: accessToken });
  expect(list.text).not.toContain(key);
  expect(list.json.items.map((item: { id: string }) => item.id)).toEqual([id]);
  expect((await world.ask('GET', '/auth/me', { token: key })).json).toMatchObject({
    scopes: ['videos:read'],
    user: { id: userId },
  });
  const upload = await world.ask('POST', '/videos', { token: key, body: 'x' });
  expect(upload.json.code).toBe('insufficient_scope');
  expect((await world.ask('POST', '/api-keys', { token: key, body })).status).toBe(403);
  // Another user's key is not there.
  const other = await world.join('admin');
  expect((await world.ask('DELETE', `/api-keys/${id}`, { token: other.accessToken })).json.code).toBe(
    'api_key_not_found',
  );
  // A scope is no right: this user is no administrator.
  const mighty = await world.ask('POST', '/api-keys', {
    token: accessToken,
    body: { name: 'm', scopes: ['admin'] },
  });
  expect((await world.ask('GET', '/users', { token: mighty.json.key })).json.code).toBe('forbidden');
});

test('a password is changed by who knows it, and other logins end', async () => {
  const { email } = await world.addUser('viewer');
  const [own, other] = [await world.login(email), await world.login(email)];
  const change = (currentPassword: string, newPassword: string) =>
    world.ask('POST', '/auth/password', { token: own.accessToken, body: { currentPassword, newPassword } });
  expect((await change('wrong-password-7', 'silent-walrus-teapot')).json.code).toBe('login_failed');
  expect((await change(PASSWORD, 'password123')).json.errors[0].field).toBe('newPassword');
  expect((await change(PASSWORD, 'silent-walrus-teapot')).status).toBe(204);
  const refresh = (refreshToken: string) => world.ask('POST', '/auth/refresh', { body: { refreshToken } });
  expect((await refresh(other.refreshToken)).status).toBe(401);
  expect((await refresh(own.refreshToken)).status).toBe(200);
  await world.login(email, 0, 'silent-walrus-teapot');
});

test('users are found by part of their address or name, page by page', async () => {
  const made = [];
  for (let index = 0; index < 3; index++) {
    const body = {
      email: `finch-${index}@example.org`,
      password: PASSWORD,
      name: `Señor ${index}`,
      role: 'uploader',
    };
    made.push((await world.ask('POST', '/users', { token: ADMIN_TOKEN, body })).json.id);
  }
  const list = async (query: string) =>
    (await world.ask('GET', `/users?${query}`, { token: ADMIN_TOKEN })).json;
  const first = await list('q=FINCH&limit=2&role=uploader');
  expect(first.items.map(({ id }: { id: string }) => id)).toEqual([made[2], made[1]]);
  const rest = await list(`q=finch&limit=2&cursor=${first.nextCursor}`);
  expect(rest).toMatchObject({ items: [{ id: made[0] }], nextCursor: null });
  expect((await list(`q=${encodeURIComponent('señor 1')}`)).items).toHaveLength(1);
  expect((await list('q=finch&disabled=true')).items).toEqual([]);
});

test('the log of what happened says who, what, when and from where, and no secret', async () => {
  const session = await world.join('viewer');
  await world.ask('POST', '/auth/login', { body: { email: session.email, password: 'wrong-password-7' } });
  await world.ask('PATCH', `/users/${session.userId}`, { token: ADMIN_TOKEN, body: { role: 'uploader' } });
  const { json, text } = await world.ask('GET', `/admin/audit?user=${session.userId}`, {
    token: ADMIN_TOKEN,
  });
  expect(json.items.map(({ kind }: { kind: string }) => kind)).toEqual([
    'user_changed',
    'login_failed',
    'login_succeeded',
    'user_created',
  ]);
  expect(json.items[0]).toMatchObject({
    actor: 'operator',
    subjectId: session.userId,
    address: '127.0.0.1',
    requestId: expect.any(String),
    details: { role: 'uploader' },
  });
  expect(text).not.toContain('wrong-password-7');
  const page = await world.ask('GET', '/admin/audit?limit=1', { token: ADMIN_TOKEN });
  const next = await world.ask('GET', `/admin/audit?limit=1&cursor=${page.json.nextCursor}`, {
    token: ADMIN_TOKEN,
  });
  expect(next.json.items[0].id).toBeLessThan(page.json.items[0].id);
});

test('no secret is ever logged, whatever goes wrong', async () => {
  const { accessToken, refreshToken, email } = await world.join('uploader');
  const { key } = (
    await world.ask('POST', '/api-keys', { token: accessToken, body: { name: 'k', scopes: ['admin'] } })
  ).json;
  const grant = 'x-grant=abc.def.ghi-secret-grant';
  for (const token of [accessToken, key, ADMIN_TOKEN, `${accessToken}x`, 'not-a-token-but-secret']) {
    await world.ask('GET', `/videos/00000000-0000-7000-8000-000000000000/content?${grant}`, { token });
    await world.ask('POST', '/videos', {
      token,
      body: 'x',
      headers: { cookie: 'orbitvids_access=secret-cookie' },
    });
    await world.ask('GET', '/admin/ring', { token });
  }
  await world.ask('POST', '/auth/refresh', { body: { refreshToken: `${refreshToken}x` } });
  await world.ask('POST', '/auth/login', { body: `{"email":"${email}","password":"secret-in-broken-json` });
  await world.ask('POST', '/auth/login', { body: { email, password: 'secret-wrong-password' } });
  const text = world.logged.join('\n');
  // There was something to log.
  expect(text).toContain('request failed');
  const secrets = [
    PASSWORD,
    FIRST_ADMIN.password,
    ADMIN_TOKEN,
    CLUSTER_SECRET,
    accessToken,
    refreshToken,
    key,
  ];
  const typed = [
    'secret-grant',
    'secret-cookie',
    'secret-in-broken-json',
    'secret-wrong-password',
    'not-a-token',
  ];
  for (const secret of [...secrets, ...typed]) expect(text.includes(secret), secret).toBe(false);
  expect(text).not.toMatch(/\$argon2id\$|BEGIN (RSA )?PRIVATE KEY/);
});
