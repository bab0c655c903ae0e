import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Leases } from '../database/leases.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { HealthChange } from './health.ts';
import type { Interval, ListedChunk, NodeInventory } from './node-inventory.ts';
import type { NodeHealth, StorageNode } from './placement.ts';
import { Sweeper, type SweeperOptions } from './sweeper.ts';
import { ManualClock } from './test-support/manual-clock.ts';

const MINUTE_MS = 60_000;
const node = (id: string): StorageNode => ({ id, url: `http://${id}:1`, zone: 'z' });

/** Chunks on nodes, pages of two, and a log of what was asked in which order. */
class FakeInventory implements Pick<NodeInventory, 'list' | 'delete' | 'has' | 'pullChunk'> {
  readonly chunks = new Map<string, ListedChunk[]>();
  readonly log: string[] = [];
  readonly failing = new Set<string>();
  pageSize = 2;

  put(nodeId: string, ids: readonly string[], createdAtMs = 0): void {
    const chunks = ids.map((id, position) => ({ id, position, length: 10, checksum: 0, createdAtMs }));
    this.chunks.set(nodeId, chunks);
  }

  idsOn(nodeId: string): string[] {
    return (this.chunks.get(nodeId) ?? []).map(({ id }) => id);
  }

  async list({ id }: StorageNode, _: Interval, { after }: { after: string | null }) {
    this.log.push(`list ${id} ${after ?? 'start'}`);
    if (this.failing.has(id)) throw new Error('node failed');
    const first = after === null ? 0 : Number(after);
    const all = this.chunks.get(id) ?? [];
    const chunks = all.filter(({ position }) => position >= first).slice(0, this.pageSize);
    const next = (chunks.at(-1)?.position ?? 0) + 1;
    const isLast = all.every(({ position }) => position < next);
    return { chunks, nextCursor: isLast ? null : String(next) };
  }

  async has({ id }: StorageNode, chunk: Pick<ListedChunk, 'id'>) {
    return this.idsOn(id).includes(chunk.id);
  }

  async pullChunk({ id }: StorageNode, chunk: ChunkRef, source: StorageNode) {
    if (this.failing.has(id)) throw new Error('node failed');
    this.log.push(`copy ${chunk.id} ${source.id} ${id}`);
    const { checksum, length, position } = chunk;
    const copy = { id: chunk.id, checksum, length, position, createdAtMs: 0 };
    this.chunks.set(id, [...(this.chunks.get(id) ?? []), copy]);
  }

  async delete({ id }: StorageNode, chunk: Pick<ListedChunk, 'id'>) {
    this.log.push(`delete ${id} ${chunk.id}`);
    this.chunks.set(
      id,
      this.chunks.get(id)!.filter((other) => other.id !== chunk.id),
    );
  }
}

let clock: ManualClock;
let inventory: FakeInventory;
let alive: Set<string>;
let expirable: number;
let holdsLease: boolean;
let renewals: number;
let healths: Map<string, NodeHealth>;
let listeners: Set<(change: HealthChange) => void>;
let sweeper: Sweeper;
let onAlive: () => void;
let owners: readonly StorageNode[];
let involved: Set<string>;
let permits: number;
let permitsValid: boolean;
const signal = new AbortController().signal;

beforeEach(() => {
  clock = new ManualClock();
  inventory = new FakeInventory();
  alive = new Set();
  expirable = 0;
  holdsLease = true;
  renewals = 0;
  healths = new Map([
    ['a', 'up'],
    ['b', 'up'],
  ]);
  listeners = new Set();
  onAlive = () => {};
  owners = [node('a'), node('b')];
  involved = new Set(['a', 'b']);
  permits = 0;
  permitsValid = true;
  sweeper = createSweeper();
});
afterEach(() => sweeper[Symbol.asyncDispose]());

