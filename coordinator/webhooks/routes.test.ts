import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADMIN_TOKEN, Coordinators, type Session } from '../test-support/coordinators.ts';
import { ENDPOINTS_PER_OWNER_MAX } from './limits.ts';

interface Received {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

let world: Coordinators;
let receiver: Server;
let base: string;
let owner: Session;
let other: Session;
let admin: Session;
const received: Received[] = [];

beforeAll(async () => {
  receiver = createServer(async (request: IncomingMessage, response) => {
    const headers = request.headers as Record<string, string>;
    received.push({ path: request.url!, headers, body: await text(request) });
    response.writeHead(request.url === '/broken' ? 500 : 204).end();
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  base = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  world = await Coordinators.open({
    engine: 'postgresql',
    count: 2,
    env: { WEBHOOK_ALLOW_PRIVATE: 'on' },
  });
  [owner, other, admin] = [
    await world.join('uploader'),
    await world.join('uploader'),
    await world.join('admin'),
  ];
}, 60_000);
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  receiver.close();
});

const ask = (session: Session | string, method: string, path: string, body?: unknown, headers = {}) =>
  world.ask(method, `/webhooks${path}`, {
    token: typeof session === 'string' ? session : session.accessToken,
    ...(body !== undefined && { body }),
    headers,
  });

/** What came to a path, once as many have come. */
async function arrived(path: string, count: number): Promise<Received[]> {
  const found = () => received.filter((one) => one.path === path);
  await expect.poll(() => found().length, { timeout: 10_000 }).toBeGreaterThanOrEqual(count);
  return found();
}

test('an endpoint is made, read, changed and deleted, with entity tags, and its secret is shown once', async () => {
  const made = await ask(owner, 'POST', '', { url: `${base}/one`, description: 'Mine' });
  expect(made.status).toBe(201);
  const { secret, ...shown } = made.json;
  expect(shown).toMatchObject({
    ...{ ownerId: owner.userId, scope: 'own', url: `${base}/one`, description: 'Mine', eventTypes: null },
    ...{ enabled: true, disabledReason: null, failingSince: null },
  });
  expect(Buffer.from(secret.replace('whsec_', ''), 'base64')).toHaveLength(32);
  const path = `/${shown.id}`;
  expect(made.headers.get('location')).toBe(`/api/v1/webhooks${path}`);
  const found = await ask(owner, 'GET', path);
  expect([found.json, found.headers.get('etag')]).toEqual([shown, made.headers.get('etag')]);
  expect((await ask(owner, 'GET', '')).json).toEqual({ items: [shown], nextCursor: null });

  const changes = { eventTypes: ['video.deleted'], enabled: false };
  const changed = await ask(owner, 'PATCH', path, changes, { 'if-match': '"v1"' });
  expect(changed.json).toMatchObject({ ...changes, disabledReason: 'switchedOff' });
  const late = await ask(owner, 'PATCH', path, { description: 'x' }, { 'if-match': '"v1"' });
  expect([late.status, late.json.code]).toEqual([412, 'precondition_failed']);
  expect((await ask(owner, 'POST', `${path}/test`)).json.code).toBe('conflict');
  expect((await ask(owner, 'DELETE', path, undefined, { 'if-match': '"v1"' })).status).toBe(412);
  expect((await ask(owner, 'DELETE', path, undefined, { 'if-match': '"v2"' })).status).toBe(204);
  expect((await ask(owner, 'GET', path)).json.code).toBe('webhook_not_found');
});

test('what is somebody else’s is there for administrators alone', async () => {
  const { json } = await ask(owner, 'POST', '', { url: `${base}/private` });
  const path = `/${json.id}`;
  const attempts: [string, string, unknown?][] = [
    ['GET', path],
    ['PATCH', path, { enabled: false }],
    ['DELETE', path],
    ['POST', `${path}/rotate-secret`, {}],
    ['POST', `${path}/test`],
    ['GET', `${path}/deliveries`],
    ['POST', `${path}/replay`, { since: new Date().toISOString() }],
    ['POST', `${path}/deliveries/${uuidv7()}/replay`],
  ];
  for (const [method, target, body] of attempts) {
    const answer = await ask(other, method, target, body);
    expect([method, target, answer.status, answer.json.code]).toEqual([
      method,
      target,
      404,
      'webhook_not_found',
    ]);
  }
  expect((await ask(other, 'GET', '')).json.items).toEqual([]);
  const everything = (await ask(admin, 'GET', '?limit=100')).json.items;
  expect(everything.map(({ id }: { id: string }) => id)).toContain(json.id);
  expect((await ask(ADMIN_TOKEN, 'PATCH', path, { description: 'seen' })).json.description).toBe('seen');

  // A key for videos alone is no administrator's, whoever made it.
  const key = await world.ask('POST', '/api-keys', {
    token: admin.accessToken,
    body: { name: 'videos', scopes: ['videos:write'] },
  });
  expect((await ask(key.json.key, 'GET', path)).status).toBe(404);
  expect((await ask(key.json.key, 'POST', '', { url: base, scope: 'all' })).json.code).toBe('forbidden');
  expect((await ask(owner, 'POST', '', { url: base, scope: 'all' })).json.code).toBe('forbidden');
  expect((await ask(owner, 'DELETE', path)).status).toBe(204);
});

test.each([
  [{}, 'url'],
  [{ url: 'https://hooks.example', color: 'red' }, 'color'],
  [{ url: 'https://hooks.example', eventTypes: [] }, 'eventTypes'],
  [{ url: 'https://hooks.example', eventTypes: ['video.watched'] }, 'eventTypes.0'],
  [{ url: 'https://hooks.example', eventTypes: ['video.ready', 'video.ready'] }, 'eventTypes'],
  [{ url: 'https://hooks.example', eventTypes: ['node.down'] }, 'eventTypes'],
  [{ url: 'https://hooks.example', description: 'a\u0000b' }, 'description'],
  [{ url: 'https://hooks.example', enabled: 'yes' }, 'enabled'],
])('%j is refused', async (body, field) => {
  const { status, json } = await ask(owner, 'POST', '', body);
  expect([status, json.errors[0].field]).toEqual([400, field]);
});

test('addresses that are none are refused, when it is made and when it is changed', async () => {
  const { json } = await ask(admin, 'POST', '', { url: `${base}/changed` });
  for (const url of ['', 'hooks', 'ftp://hooks.example/', 'https://user:secret@hooks.example/']) {
    const answers = [
      await ask(admin, 'POST', '', { url }),
      await ask(admin, 'PATCH', `/${json.id}`, { url }),
    ];
    for (const answer of answers) expect([answer.status, answer.json.code]).toEqual([422, 'webhook_refused']);
  }
  expect((await ask(ADMIN_TOKEN, 'POST', '', { url: base, scope: 'own' })).json.errors[0].field).toBe(
    'scope',
  );
  expect((await ask(admin, 'DELETE', `/${json.id}`)).status).toBe(204);
});

test('a test arrives once though two coordinators see it, signed; the secret is nowhere else', async () => {
  const made = await ask(owner, 'POST', '', { url: `${base}/tested` });
  const path = `/${made.json.id}`;
  const rotated = await ask(owner, 'POST', `${path}/rotate-secret`, {});
  expect(rotated.json.secret).not.toBe(made.json.secret);
  const sent = await ask(owner, 'POST', `${path}/test`);
  expect([sent.status, sent.json.state, sent.json.lastAttempt]).toEqual([202, 'pending', null]);
  const [first] = await arrived('/tested', 1);
  for (const secret of [made.json.secret, rotated.json.secret]) {
    expect(new Webhook(secret).verify(first!.body, first!.headers)).toMatchObject({ type: 'webhook.test' });
  }
  expect(first!.headers['webhook-id']).toBe(sent.json.eventId);

  const log = async () => (await ask(owner, 'GET', `${path}/deliveries`)).json.items;
  await expect.poll(async () => (await log())[0].state).toBe('delivered');
  expect(await log()).toMatchObject([
    {
      id: sent.json.id,
      attempts: 1,
      lastAttempt: { statusCode: 204, error: null, response: null },
      nextAttemptAt: null,
    },
  ]);
  const replayed = await ask(owner, 'POST', `${path}/deliveries/${sent.json.id}/replay`);
  expect(replayed.json).toMatchObject({ id: sent.json.id, state: 'pending' });
  expect((await arrived('/tested', 2)).length).toBe(2);

  const answers = await Promise.all(
    ['', path, `${path}/deliveries`].map((target) => ask(owner, 'GET', target)),
  );
  const shown = answers.map((answer) => answer.text).join() + world.logged.join();
  for (const { json } of [made, rotated]) {
    expect(shown).not.toContain(json.secret);
    expect(shown).not.toContain(json.secret.slice(6));
  }
  const metrics = (await Promise.all([0, 1].map((at) => world.ask('GET', '//metrics', { at }))))
    .map((answer) => answer.text)
    .join();
  expect(metrics).toMatch(/orbitvids_webhook_attempts_total\{outcome="delivered"\} \d/);
  expect(metrics).toMatch(/orbitvids_webhook_deliveries_pending 0/);
  expect(world.logged.join()).not.toContain('cannot be counted');
  const stored = await world.database.kysely.selectFrom('webhook_secrets').select('sealed').execute();
  const plain = Buffer.from(made.json.secret.slice(6), 'base64');
  expect(stored.some(({ sealed }) => Buffer.from(sealed).includes(plain))).toBe(false);
});

test('what fails shows why and when it is tried again, and lists go on where they ended', async () => {
  const { json } = await ask(admin, 'POST', '', { url: `${base}/broken` });
  for (let count = 0; count < 3; count++) await ask(admin, 'POST', `/${json.id}/test`);
  await arrived('/broken', 3);
  const page = async (query: string) => (await ask(admin, 'GET', `/${json.id}/deliveries${query}`)).json;
  await expect.poll(async () => (await page('?state=failed')).items.length).toBe(3);
  const first = await page('?limit=2');
  const rest = await page(`?limit=2&cursor=${first.nextCursor}`);
  const ids = [...first.items, ...rest.items].map(({ id }: { id: string }) => id);
  expect([ids.length, new Set(ids).size, rest.nextCursor]).toEqual([3, 3, null]);
  expect(first.items[0].lastAttempt).toMatchObject({ statusCode: 500, error: 'The endpoint answered 500.' });
  expect((await page('?state=lost')).errors[0].field).toBe('state');
  const since = (await ask(admin, 'POST', `/${json.id}/replay`, { since: new Date(0).toISOString() })).json;
  expect(since).toEqual({ replayed: 3, hasMore: false });
});

test('nobody has more endpoints than a few', async () => {
  for (let count = 0; count < ENDPOINTS_PER_OWNER_MAX; count++) {
    expect((await ask(other, 'POST', '', { url: `${base}/${count}` })).status).toBe(201);
  }
  const first = (await ask(other, 'GET', '?limit=4')).json;
  const rest = (await ask(other, 'GET', `?limit=100&cursor=${first.nextCursor}`)).json;
  expect([first.items.length, rest.items.length, rest.nextCursor]).toEqual([
    4,
    ENDPOINTS_PER_OWNER_MAX - 4,
    null,
  ]);
  const more = await ask(other, 'POST', '', { url: base });
  expect([more.status, more.json.code]).toEqual([409, 'too_many_webhooks']);
});
