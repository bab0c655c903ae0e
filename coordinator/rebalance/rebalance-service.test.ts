import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { ownersOf, ownersOfRange } from '../../lib/hashring/index.ts';
import { Cluster } from '../cluster/cluster.ts';
import { Membership } from '../cluster/membership.ts';
import { PHASE } from '../cluster/ring-state.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { Leases } from '../database/leases.ts';
import { openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { createChunkId } from '../objects/chunk-id.ts';
import { withCommitted } from '../objects/commit-object.ts';
import { SqlObjectRepository } from '../objects/sql-object-repository.ts';
import { RebalanceEngine } from './rebalance-engine.ts';
import { RebalanceService } from './rebalance-service.ts';
import { chunkOf, type MemoryNode, MemoryNodes } from './test-support/memory-nodes.ts';

const MIB = 1024 * 1024;
const PACE = { pollMs: 20, coalesceMs: 1, progressMs: 10, retryMinMs: 5, retryMaxMs: 20 };

let database: DatabaseHandle;
let stack: AsyncDisposableStack;
let nodes: MemoryNodes;
let cluster: Cluster;
let service: RebalanceService;
let objects: SqlObjectRepository;
let events: string[];
beforeAll(async () => {
  database = await openTestDatabase('pglite');
});
afterAll(() => database[Symbol.asyncDispose]());
beforeEach(async () => {
  await sql`truncate coordinators, leases, rebalance_copies, rebalances, ring, layouts, nodes, chunks, objects, cluster
    cascade`.execute(database.kysely);
  stack = new AsyncDisposableStack();
  events = [];
  nodes = new MemoryNodes();
  for (let index = 0; index < 4; index++) nodes.add(randomUUID(), { zone: `zone-${index}` });
  objects = new SqlObjectRepository(database.kysely);
  const options = { database, probe: nodes, clock: systemClock, logger: silentLogger };
  cluster = stack.use(
    await Cluster.open({ ...options, replicas: 3, rangeCount: 16, healthIntervalMs: 10, downAfterMs: 30 }),
  );
  service = new RebalanceService({
    ...options,
    cluster,
    objects,
    engine: { notify: () => {} },
    createId: randomUUID,
    onEvent: (kind) => events.push(kind),
  });
  await register(...nodes.nodes);
});
afterEach(() => stack.disposeAsync());

async function register(...some: readonly MemoryNode[]): Promise<void> {
  const options = { database, cluster, probe: nodes, clock: systemClock, logger: silentLogger };
  const membership = new Membership({ ...options, bootstrapNodes: 4 });
  for (const { url, zone } of some) await membership.register({ url, zone });
}

/** One more node, registered, that owns nothing. */
async function addNode(options: { capacityBytes?: number } = {}): Promise<string> {
  const node = nodes.add(randomUUID(), { zone: 'another', ...options });
  await register(node);
  return node.id;
}

/** An object of chunks of one MiB each, stored on their owners. */
async function storeObject(chunkCount: number): Promise<void> {
  const objectId = randomUUID();
  const chunks = Array.from({ length: chunkCount }, (_, index) =>
    chunkOf(createChunkId(objectId, index, randomBytes(4)), MIB),
  );
  for (const chunk of chunks) {
    nodes.put(
      ownersOf(cluster.layout!, chunk.position).map(({ id }) => id),
      chunk,
    );
  }
  await objects.open(objectId, 60_000);
  const stored = { size: chunkCount * MIB, sha256: Buffer.alloc(32), chunks, record: [] };
  await sql`${withCommitted(objectId, stored)} select id from committed`.execute(database.kysely);
}

const idOf = (index: number) => nodes.nodes[index]!.id;
const why = { reason: 'a test' };
const stateOf = async (id: string) => {
  await cluster.reload();
  return cluster.registeredNodes().find((node) => node.id === id)?.state ?? 'removed';
};

function runEngine(): RebalanceEngine {
  const engine = new RebalanceEngine({
    database,
    cluster,
    objects,
    inventory: nodes,
    leases: new Leases(database.kysely, randomUUID()),
    clock: systemClock,
    logger: silentLogger,
    onEvent: (kind, _, isProgress) => {
      if (!isProgress) events.push(kind);
    },
    pace: PACE,
  });
  engine.start();
  return stack.use(engine);
}

const untilEnded = (id: string) =>
  expect.poll(async () => (await service.get(id)).finishedAt, { timeout: 20_000 }).not.toBeNull();

test('a plan changes nothing', async () => {
  await storeObject(20);
  const id = await addNode();
  const plan = await service.plan([{ nodeId: id, state: 'active' }]);
  expect(plan.ranges).toBeGreaterThan(0);
  expect(plan.bytes).toBeGreaterThan(0);
  expect(await service.current()).toBeNull();
  expect(await stateOf(id)).toBe('joined');
  expect(cluster.state).toMatchObject({ step: 1, target: null });
});

test('what is begun is in the database, the ring and the nodes at once', async () => {
  const id = await addNode();
  const report = await service.start([{ nodeId: id, state: 'active' }], { ...why, concurrency: 2 });
  expect(report).toMatchObject({
    state: 'running',
    reason: 'a test',
    finishedAt: null,
    limits: { concurrency: 2, bytesPerSecond: null },
  });
  expect(report.ranges).toMatchObject({ waiting: report.plan.ranges, copying: 0, switching: 0, done: 0 });
  expect(cluster.state).toMatchObject({ step: 2, rebalanceId: report.id });
  expect(await stateOf(id)).toBe('active');
  expect(events).toEqual(['rebalance_started']);
  expect(await service.current()).toMatchObject({ id: report.id });
});

test('the engine carries it out', async () => {
  await storeObject(40);
  const id = await addNode();
  runEngine();
  const { id: rebalance, plan } = await service.start([{ nodeId: id, state: 'active' }], why);
  await untilEnded(rebalance);
  const report = await service.get(rebalance);
  expect(report).toMatchObject({
    state: 'finished',
    secondsLeft: 0,
    error: null,
    ranges: { total: plan.ranges, done: plan.ranges },
    bytes: { total: plan.bytes, done: plan.bytes },
    copiedBytes: plan.bytes,
  });
  await cluster.reload();
  expect(cluster.state!.target).toBeNull();
  for (const { chunks, id: nodeId } of nodes.nodes) {
    for (const { position } of chunks.values()) {
      expect(ownersOf(cluster.layout!, position).map((owner) => owner.id)).toContain(nodeId);
    }
  }
  expect(nodes.nodes.reduce((sum, { chunks }) => sum + chunks.size, 0)).toBe(3 * 40);
  await expect.poll(() => events).toEqual(['rebalance_started', 'rebalance_finished']);
});

test('a node that is drained ends without ranges, and may go', async () => {
  await storeObject(20);
  await addNode();
  runEngine();
  const { id } = await service.start(
    [{ nodeId: cluster.registeredNodes().at(-1)!.id, state: 'active' }],
    why,
  );
  await untilEnded(id);
  const drain = await service.start([{ nodeId: idOf(0), state: 'draining' }], why);
  await untilEnded(drain.id);
  expect(await stateOf(idOf(0))).toBe('drained');
  expect(nodes.at(idOf(0)).chunks.size).toBe(0);
});

test.each([
  ['an unknown node', () => [{ nodeId: randomUUID(), weight: 2 }], 'node_not_found'],
  [
    'one node too few',
    () => [0, 1].map((i) => ({ nodeId: idOf(i), state: 'draining' as const })),
    'too_few_nodes',
  ],
  [
    'the loss of one node too many',
    () => [0, 1].map((i) => ({ nodeId: idOf(i), state: 'lost' as const })),
    'too_few_nodes',
  ],
  [
    'the last nodes leaving',
    () => [0, 1, 2, 3].map((i) => ({ nodeId: idOf(i), state: 'removed' as const })),
    'too_few_nodes',
  ],
  ['a node named twice', () => [1, 2].map((weight) => ({ nodeId: idOf(0), weight })), 'conflict'],
  ['what is so already', () => [{ nodeId: idOf(0), state: 'active' as const, weight: 1 }], 'nothing_to_do'],
])('%s is refused, and nothing changes', async (_, changes, code) => {
  await expect(service.start(changes(), why)).rejects.toMatchObject({ code });
  expect(await service.current()).toBeNull();
  await cluster.reload();
  expect(cluster.state).toMatchObject({ step: 1, target: null });
  expect(cluster.registeredNodes().map(({ state }) => state)).toEqual(new Array(4).fill('active'));
  expect(events).toEqual([]);
});

test('a node with too little room is refused, with what is missing', async () => {
  await storeObject(60);
  const id = await addNode({ capacityBytes: 10 * MIB });
  const error: unknown = await service
    .start([{ nodeId: id, state: 'active' }], why)
    .catch((reason) => reason);
  expect(error).toMatchObject({ code: 'insufficient_room' });
  const roomy = await addNode();
  const { nodes: planned } = await service.plan([{ nodeId: roomy, state: 'active' }]);
  const gain = planned.find(({ nodeId }) => nodeId === roomy)!;
  const { details } = error as { details: { nodes: Record<string, number | string>[] } };
  expect(details.nodes).toHaveLength(1);
  const [short] = details.nodes;
  expect(short).toMatchObject({ nodeId: id, usedBytes: 0, usableBytes: Math.floor(10 * MIB * 0.95) });
  expect(short!.gainedBytes).toBeGreaterThan(10 * MIB);
  expect(short!.missingBytes).toBe(
    (short!.gainedBytes as number) +
      ((short!.gainedBytes as number) / MIB) * 8192 -
      (short!.usableBytes as number),
  );
  expect(gain.gainedBytes).toBeGreaterThan(0);
});

test('a node that is to get ranges has to answer, as the one that it is', async () => {
  const id = await addNode();
  nodes.at(id).fault = 'dead';
  const change = [{ nodeId: id, state: 'active' as const }];
  await expect(service.start(change, why)).rejects.toMatchObject({ code: 'node_unreachable' });
  nodes.at(id).fault = 'none';
  await expect(service.plan(change)).resolves.toMatchObject({ fromEpoch: 1 });
});

test('a change of a running rebalance takes its place, and keeps what both want', async () => {
  const [first, second] = [await addNode(), await addNode()];
  const one = await service.start([{ nodeId: first, state: 'active' }], why);
  const other = await service.start([{ nodeId: second, state: 'active' }], why);
  expect(await service.get(one.id)).toMatchObject({ state: 'superseded', finishedAt: expect.any(String) });
  expect(await service.current()).toMatchObject({ id: other.id });
  await cluster.reload();
  const { target } = cluster.state!;
  expect(target!.members.map(({ id }) => id)).toEqual(expect.arrayContaining([first, second]));
  await expect(service.cancel(one.id)).rejects.toMatchObject({ code: 'conflict' });
});

test('a cancel leads back to where it came from, nodes and all', async () => {
  await storeObject(20);
  const before = cluster.layout!;
  const id = await addNode();
  const { id: rebalance } = await service.start([{ nodeId: id, state: 'active', weight: 3 }], why);
  const back = await service.cancel(rebalance);
  expect(back).toMatchObject({ state: 'cancelling', reason: 'back from: a test' });
  expect(await service.get(rebalance)).toMatchObject({ state: 'cancelled' });
  await expect(service.cancel(back.id)).rejects.toMatchObject({ code: 'conflict' });
  await expect(service.pause(back.id)).rejects.toMatchObject({ code: 'conflict' });
  runEngine();
  await untilEnded(back.id);
  expect(await service.get(back.id)).toMatchObject({ state: 'cancelled' });
  await cluster.reload();
  for (let range = 0; range < 16; range++) {
    expect(ownersOfRange(cluster.layout!, range)).toEqual(ownersOfRange(before, range));
  }
  expect(await stateOf(id)).toBe('joined');
  expect(cluster.registeredNodes().find((node) => node.id === id)).toMatchObject({ weight: 1 });
});

test('what has ended cannot be cancelled, held or limited', async () => {
  runEngine();
  const { id } = await service.start([{ nodeId: await addNode(), state: 'active' }], why);
  await untilEnded(id);
  for (const action of [
    () => service.cancel(id),
    () => service.pause(id),
    () => service.resume(id),
    () => service.setLimits(id, { concurrency: 1 }),
  ]) {
    await expect(action()).rejects.toMatchObject({ code: 'conflict' });
  }
  for (const action of [service.get, service.cancel, service.pause] as const) {
    await expect(action.call(service, randomUUID())).rejects.toMatchObject({ code: 'rebalance_not_found' });
  }
});

test('there is no way back to an owner that is gone', async () => {
  const id = await addNode();
  await service.start([{ nodeId: id, state: 'active' }], why);
  for (const state of ['lost', 'removed'] as const) {
    const { id: loss } = await service.start([{ nodeId: idOf(state === 'lost' ? 0 : 1), state }], why).catch(
      // Of four and one, the second cannot go as well: then the first is asked for once more.
      async () => (await service.current())!,
    );
    await expect(service.cancel(loss)).rejects.toMatchObject({ code: 'conflict' });
    expect(await service.current()).toMatchObject({ id: loss, state: 'running' });
  }
});

test('while it is paused nothing is copied; resumed, it goes on', async () => {
  await storeObject(20);
  const { id } = await service.start([{ nodeId: await addNode(), state: 'active' }], why);
  expect(await service.pause(id)).toMatchObject({ state: 'paused' });
  expect(await service.pause(id)).toMatchObject({ state: 'paused' });
  runEngine();
  await expect
    .poll(async () => await new Leases(database.kysely, 'another').acquire('rebalance', 1))
    .toBe(false);
  expect(nodes.calls).toEqual([]);
  expect([...cluster.state!.phases!].filter((phase) => phase === PHASE.dual)).toEqual([]);
  expect(await service.resume(id)).toMatchObject({ state: 'running' });
  await untilEnded(id);
  await expect
    .poll(() => events)
    .toEqual(['rebalance_started', 'rebalance_paused', 'rebalance_resumed', 'rebalance_finished']);
});

test('limits are stored, one by one', async () => {
  const { id } = await service.start([{ nodeId: await addNode(), state: 'active' }], why);
  await service.setLimits(id, { bytesPerSecond: 123_456 });
  expect((await service.setLimits(id, { concurrency: 9 })).limits).toEqual({
    bytesPerSecond: 123_456,
    concurrency: 9,
  });
  expect((await service.setLimits(id, { bytesPerSecond: null })).limits.bytesPerSecond).toBeNull();
});

test('rebalances are listed newest first, page by page', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 3; count++) {
    const { id } = await service.start([{ nodeId: await addNode(), state: 'active' }], why);
    ids.unshift(id);
  }
  const page = await service.list({ limit: 2 });
  expect(page.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  const rest = await service.list({ limit: 2, cursor: page.nextCursor! });
  expect(rest).toMatchObject({ items: [{ id: ids[2] }], nextCursor: null });
  await expect(service.list({ limit: 2, cursor: 'nonsense' })).rejects.toMatchObject({
    code: 'invalid_request',
  });
});