function createSweeper(options: Partial<SweeperOptions> = {}): Sweeper {
  const leases = {
    acquire: async () => holdsLease,
    renew: async () => {
      renewals += 1;
      return holdsLease;
    },
    release: async () => void inventory.log.push('release'),
  };
  return new Sweeper({
    objects: {
      aliveAmong: async (ids) => {
        onAlive();
        inventory.log.push(`alive ${ids.join(' ')}`);
        return new Set(ids.filter((id) => alive.has(id)));
      },
      expireOpen: async () => {
        const expired = expirable;
        expirable = 0;
        return expired;
      },
    },
    placement: {
      nodes: () => [node('a'), node('b')],
      healthOf: (id) => healths.get(id)!,
      writeTargetsOf: () => ({ owners, sets: [owners], fallbacks: [] }),
      enter: () => {
        permits += 1;
        const leave = () => {
          permits -= 1;
        };
        return { isValid: () => permitsValid, leave };
      },
    },
    isInvolved: (nodeId) => involved.has(nodeId),
    health: {
      onChange: (listener) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    inventory,
    leases: leases as unknown as Leases,
    clock,
    logger: silentLogger,
    ...options,
  });
}

const listed = () => inventory.log.filter((line) => line.startsWith('list') && line.endsWith('start'));

function bringBack(nodeId: string): void {
  healths.set(nodeId, 'up');
  for (const listener of listeners) listener({ nodeId, from: 'down', to: 'up', reason: null });
}

test('what nobody names is removed from every node, page by page, and the rest stays', async () => {
  inventory.put('a', ['dead-1', 'live-1', 'dead-2', 'live-2', 'dead-3']);
  inventory.put('b', ['live-1', 'dead-1']);
  alive = new Set(['live-1', 'live-2']);
  expect(await sweeper.runOnce(signal)).toBe(true);
  expect(inventory.idsOn('a')).toEqual(['live-1', 'live-2']);
  expect(inventory.idsOn('b')).toEqual(['live-1']);
  expect(sweeper.counts).toEqual({
    removedChunks: 4,
    removedBytes: 40,
    expiredObjects: 0,
    homedChunks: 0,
    sweptNodes: 2,
    failedNodes: 0,
  });
});

test('who is alive is asked only after the page was read', async () => {
  healths.set('b', 'down');
  inventory.put('a', ['one', 'two', 'three']);
  await sweeper.runOnce(signal);
  expect(inventory.log.map((line) => line.split(' ')[0])).toEqual([
    'list',
    'alive',
    'delete',
    'delete',
    'list',
    'alive',
    'delete',
  ]);
});

test('young chunks are left alone, unless the age is set to nothing', async () => {
  const now = clock.nowMs();
  inventory.put('a', ['old'], now - MINUTE_MS);
  inventory.put('b', ['young'], now - MINUTE_MS + 1);
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('a')).toEqual([]);
  expect(inventory.idsOn('b')).toEqual(['young']);
  // A node whose clock is ahead.
  inventory.put('b', ['tomorrow'], now + 24 * 60 * MINUTE_MS);
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('b')).toEqual(['tomorrow']);
  await createSweeper({ minAgeMs: 0 }).runOnce(signal);
  expect(inventory.idsOn('b')).toEqual([]);
});

test('a node that fails does not stop the others, and one that is not up is not asked', async () => {
  inventory.put('a', ['dead']);
  inventory.put('b', ['dead']);
  inventory.failing.add('a');
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('b')).toEqual([]);
  expect(sweeper.counts).toMatchObject({ removedChunks: 1, sweptNodes: 1, failedNodes: 1 });
  inventory.log.length = 0;
  healths.set('a', 'suspect');
  await sweeper.runOnce(signal);
  expect(listed()).toEqual(['list b start']);
});

test('a listing that turns in a circle is given up', async () => {
  healths.set('b', 'down');
  inventory.list = async () => ({ chunks: [], nextCursor: 'same' });
  await sweeper.runOnce(signal);
  expect(sweeper.counts).toMatchObject({ sweptNodes: 0, failedNodes: 1 });
});

test('without the lease nothing is done', async () => {
  holdsLease = false;
  inventory.put('a', ['dead']);
  expirable = 3;
  expect(await sweeper.runOnce(signal)).toBe(false);
  expect(inventory.log).toEqual([]);
  expect(sweeper.counts.expiredObjects).toBe(0);
});

test('a sweep whose lease is lost stops', async () => {
  inventory.put('a', ['dead-1', 'dead-2', 'dead-3', 'dead-4']);
  healths.set('b', 'down');
  const waiting: (() => void)[] = [];
  onAlive = () => {
    onAlive = () => {};
    holdsLease = false;
  };
  const remove = inventory.delete.bind(inventory);
  inventory.delete = async (...parameters) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    await remove(...parameters);
  };
  const running = sweeper.runOnce(signal);
  await clock.advance(30_000);
  for (const goOn of waiting) goOn();
  await running;
  expect(renewals).toBeGreaterThan(0);
  expect(listed()).toHaveLength(1);
  expect(inventory.idsOn('a')).toEqual(['dead-3', 'dead-4']);
  expect(sweeper.counts.sweptNodes).toBe(0);
});

