import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ADMIN_TOKEN, Coordinators, PASSWORD } from '../test-support/coordinators.ts';

let world: Coordinators;
beforeAll(async () => {
  world = await Coordinators.open({
    env: {
      LOGIN_LIMIT: '1000',
      REGISTRATION_LIMIT: '1000',
    },
  });
});
afterAll(() => world[Symbol.asyncDispose]());

let count = 0;
const newEmail = () => `person-${++count}@example.org`;
const register = (fields: object) =>
  world.ask('POST', '/auth/register', { body: { email: newEmail(), password: PASSWORD, ...fields } });

describe('passwords', () => {
  test.each([
    ['too short', 'short-one'],
    ['too common', 'Password123!'],
    ['too common, twice', 'qwertyqwerty'],
    ['too few characters', 'aaaaaaaaaaaa'],
    ['a sequence', 'abcdefghijklm'],
    ['a sequence backwards', '9876543210'],
    ['the address', 'somebody@example.org'],
    ['the address and some', 'somebody-2026'],
    ['too long', 'x7-'.repeat(100)],
    ['far too long', 'x7-'.repeat(4000)],
    ['half a surrogate', `vivid-otter-\ud800-stapler`],
    ['no text', 12345678901],
    ['absent', undefined],
  ])('%s: refused, and the field named', async (_what, password) => {
    const { status, json, text } = await register({ email: 'somebody@example.org', password });
    expect([status, json.code]).toEqual([400, 'invalid_request']);
    expect(json.errors.map(({ field }: { field: string }) => field)).toContain('password');
    if (typeof password === 'string') expect(text).not.toContain(password);
  });

  test('a body that is not UTF-8 is refused before anything is made of it', async () => {
    const body = Buffer.concat([
      Buffer.from(`{"email":"${newEmail()}","password":"vivid-otter-`),
      Buffer.from([0xc3, 0x28, 0xff]),
      Buffer.from('-stapler"}'),
    ]);
    for (const path of ['/auth/register', '/auth/login']) {
      const { status, json, text } = await world.ask('POST', path, { body });
      expect([path, status, json.code]).toEqual([path, 400, 'invalid_json']);
      expect(text).not.toContain('otter');
    }
  });

  test('a body that is too large is refused unread', async () => {
    const answer = await world.ask('POST', '/auth/login', {
      body: { email: newEmail(), password: 'x'.repeat(1_000_000) },
    });
    expect([answer.status, answer.json.code]).toEqual([413, 'body_too_large']);
  });

  test('the same password in another composition of its letters is the same', async () => {
    const email = newEmail();
    await register({ email, password: 'cafe\u0301-otter-stapler' });
    expect((await world.login(email, 0, 'caf\u00e9-otter-stapler')).email).toBe(email);
  });

  test('every character counts, also behind the seventy-second byte', async () => {
    const email = newEmail();
    const password = `${'vivid-otter-'.repeat(8)}a`;
    await register({ email, password });
    const wrong = { email, password: `${password.slice(0, -1)}b` };
    expect((await world.ask('POST', '/auth/login', { body: wrong })).status).toBe(401);
    await world.login(email, 0, password);
  });
});

describe('addresses and names', () => {
  test.each([
    'plain',
    '@example.org',
    'a@',
    'a b@example.org',
    'a@b@c',
    'a\r\nSet-Cookie: x=y@example.org',
    'a\u0000@example.org',
    '<a@example.org>',
    `${'a'.repeat(250)}@example.org`,
    `\ud800@example.org`,
    ['a@example.org'],
    null,
  ])('%j is no address', async (email) => {
    const { status, json } = await register({ email });
    expect([status, json.code]).toEqual([400, 'invalid_request']);
    expect(json.errors[0].field).toBe('email');
  });

  test('SQL in them stays text', async () => {
    const title = `Robert'); drop table users;--`;
    for (const name of [`o'or'1'='1`, `x'--`, `%_'`, `'||pg_sleep||'`]) {
      const { status, json } = await register({ email: `${name}@example.org`, name: title });
      expect([name, status, json.name]).toEqual([name, 201, title]);
      const login = { email: `${name}@example.org`, password: `' or '1'='1' --` };
      expect((await world.ask('POST', '/auth/login', { body: login })).status).toBe(401);
    }
    const search = async (q: string) =>
      (await world.ask('GET', `/users?q=${encodeURIComponent(q)}`, { token: ADMIN_TOKEN })).json.items.length;
    expect(await search(`' or '1'='1`)).toBe(0);
    expect(await search('%')).toBe(1);
    expect(await search(`'); drop table users;--`)).toBeGreaterThan(0);
    for (const path of [
      `/users/' or 1=1`,
      `/api-keys/1;drop`,
      `/users?cursor=' or 1=1`,
      '/users?role=root',
    ]) {
      const { status } = await world.ask('GET', encodeURI(path), { token: ADMIN_TOKEN });
      expect([path, status]).toEqual([path, path.startsWith('/api-keys') ? 405 : 400]);
    }
  });

  test('line breaks get into no header', async () => {
    const { status } = await register({ name: 'a\r\nSet-Cookie: x=y' });
    expect(status).toBe(400);
    const raw = await exchange(
      'GET /api/v1/auth/me HTTP/1.1\r\nhost: x\r\nx-request-id: abcdefgh%0d%0aset-cookie:x\r\nauthorization: Bearer a\r\n b\r\n\r\n',
    );
    expect(raw).not.toMatch(/set-cookie/i);
    expect(raw).toMatch(/^HTTP\/1\.1 40[01] /);
  });

  test('unknown fields and other shapes are refused', async () => {
    expect((await register({ role: 'admin' })).json.errors[0]).toMatchObject({ field: 'role' });
    for (const body of ['[]', 'null', '"x"', '{', '{"email":{}}']) {
      const { status } = await world.ask('POST', '/auth/login', { body });
      expect([body, status]).toEqual([body, 400]);
    }
    const form = await world.ask('POST', '/auth/login', {
      body: 'email=a',
      headers: { 'content-type': 'text/plain' },
    });
    expect(form.json.code).toBe('unsupported_media_type');
  });
});

/** What the server answers to bytes. */
function exchange(bytes: string): Promise<string> {
  const { port } = new URL(world.urls[0]!);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setEncoding('utf8').on('data', (piece) => {
      text += piece;
      if (text.includes('\r\n\r\n')) socket.destroy();
    });
    socket.once('close', () => resolve(text));
    socket.once('error', reject);
  });
}

describe('a login', () => {
  test('says the same of an unknown account as of a wrong password', async () => {
    const { email } = await world.addUser('viewer');
    const known = await world.ask('POST', '/auth/login', { body: { email, password: 'wrong-password-7' } });
    const unknown = await world.ask('POST', '/auth/login', {
      body: { email: newEmail(), password: 'wrong-password-7' },
    });
    const shown = ({ json: { requestId: _, ...json } }: typeof known) => json;
    expect(shown(unknown)).toEqual(shown(known));
    expect(unknown.status).toBe(401);
  });

  test('tells only who knows the password that the account is disabled', async () => {
    const { id, email } = await world.addUser('viewer');
    await world.ask('PATCH', `/users/${id}`, { token: ADMIN_TOKEN, body: { disabled: true } });
    const code = async (password: string) =>
      (await world.ask('POST', '/auth/login', { body: { email, password } })).json.code;
    expect(await code('wrong-password-7')).toBe('login_failed');
    expect(await code(PASSWORD)).toBe('account_disabled');
  });
});
