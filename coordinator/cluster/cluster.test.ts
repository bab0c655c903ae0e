import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { assign, ownersOf, preferenceOf, rangeBounds } from '../../lib/hashring/index.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { openTestDatabase } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { Cluster } from './cluster.ts';
import { LayoutRepository } from './layout-repository.ts';
import { NodeRepository } from './node-repository.ts';
import { RingRepository } from './ring-repository.ts';
import { FakeNodes } from './test-support/fake-nodes.ts';
import { ManualClock } from './test-support/manual-clock.ts';

const RANGES = 64;

let database: DatabaseHandle;
let probe: FakeNodes;
let clock: ManualClock;
let stack: AsyncDisposableStack;
beforeAll(async () => {
  database = await openTestDatabase('pglite');
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const table of ['coordinators', 'ring', 'layouts', 'nodes', 'cluster'] as const) {
    await database.kysely.deleteFrom(table).execute();
  }
  probe = new FakeNodes();
  clock = new ManualClock();
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const open = async (replicas = 3) =>
  stack.use(
    await Cluster.open({ database, probe, clock, logger: silentLogger, replicas, rangeCount: RANGES }),
  );

/** Writes as another coordinator would whose notification was lost. */
async function storeNodes(count: number): Promise<void> {
  await database.kysely.transaction().execute(async (transaction) => {
    for (let index = 0; index < count; index++) {
      const { id, url, capacityBytes } = probe.add();
      await new NodeRepository(database.kysely).insert(transaction, {
        id,
        url,
        capacityBytes,
        zone: `zone-${index}`,
        weight: 100,
      });
    }
  });
}

async function storeLayout(epoch: number): Promise<void> {
  const layouts = new LayoutRepository(database.kysely);
  const members = await new NodeRepository(database.kysely).list();
  const layout = assign(await layouts.latest(), members, { epoch, replicas: 3, rangeCount: RANGES });
  const rings = new RingRepository(database.kysely);
  await database.kysely.transaction().execute(async (transaction) => {
    await layouts.append(layout, transaction);
    await rings.begin(transaction, layout);
  });
}

const moveNode = (id: string, url: string) =>
  database.kysely.updateTable('nodes').set({ url }).where('id', '=', id).execute();

test('without a layout there are no owners', async () => {
  const cluster = await open();
  expect(cluster.ready).toBe(false);
  expect(cluster.layout).toBeNull();
  for (const lookUp of [
    () => cluster.writeTargetsOf(0),
    () => cluster.readSourcesOf(0),
    () => cluster.rangeOf(0),
  ]) {
    expect(lookUp).toThrow(expect.objectContaining({ code: 'cluster_not_ready', retryable: true }));
  }
});

test('owners and fallbacks are those of the layout, in its order', async () => {
  await storeNodes(5);
  await storeLayout(1);
  const cluster = await open();
  const layout = cluster.layout!;
  for (let range = 0; range < RANGES; range++) {
    const { first, last } = rangeBounds(range, RANGES);
    for (const position of [first, last]) {
      const owners = cluster.writeTargetsOf(position).owners.map(({ id }) => id);
      const fallbacks = cluster.writeTargetsOf(position).fallbacks.map(({ id }) => id);
      expect(owners).toEqual(ownersOf(layout, position).map(({ id }) => id));
      expect([...owners, ...fallbacks]).toEqual(preferenceOf(layout, position).map(({ id }) => id));
    }
  }
});

test('a lookup gives the same list every time, and a reload that finds nothing new keeps it', async () => {
  await storeNodes(4);
  await storeLayout(1);
  const cluster = await open();
  const owners = cluster.writeTargetsOf(123).owners;
  const fallbacks = cluster.writeTargetsOf(123).fallbacks;
  await cluster.reload();
  expect(cluster.writeTargetsOf(123).owners).toBe(owners);
  expect(cluster.writeTargetsOf(123).fallbacks).toBe(fallbacks);
});

test('a node that moved is replaced, and the others stay the objects they were', async () => {
  await storeNodes(4);
  await storeLayout(1);
  const cluster = await open();
  const [moved, ...others] = cluster.nodes();
  await moveNode(moved!.id, 'http://elsewhere:1');
  await cluster.reload();
  expect(cluster.nodes()[0]).toEqual({ ...moved, url: 'http://elsewhere:1' });
  others.forEach((node, index) => {
    expect(cluster.nodes()[index + 1]).toBe(node);
  });
  const resolved = [...cluster.writeTargetsOf(0).owners, ...cluster.writeTargetsOf(0).fallbacks];
  expect(resolved.find(({ id }) => id === moved!.id)?.url).toBe('http://elsewhere:1');
});

test('what no notification told is found within ten seconds', async () => {
  const cluster = await open();
  await clock.advance(0);
  await storeNodes(3);
  await storeLayout(1);
  await clock.advance(9000);
  expect(cluster.ready).toBe(false);
  await clock.advance(1000);
  await expect.poll(() => cluster.ready).toBe(true);
  expect(cluster.nodes()).toHaveLength(3);
});

test('a call that comes while another reload runs sees what was stored before it', async () => {
  const cluster = await open();
  const running = cluster.reload();
  await storeNodes(3);
  await storeLayout(1);
  await Promise.all([running, cluster.reload()]);
  expect(cluster.ready).toBe(true);
});

test('a removed node is no longer listed, but a layout that names it still resolves', async () => {
  await storeNodes(3);
  await storeLayout(1);
  const cluster = await open();
  const [removed] = cluster.nodes();
  await database.kysely
    .updateTable('nodes')
    .set({ state: 'removed' })
    .where('id', '=', removed!.id)
    .execute();
  await cluster.reload();
  expect(cluster.nodes()).toHaveLength(2);
  expect(cluster.registeredNodes()).toHaveLength(2);
  expect(cluster.writeTargetsOf(0).owners.map(({ id }) => id)).toContain(removed!.id);
});

test('the number of replicas is that of the first start', async () => {
  const first = await open(3);
  const second = await open(5);
  expect(second.id).toBe(first.id);
  expect(second.replicas).toBe(3);
  expect(second.writeQuorum).toBe(2);
});

test('the nodes are asked how they are before anything is placed, and then every second', async () => {
  await storeNodes(3);
  probe.nodes[0]!.answers = false;
  const cluster = await open();
  expect(cluster.summary()).toEqual({
    clusterId: cluster.id,
    epoch: 0,
    step: 0,
    rebalancing: false,
    ready: false,
    replicas: 3,
    writeQuorum: 2,
    nodes: { up: 2, suspect: 1, down: 0 },
  });
  await clock.advance(10_000);
  expect(cluster.healthOf(probe.nodes[0]!.id)).toBe('down');
  probe.nodes[0]!.answers = true;
  await clock.advance(1000);
  expect(cluster.summary().nodes).toEqual({ up: 3, suspect: 0, down: 0 });
  cluster.reportFailure(probe.nodes[1]!.id, 'stalled');
  expect(cluster.healthOf(probe.nodes[1]!.id)).toBe('suspect');
});

test('which nodes answer is noted once a minute', async () => {
  await storeNodes(2);
  probe.nodes[1]!.answers = false;
  await open();
  const longAgo = new Date('2001-01-01');
  await clock.advance(0);
  // The first note is made at the start.
  const seen = async () =>
    (await new NodeRepository(database.kysely).list()).map(({ lastSeenAt }) => lastSeenAt > longAgo);
  await database.kysely.updateTable('nodes').set({ last_seen_at: longAgo }).execute();
  expect(await seen()).toEqual([false, false]);
  await clock.advance(60_000);
  const index = (await new NodeRepository(database.kysely).list()).findIndex(
    ({ id }) => id === probe.nodes[0]!.id,
  );
  await expect.poll(seen).toEqual([0, 1].map((position) => position === index));
});

test('reports ask the nodes that are not down', async () => {
  await storeNodes(2);
  const cluster = await open();
  probe.nodes[1]!.answers = false;
  await clock.advance(10_000);
  const reports = await cluster.reportNodes();
  const byId = new Map(reports.map((report) => [report.id, report]));
  expect(byId.get(probe.nodes[0]!.id)).toMatchObject({
    state: 'joined',
    health: 'up',
    healthReason: null,
    capacityBytes: 1e9,
    usedBytes: 1000,
    chunkCount: 3,
    disk: 'ok',
    lastSeenAt: new Date(clock.nowMs()).toISOString(),
    ranges: 0,
    primaryRanges: 0,
    targetRanges: null,
  });
  expect(byId.get(probe.nodes[1]!.id)).toMatchObject({
    health: 'down',
    healthReason: expect.stringContaining('connection refused'),
    capacityBytes: 1e9,
    usedBytes: null,
    chunkCount: null,
  });
});

test('one that starts while there is a ring acknowledges its step, however slowly it joins the others', async () => {
  await storeNodes(3);
  await storeLayout(1);
  const { notifications } = database;
  const slow: DatabaseHandle = {
    ...database,
    notifications: {
      publish: (...parameters) => notifications.publish(...parameters),
      onGap: (listener) => notifications.onGap(listener),
      async subscribe(channel, listener) {
        for (let query = 0; query < 20; query++)
          await database.kysely.selectFrom('ring').select('step').execute();
        return notifications.subscribe(channel, listener);
      },
    },
  };
  const cluster = stack.use(
    await Cluster.open({
      database: slow,
      probe,
      clock,
      logger: silentLogger,
      replicas: 3,
      rangeCount: RANGES,
    }),
  );
  expect(cluster.state?.step).toBe(1);
  await cluster.presence.barrier(1, AbortSignal.timeout(5000));
  cluster.enter().leave();
});

// The last test: it closes the database that they share.
test('when the database is gone the last view stays', async () => {
  await storeNodes(3);
  await storeLayout(1);
  const cluster = await open();
  await database[Symbol.asyncDispose]();
  await expect(cluster.reload()).rejects.toMatchObject({ code: 'database_unavailable' });
  await clock.advance(30_000);
  expect(cluster.ready).toBe(true);
  expect(cluster.writeTargetsOf(5).owners).toHaveLength(3);
});
