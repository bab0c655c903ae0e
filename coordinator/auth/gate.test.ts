import { Hono } from 'hono';
import { describe, expect, test } from 'vitest';
import { createProblemHandlers } from '../../lib/http/problem-handlers.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { statusOf } from '../errors.ts';
import type { Operation } from './access.ts';
import { bearerOf, type Credentials, Gate, invalidToken } from './gate.ts';
import { mayChange, mayRead, NOBODY, OPERATOR, type Principal, type UserPrincipal } from './principal.ts';

const user = (role: UserPrincipal['role'], more: Partial<UserPrincipal> = {}): UserPrincipal => ({
  kind: 'user',
  userId: 'u',
  role,
  sessionId: 's',
  scopes: null,
  generation: 1,
  ...more,
});
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  operator: OPERATOR,
  admin: user('admin'),
  uploader: user('uploader'),
  viewer: user('viewer'),
  readKey: user('admin', { sessionId: null, scopes: ['videos:read'] }),
};

function gateOf(anonymousRead = true): Gate {
  return new Gate({
    authenticator: {
      identify({ headers }) {
        const token = bearerOf(headers.authorization);
        if (token === undefined) return NOBODY;
        const principal = PRINCIPALS[token];
        if (principal === undefined) throw invalidToken();
        return principal;
      },
    },
    anonymousRead,
  });
}

/** What is known at once, and what has to be waited for, in the same form. */
const admit = async (gate: Gate, operation: Operation, credentials: Credentials) =>
  await gate.admit(operation, credentials);

const as = (who: string): Credentials => ({
  method: 'GET',
  target: '/',
  headers: who === 'nobody' ? {} : { authorization: `Bearer ${who}` },
});

describe('the gate', () => {
  test.each([
    ['GET /api/v1/videos', { nobody: true, viewer: true, uploader: true, readKey: true, operator: true }],
    [
      'POST /api/v1/videos',
      { nobody: 'unauthorized', viewer: 'forbidden', uploader: true, readKey: 'insufficient_scope' },
    ],
    ['DELETE /api/v1/videos/{id}', { nobody: 'unauthorized', viewer: true, readKey: 'insufficient_scope' }],
    [
      'GET /api/v1/admin/nodes',
      { nobody: 'unauthorized', uploader: 'forbidden', readKey: 'insufficient_scope', admin: true },
    ],
    ['GET /healthz', { nobody: true, wrong: true }],
    ['GET /api/v1/videos/{id}', { wrong: 'unauthorized' }],
  ] as const)('%s', async (operation, expected) => {
    for (const [who, outcome] of Object.entries(expected)) {
      const admitted = admit(gateOf(), operation, as(who));
      if (outcome === true) await expect(admitted, who).resolves.toBeDefined();
      else await expect(admitted, who).rejects.toMatchObject({ code: outcome });
    }
  });

  test('without anonymous reading everybody needs an account', async () => {
    const gate = gateOf(false);
    await expect(admit(gate, 'GET /api/v1/videos', as('nobody'))).rejects.toMatchObject({
      code: 'unauthorized',
    });
    await expect(admit(gate, 'GET /api/v1/videos', as('viewer'))).resolves.toBe(PRINCIPALS.viewer);
  });

  test('a handler that is not in the table is open to nobody', async () => {
    const app = new Hono();
    app.onError(createProblemHandlers(silentLogger, statusOf).onError);
    gateOf().mount(app);
    app.get('/api/v1/forgotten', (c) => c.text('secret'));
    app.get('/api/v1/videos', (c) => c.text('videos'));
    app.get('/page', (c) => c.text('page'));
    const status = async (path: string) =>
      (await app.request(path, { headers: { authorization: 'Bearer operator' } })).status;
    expect(await status('/api/v1/forgotten')).toBe(404);
    expect(await status('/api/v1/videos')).toBe(200);
    expect(await status('/page')).toBe(200);
  });

  test('the challenge tells a missing token from a bad one', async () => {
    const challenge = (credentials: Credentials) =>
      admit(gateOf(), 'GET /api/v1/admin/nodes', credentials).then(
        () => '',
        (error) => error.details.headers['www-authenticate'],
      );
    expect(await challenge(as('nobody'))).toBe('Bearer realm="orbitvids"');
    for (const authorization of ['', 'Bearer', 'Bearer a b', 'Basic eDp5', 'wrong']) {
      expect(await challenge({ ...as('nobody'), headers: { authorization } })).toContain(
        'error="invalid_token"',
      );
    }
  });
});

test('what is private is for its owner and administrators alone', () => {
  const owned = { ownerId: 'u', visibility: 'private' as const };
  expect(mayRead(NOBODY, owned)).toBe(false);
  expect(mayRead(user('viewer'), owned)).toBe(true);
  expect(mayRead(user('uploader', { userId: 'other' }), owned)).toBe(false);
  expect(mayRead(user('admin', { userId: 'other' }), owned)).toBe(true);
  expect(mayRead(NOBODY, { ...owned, visibility: 'unlisted' })).toBe(true);
  expect(mayChange(user('uploader', { userId: 'other' }), { ...owned, visibility: 'public' })).toBe(false);
  expect(mayChange(NOBODY, { ownerId: null, visibility: 'public' })).toBe(false);
  expect(mayChange(OPERATOR, { ownerId: null, visibility: 'public' })).toBe(true);
});