test('a damaged or half-dead cluster says what it waits for', async () => {
  await storeObject(20);
  const id = await addNode();
  const { id: rebalance } = await service.start([{ nodeId: id, state: 'active' }], why);
  nodes.at(id).fault = 'dead';
  runEngine();
  await expect.poll(async () => (await service.get(rebalance)).error, { timeout: 10_000 }).toContain(id);
  await expect.poll(() => events).toContain('rebalance_blocked');
  nodes.at(id).fault = 'none';
  await untilEnded(rebalance);
  expect(await service.get(rebalance)).toMatchObject({ state: 'finished', error: null });
});

test('chunks that went with their disks do not hold up the nodes that are left', async () => {
  await storeObject(30);
  await addNode();
  const [one, other] = [idOf(0), idOf(1)];
  const joined = cluster.registeredNodes().at(-1)!.id;
  runEngine();
  await untilEnded((await service.start([{ nodeId: joined, state: 'active' }], why)).id);
  // Of some chunks only these two had copies.
  for (const { id, chunks } of nodes.nodes) {
    if (id === one || id === other) continue;
    for (const chunkId of nodes.at(one).chunks.keys())
      if (nodes.at(other).chunks.has(chunkId)) chunks.delete(chunkId);
  }
  const roomy = await addNode();
  for (const id of [one, other]) {
    nodes.at(id).chunks.clear();
    nodes.at(id).fault = 'dead';
  }
  const { id } = await service.start(
    [
      { nodeId: one, state: 'lost' },
      { nodeId: other, state: 'lost' },
      { nodeId: roomy, state: 'active' },
    ],
    why,
  );
  await untilEnded(id);
  expect(events).toContain('chunks_lost');
});
