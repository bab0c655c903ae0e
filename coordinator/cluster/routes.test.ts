import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { assign, positionOf } from '../../lib/hashring/index.ts';
import { createProblemHandlers } from '../../lib/http/problem-handlers.ts';
import { deriveKey, type SigningKey, signTarget, verifyTarget } from '../../lib/signing/signed-url.ts';
import { type Authenticator, Gate } from '../auth/gate.ts';
import { createNodeCheck } from '../auth/node-check.ts';
import { NOBODY, OPERATOR } from '../auth/principal.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { statusOf } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import type { Registration } from './membership.ts';
import { RingView } from './ring-view.ts';
import { createClusterRoutes } from './routes.ts';

const NOW_S = 1_700_000_000;
const key = deriveKey('the secret of the cluster', 'storage-node');
const nodes = ['a', 'b', 'c', 'd'].map((id) => ({ id, url: `http://${id}:1`, zone: id }));
const layout = assign(
  null,
  nodes.map(({ id, zone }) => ({ id, zone, weight: 1 })),
  { epoch: 1, replicas: 3, rangeCount: 16 },
);
const state = { step: 1, base: layout, target: null, phases: null, rebalanceId: null };
const view = new RingView(state, new Map(nodes.map((node) => [node.id, node])), nodes);
const rangeIndex = (position: number) => Math.floor(position / (2 ** 32 / 16));

const cluster = {
  id: 'cluster-id',
  ready: true,
  layout,
  state,
  rangeOf: rangeIndex,
  writeTargetsOf: (position: number) => view.writeTargetsOf(rangeIndex(position)),
  healthOf: (id: string) => (id === 'a' ? 'down' : 'up'),
  summary: () => ({ clusterId: 'cluster-id', epoch: 1 }),
  registeredNodes: () => [],
  reportNodes: async () => [{ id: 'a', health: 'down' }],
} as unknown as Cluster;

function createApp() {
  const registered: Registration[] = [];
  const app = new Hono();
  app.onError(createProblemHandlers(silentLogger, statusOf).onError);
  const authenticator: Authenticator = {
    identify: ({ headers }) => (headers.authorization === 'Bearer admin' ? OPERATOR : NOBODY),
    identifyNode: createNodeCheck((method, target) => verifyTarget([key], method, target, NOW_S)),
  };
  new Gate({ authenticator, anonymousRead: true }).mount(app);
  app.route(
    '/api/v1',
    createClusterRoutes({
      cluster,
      activate: async ({ id }) => ({ id: `rebalance of ${id}` }),
      objects: {
        usageByRange: async (count) => ({ chunks: new Float64Array(count), bytes: new Float64Array(count) }),
      },
      membership: {
        register: async (registration) => {
          registered.push(registration);
          const { url, zone = 'z', weight = 100 } = registration;
          const times = {
            dataId: null,
            quarantinedCount: 0,
            lastQuarantinedAt: null,
            registeredAt: new Date(0),
            lastSeenAt: new Date(0),
          };
          return { id: 'new', url, zone, weight, state: 'joined', capacityBytes: 1, ...times };
        },
      },
    }),
  );
  return { app, registered };
}

const admin = { authorization: 'Bearer admin' };
const post = (body: unknown, headers: Record<string, string> = admin) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});

test('everything needs an administrator', async () => {
  const { app } = createApp();
  for (const path of ['/admin/nodes', '/admin/cluster', '/admin/ring', '/admin/ring/locate?key=x']) {
    expect((await app.request(`/api/v1${path}`)).status).toBe(401);
    expect((await app.request(`/api/v1${path}`, { headers: admin })).status).toBe(200);
  }
  expect((await app.request('/api/v1/admin/nodes', post({ url: 'http://n:1' }, {}))).status).toBe(401);
});

test('nodes and cluster are shown', async () => {
  const { app } = createApp();
  const list = await app.request('/api/v1/admin/nodes', { headers: admin });
  expect(await list.json()).toEqual({ items: [{ id: 'a', health: 'down' }], nextCursor: null });
  const summary = await app.request('/api/v1/admin/cluster', { headers: admin });
  expect(await summary.json()).toEqual({ clusterId: 'cluster-id', epoch: 1 });
});

