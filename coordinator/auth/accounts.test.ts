import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ENGINES } from '../database/test-support/engines.ts';
import { ADMIN_TOKEN, Coordinators, FIRST_ADMIN, PASSWORD } from '../test-support/coordinators.ts';

describe.each(ENGINES)('accounts on %s', (engine) => {
  let world: Coordinators;
  beforeAll(async () => {
    world = await Coordinators.open({ engine });
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test('who registers may log in, read who they are, and log out', async () => {
    const email = 'Ada.L@Example.ORG ';
    const registered = await world.ask('POST', '/auth/register', {
      body: { email, password: PASSWORD, name: 'Ada' },
    });
    expect(registered).toMatchObject({
      status: 201,
      json: { email: 'ada.l@example.org', role: 'viewer', name: 'Ada' },
    });
    const { accessToken, refreshToken } = await world.login('ADA.L@example.org');
    const me = await world.ask('GET', '/auth/me', { token: accessToken });
    expect(me.json).toMatchObject({ role: 'viewer', scopes: null, user: { id: registered.json.id } });
    expect(me.headers.get('cache-control')).toBe('no-store');

    expect(
      (await world.ask('POST', '/auth/logout', { body: { refreshToken }, token: accessToken })).status,
    ).toBe(204);
    expect(await world.ask('GET', '/auth/me', { token: accessToken })).toMatchObject({
      status: 401,
      json: { code: 'unauthorized' },
    });
    expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken } })).status).toBe(401);
  });

  test('the first start makes an administrator', async () => {
    const { accessToken } = await world.login(FIRST_ADMIN.email, 0, FIRST_ADMIN.password);
    const { json } = await world.ask('GET', '/users?role=admin', { token: accessToken });
    expect(json.items.map(({ email }: { email: string }) => email)).toEqual([FIRST_ADMIN.email]);
    expect(world.contexts[0]!.created.admin).toBeUndefined();
  });

  test('an address is one account, however it is written', async () => {
    const { email } = await world.addUser('viewer');
    for (const other of [
      email.toUpperCase(),
      ` ${email} `,
      email.replace('example', 'ExAmPlE'),
      email.replace('e', 'ｅ'),
    ]) {
      const { status, json } = await world.ask('POST', '/auth/register', {
        body: { email: other, password: PASSWORD },
      });
      expect([status, json.code]).toEqual([409, 'email_taken']);
    }
  });

  test('a refresh brings another token, and the old one is good no more', async () => {
    const { refreshToken, accessToken } = await world.join('viewer');
    const refreshed = await world.ask('POST', '/auth/refresh', { body: { refreshToken } });
    expect(refreshed.status).toBe(200);
    expect(refreshed.json.refreshToken).not.toBe(refreshToken);
    expect((await world.ask('GET', '/auth/me', { token: refreshed.json.accessToken })).status).toBe(200);

    // The answer was lost: the same token brings the same successor.
    const again = await world.ask('POST', '/auth/refresh', { body: { refreshToken } });
    expect(again.json.refreshToken).toBe(refreshed.json.refreshToken);

    // Once the successor was used, whoever shows the old one is a thief: all are void, access tokens too.
    const next = await world.ask('POST', '/auth/refresh', {
      body: { refreshToken: again.json.refreshToken },
    });
    expect(next.status).toBe(200);
    expect((await world.ask('POST', '/auth/refresh', { body: { refreshToken } })).status).toBe(401);
    expect(
      (await world.ask('POST', '/auth/refresh', { body: { refreshToken: next.json.refreshToken } })).status,
    ).toBe(401);
    for (const token of [accessToken, next.json.accessToken]) {
      expect((await world.ask('GET', '/auth/me', { token })).status).toBe(401);
    }
    const { json } = await world.ask('GET', '/admin/audit?kind=refresh_token_reused', { token: ADMIN_TOKEN });
    expect(json.items[0]).toMatchObject({ kind: 'refresh_token_reused', address: '127.0.0.1' });
  });

  test('clients that refresh at the same time get the same successor, and stay logged in', async () => {
    const { refreshToken } = await world.join('viewer');
    const ask = () => world.ask('POST', '/auth/refresh', { body: { refreshToken } });
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ json }) => json.refreshToken)).size).toBe(1);
    const last = await world.ask('POST', '/auth/refresh', {
      body: { refreshToken: answers[3]!.json.refreshToken },
    });
    expect(last.status).toBe(200);
  });
});