test('an abort ends a sweep between two pages', async () => {
  const stop = new AbortController();
  inventory.put('a', ['dead-1', 'dead-2', 'dead-3']);
  healths.set('b', 'down');
  onAlive = () => stop.abort(new Error('stopping'));
  await sweeper.runOnce(stop.signal);
  expect(inventory.idsOn('a')).toContain('dead-3');
  expect(sweeper.counts).toMatchObject({ sweptNodes: 0, failedNodes: 0 });
});

test('started, it sweeps every five minutes', async () => {
  sweeper.start();
  await clock.advance(299_000);
  expect(listed()).toEqual([]);
  await clock.advance(1000);
  expect(listed()).toEqual(['list a start', 'list b start']);
  await clock.advance(300_000);
  expect(listed()).toHaveLength(4);
});

test('a node that comes back is swept at once, and only that one', async () => {
  healths.set('b', 'down');
  sweeper.start();
  await clock.advance(1000);
  bringBack('b');
  await clock.advance(0);
  expect(listed()).toEqual(['list b start']);
  await clock.advance(60_000);
  expect(listed()).toHaveLength(1);
});

test('a node that was only suspect is not swept for that', async () => {
  sweeper.start();
  await clock.advance(1000);
  for (const listener of listeners) listener({ nodeId: 'a', from: 'suspect', to: 'up', reason: null });
  await clock.advance(1000);
  expect(listed()).toEqual([]);
});

test('expired uploads are swept at once', async () => {
  sweeper.start();
  await clock.advance(1000);
  expirable = 2;
  await clock.advance(30_000);
  expect(listed()).toEqual(['list a start', 'list b start']);
  expect(sweeper.counts.expiredObjects).toBe(2);
});

test('a database that fails is tried again', async () => {
  let failures = 0;
  await sweeper[Symbol.asyncDispose]();
  sweeper = createSweeper({
    objects: {
      aliveAmong: async () => new Set<string>(),
      expireOpen: async () => {
        if (failures++ < 2) throw new Error('database is down');
        return 1;
      },
    },
  });
  sweeper.start();
  await clock.advance(60_000);
  expect(sweeper.counts).toMatchObject({ expiredObjects: 1, sweptNodes: 2 });
});

test('when it is closed it stops at once and gives the lease back', async () => {
  sweeper.start();
  await clock.advance(1000);
  await sweeper[Symbol.asyncDispose]();
  expect(inventory.log).toEqual(['release']);
  expect(listeners.size).toBe(0);
});

function makeStrays(): void {
  owners = [node('b')];
  involved = new Set(['b']);
  inventory.put('a', ['handoff-1', 'handoff-2', 'dead-1']);
  inventory.put('b', ['handoff-1']);
  alive = new Set(['handoff-1', 'handoff-2']);
}

test('what lies on a node that does not own it is brought home, and only then taken away', async () => {
  makeStrays();
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('a')).toEqual([]);
  expect(inventory.idsOn('b').toSorted()).toEqual(['handoff-1', 'handoff-2']);
  const copied = inventory.log.indexOf('copy handoff-2 a b');
  expect(copied).toBeGreaterThan(-1);
  expect(inventory.log.indexOf('delete a handoff-2')).toBeGreaterThan(copied);
  expect(inventory.log).not.toContain('copy handoff-1 a b');
  expect(sweeper.counts.homedChunks).toBe(2);
  expect(permits).toBe(0);
});

test.each([
  ['an owner fails', () => void inventory.failing.add('b')],
  ['an owner is down', () => void healths.set('b', 'down')],
  ['the node has become an owner meanwhile', () => void involved.add('a')],
  [
    'this coordinator lost touch with the others',
    () => {
      permitsValid = false;
    },
  ],
])('a stray copy stays when %s', async (_, happen) => {
  makeStrays();
  happen();
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('a')).toEqual(expect.arrayContaining(['handoff-2']));
  expect(permits).toBe(0);
});

test('a stray copy stays when the owners changed while it was brought home', async () => {
  makeStrays();
  const pull = inventory.pullChunk.bind(inventory);
  inventory.pullChunk = async (...args) => {
    await pull(...args);
    owners = [node('b'), node('c')];
  };
  await sweeper.runOnce(signal);
  expect(inventory.idsOn('a')).toContain('handoff-2');
});