test('an administrator registers a node', async () => {
  const { app, registered } = createApp();
  const response = await app.request(
    '/api/v1/admin/nodes',
    post({ url: 'http://n:1', zone: 'rack-1', weight: 5 }),
  );
  expect(response.status).toBe(201);
  expect(await response.json()).toEqual({
    id: 'new',
    url: 'http://n:1',
    zone: 'rack-1',
    weight: 5,
    state: 'active',
    clusterId: 'cluster-id',
    rebalance: { id: 'rebalance of new' },
  });
  expect(registered).toEqual([{ url: 'http://n:1', zone: 'rack-1', weight: 5 }]);
});

test('a node registers itself with a signed request', async () => {
  const { app, registered } = createApp();
  const target = '/api/v1/admin/nodes';
  const signed = (secret: SigningKey, expiresAtS: number) =>
    app.request(signTarget(secret, { method: 'POST', target, expiresAtS }), post({ url: 'http://n:1' }, {}));
  expect((await signed(key, NOW_S + 60)).status).toBe(201);
  expect(registered).toHaveLength(1);
  const altered = await signed(deriveKey('another secret', 'storage-node'), NOW_S + 60);
  expect(altered.status).toBe(401);
  expect(await altered.json()).toMatchObject({ detail: expect.stringContaining('another CLUSTER_SECRET') });
  const expired = await signed(key, NOW_S - 1);
  expect(expired.status).toBe(401);
  expect(await expired.json()).toMatchObject({ detail: expect.stringContaining('clocks') });
  expect(registered).toHaveLength(1);
});

test.each([
  ['url', {}],
  ['url', { url: 'ftp://n:1' }],
  ['url', { url: 7 }],
  ['zone', { url: 'http://n:1', zone: '' }],
  ['weight', { url: 'http://n:1', weight: 1.5 }],
  ['weight', { url: 'http://n:1', weight: '5' }],
  ['weight', { url: 'http://n:1', weight: -1 }],
  ['colour', { url: 'http://n:1', colour: 'red' }],
  ['', []],
])('a registration with a bad %s is refused naming it', async (field, body) => {
  const { app, registered } = createApp();
  const response = await app.request('/api/v1/admin/nodes', post(body));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    code: 'invalid_request',
    errors: [expect.objectContaining({ field })],
  });
  expect(registered).toEqual([]);
});

test('a body that is too long is refused', async () => {
  const { app } = createApp();
  const response = await app.request('/api/v1/admin/nodes', post({ url: `http://${'n'.repeat(70_000)}:1` }));
  expect(response.status).toBe(413);
  expect(await response.json()).toMatchObject({ code: 'body_too_large' });
});

test('a body that is not JSON is refused', async () => {
  const { app } = createApp();
  const response = await app.request('/api/v1/admin/nodes', post('{'));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 'invalid_json' });
});

test('the ring is shown, with arcs when they are asked for', async () => {
  const { app } = createApp();
  const plain = await app.request('/api/v1/admin/ring', { headers: admin });
  expect(await plain.json()).not.toHaveProperty('arcs');
  const full = await app.request('/api/v1/admin/ring?arcs=1', { headers: admin });
  expect(await full.json()).toMatchObject({ rangeCount: 16, replicas: 3, arcs: expect.any(Array) });
  expect((await app.request('/api/v1/admin/ring?arcs=maybe', { headers: admin })).status).toBe(400);
});

test('a key is located on the ring', async () => {
  const { app } = createApp();
  const response = await app.request('/api/v1/admin/ring/locate?key=some-chunk', { headers: admin });
  const located = (await response.json()) as {
    position: string;
    range: { index: number; first: string; last: string };
    owners: { id: string; health: string }[];
    fallbacks: { id: string }[];
  };
  const position = positionOf('some-chunk');
  expect(Number.parseInt(located.position, 16)).toBe(position);
  expect(located.range.index).toBe(rangeIndex(position));
  expect(located.range.first <= located.position && located.position <= located.range.last).toBe(true);
  expect(located).toMatchObject({ key: 'some-chunk', epoch: 1 });
  expect(located.owners.map(({ id }) => id)).toEqual(
    cluster.writeTargetsOf(position).owners.map(({ id }) => id),
  );
  const all = [...located.owners, ...located.fallbacks].map(({ id }) => id);
  expect(all.toSorted()).toEqual(['a', 'b', 'c', 'd']);
});

test.each(['', '?key=', '?key=a&extra=1', `?key=${'x'.repeat(513)}`])(
  'locating needs exactly one key: %s',
  async (query) => {
    const { app } = createApp();
    const response = await app.request(`/api/v1/admin/ring/locate${query}`, { headers: admin });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_request' });
  },
);
