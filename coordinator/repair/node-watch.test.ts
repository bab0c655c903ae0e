import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { AppError } from '../../lib/errors/app-error.ts';
import { assign } from '../../lib/hashring/index.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { NodeRepository } from '../cluster/node-repository.ts';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { openTestDatabase } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { NodeWatch, type NodeWatchOptions } from './node-watch.ts';
import { RepairRepository } from './repair-repository.ts';

const RANGES = 16;
const MINUTE_MS = 60_000;

let handle: DatabaseHandle;
let clock: ManualClock;
let ids: string[];
let down: Set<string>;
let dataIds: Map<string, string>;
let quarantined: Map<string, { quarantinedCount: number; lastQuarantinedAt?: string }>;
let lost: string[];
let events: string[];
let registered: Awaited<ReturnType<NodeRepository['list']>>;
const { signal } = new AbortController();

beforeAll(async () => {
  handle = await openTestDatabase('pglite');
});
afterAll(() => handle[Symbol.asyncDispose]());
beforeEach(async () => {
  for (const table of ['range_checks', 'coordinators', 'nodes'] as const) {
    await handle.kysely.deleteFrom(table).execute();
  }
  clock = new ManualClock(Date.now());
  ids = Array.from({ length: 4 }, () => randomUUID()).toSorted();
  down = new Set();
  dataIds = new Map(ids.map((id) => [id, randomUUID()]));
  quarantined = new Map();
  lost = [];
  events = [];
  const nodes = new NodeRepository(handle.kysely);
  await handle.kysely.transaction().execute(async (transaction) => {
    for (const id of ids) {
      await nodes.insert(transaction, { id, url: `http://${id}`, zone: id, weight: 1, capacityBytes: 1 });
    }
    await nodes.setState(transaction, ids, 'active');
  });
  registered = await nodes.list();
});

function watch(options: Partial<NodeWatchOptions> = {}): NodeWatch {
  const members = ids.map((id) => ({ id, zone: id, weight: 1 }));
  const base = assign(null, members, { epoch: 1, replicas: 3, rangeCount: RANGES });
  const idAt = (url: string) => url.slice('http://'.length);
  const cluster = {
    state: { step: 1, base, target: null, phases: null, rebalanceId: null },
    registeredNodes: () => registered,
    healthOf: (id: string) => (down.has(id) ? 'down' : 'up'),
    reload: async () => {
      registered = await new NodeRepository(handle.kysely).list();
    },
  };
  return new NodeWatch({
    database: handle.kysely,
    cluster: cluster as unknown as Cluster,
    probe: {
      health: async (url) => ({ nodeId: idAt(url), dataId: dataIds.get(idAt(url))! }),
      stats: async (url) => ({
        ...{ nodeId: idAt(url), clusterId: null, startedAt: new Date(0).toISOString() },
        ...{ capacityBytes: 1, usedBytes: 0, chunkCount: 0, disk: 'ok' as const },
        ...(quarantined.get(idAt(url)) ?? { quarantinedCount: 0 }),
      }),
    },
    quarantine: { list: async () => [{ position: 0, id: 'chunk-00', reason: 'rot' }] },
    repository: new RepairRepository(handle.kysely),
    clock,
    logger: silentLogger,
    onEvent: (kind) => events.push(kind),
    declareLost: async ({ id }) => void lost.push(id),
    replicateAfterMs: 10 * MINUTE_MS,
    intervalMs: 0,
    ...options,
  });
}

const suspected = async () =>
  (await handle.kysely.selectFrom('range_checks').select('range').execute()).length;
const letBeSilent = async (id: string, silentMs: number) => {
  await handle.kysely
    .updateTable('nodes')
    .set({ last_seen_at: new Date(clock.nowMs() - silentMs) })
    .where('id', '=', id)
    .execute();
  registered = await new NodeRepository(handle.kysely).list();
};

test('a node is known by its data; other data than before make all its ranges suspected', async () => {
  const watching = watch();
  await watching.runOnce(signal);
  expect(registered.map(({ id, dataId }) => [id, dataId])).toEqual(
    registered.map(({ id }) => [id, dataIds.get(id)]),
  );
  expect(await suspected()).toBe(0);
  dataIds.set(ids[0]!, randomUUID());
  await watching.runOnce(signal);
  expect(await suspected()).toBe(12);
  expect(events).toEqual(['node_lost_data']);
});

test('what a node set aside makes its ranges suspected, and is noted only then', async () => {
  quarantined.set(ids[1]!, { quarantinedCount: 1 });
  await watch().runOnce(signal);
  expect(await suspected()).toBe(1);
  expect(registered.find(({ id }) => id === ids[1])?.quarantinedCount).toBe(1);
});

test('a copy that is set aside after another one was replaced is seen, though their number is the same', async () => {
  const positions = [0, 0xffffffff];
  const quarantine = { list: async () => [{ position: positions[0]!, id: 'chunk-00', reason: 'rot' }] };
  const watching = watch({ quarantine });
  for (const round of [0, 1]) {
    const lastQuarantinedAt = new Date(clock.nowMs() + round).toISOString();
    quarantined.set(ids[1]!, { quarantinedCount: 1, lastQuarantinedAt });
    await watching.runOnce(signal);
    await watching.runOnce(signal);
    expect(await suspected()).toBe(round + 1);
    positions.shift();
  }
  expect(events).toEqual(['chunks_quarantined', 'chunks_quarantined']);
});

test('a coordinator that died without a word makes every range suspected', async () => {
  await handle.kysely
    .insertInto('coordinators')
    .values({ id: 'dead', step: 1, read_p99_ms: null, expires_at: new Date(0) })
    .execute();
  await watch().runOnce(signal);
  expect(await suspected()).toBe(RANGES);
  expect(await handle.kysely.selectFrom('coordinators').selectAll().execute()).toEqual([]);
});

test('a node that is down for long is declared lost, but not by a coordinator that has only just started', async () => {
  const [id] = ids;
  down.add(id!);
  await letBeSilent(id!, 60 * MINUTE_MS);
  const watching = watch();
  await watching.runOnce(signal);
  await clock.advance(4 * MINUTE_MS);
  await watching.runOnce(signal);
  expect(lost).toEqual([]);
  await clock.advance(MINUTE_MS);
  await watching.runOnce(signal);
  expect(lost).toEqual([id]);
});

test('one that was seen lately is waited for, and so is every one when that is switched off', async () => {
  const [id] = ids;
  down.add(id!);
  await letBeSilent(id!, 0);
  const watching = watch();
  const never = watch({ replicateAfterMs: 0 });
  for (let minute = 0; minute < 9; minute++) {
    await watching.runOnce(signal);
    await never.runOnce(signal);
    await clock.advance(MINUTE_MS);
  }
  expect(lost).toEqual([]);
  await clock.advance(60 * MINUTE_MS);
  await never.runOnce(signal);
  expect(lost).toEqual([]);
});

test('a node that is lost and cannot be done without is told of once', async () => {
  const [id] = ids;
  down.add(id!);
  await letBeSilent(id!, 60 * MINUTE_MS);
  const watching = watch({
    declareLost: async () => {
      throw new AppError('too_few_nodes', 'Too few nodes would remain.');
    },
  });
  for (let minute = 0; minute < 8; minute++) {
    await watching.runOnce(signal);
    await clock.advance(MINUTE_MS);
  }
  expect(events).toEqual(['node_lost_but_needed']);
});
