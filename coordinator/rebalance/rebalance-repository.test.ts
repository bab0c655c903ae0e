import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { assign } from '../../lib/hashring/index.ts';
import { LayoutRepository } from '../cluster/layout-repository.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { type NewRebalance, RebalanceRepository } from './rebalance-repository.ts';
import type { RebalancePlan } from './types.ts';

const plan: RebalancePlan = {
  fromEpoch: 1,
  nodes: [],
  ranges: 2,
  totalRanges: 4,
  chunks: 3,
  bytes: 300,
  share: 0.25,
  movedRanges: 2,
  minimumRanges: 2,
  minimumBytes: 300,
  estimatedSeconds: null,
};
const [x, y] = [randomUUID(), randomUUID()].sort() as [string, string];
const copies = [
  { range: 0, nodeId: x, chunks: 1, bytes: 100 },
  { range: 0, nodeId: y, chunks: 1, bytes: 100 },
  { range: 1, nodeId: x, chunks: 2, bytes: 2 ** 40 },
];

describe.each(ENGINES)('rebalances on %s', (engine) => {
  let handle: DatabaseHandle;
  let rebalances: RebalanceRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    rebalances = new RebalanceRepository(handle.kysely);
    const members = ['a', 'b', 'c'].map((id) => ({ id, zone: id, weight: 1 }));
    await new LayoutRepository(handle.kysely).append(
      assign(null, members, { epoch: 1, replicas: 3, rangeCount: 4 }),
    );
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => void (await handle.kysely.deleteFrom('rebalances').execute()));

  const newRebalance = (options: Partial<NewRebalance> = {}): NewRebalance => ({
    id: randomUUID(),
    state: 'running',
    reason: 'a test',
    changes: [{ nodeId: x, state: 'active' }],
    nodesBefore: [{ nodeId: x, state: 'joined', weight: 1, zone: 'z' }],
    plan,
    beforeEpoch: 1,
    baseEpoch: 1,
    targetEpoch: 1,
    bytesPerSecond: null,
    concurrency: null,
    ...options,
  });
  const insert = async (rebalance: NewRebalance, planned = copies) => {
    await handle.kysely
      .transaction()
      .execute((transaction) => rebalances.insert(transaction, rebalance, planned));
    return rebalance.id;
  };
  const markDone = (id: string, ranges: number[], copied: typeof copies = []) =>
    handle.kysely
      .transaction()
      .execute((transaction) => rebalances.markDone(transaction, id, ranges, copied));

  test('one comes back as it went in', async () => {
    const rebalance = newRebalance({ bytesPerSecond: 2 ** 40, concurrency: 7 });
    await insert(rebalance);
    const found = await rebalances.find(rebalance.id);
    expect(found).toEqual({
      ...rebalance,
      progress: null,
      error: null,
      createdAt: expect.any(Date),
      finishedAt: null,
    });
    expect(await rebalances.find(randomUUID())).toBeNull();
  });

  test('the one that has not ended is the active one', async () => {
    expect(await rebalances.active()).toBeNull();
    await insert(newRebalance({ state: 'superseded' }));
    expect(await rebalances.active()).toBeNull();
    for (const state of ['running', 'paused', 'cancelling'] as const) {
      const id = await insert(newRebalance({ state }));
      expect(await rebalances.active()).toMatchObject({ id, state });
      await rebalances.setState(id, 'finished');
      expect(await rebalances.active()).toBeNull();
    }
  });

  test('one that ends has ended at a time, and has no problem any more', async () => {
    const id = await insert(newRebalance());
    const progress = {
      partialChunks: 1,
      partialBytes: 2,
      bytesPerSecond: 3,
      secondsLeft: 4.5,
      baselineMs: null,
      rateBesideReads: null,
      paceBytesPerSecond: null,
    };
    await rebalances.note(id, progress, 'a node is down');
    expect(await rebalances.find(id)).toMatchObject({ progress, error: 'a node is down', finishedAt: null });
    await rebalances.setState(id, 'paused');
    expect(await rebalances.find(id)).toMatchObject({
      state: 'paused',
      error: 'a node is down',
      finishedAt: null,
    });
    await rebalances.setState(id, 'cancelled');
    expect(await rebalances.find(id)).toMatchObject({
      state: 'cancelled',
      error: null,
      finishedAt: expect.any(Date),
    });
    await rebalances.note(id, { ...progress, partialBytes: 99 }, 'too late');
    expect(await rebalances.find(id)).toMatchObject({ progress, error: null });
  });

  test('what reads left for copies is known for a while', async () => {
    expect(await rebalances.rateBesideReads(3_600_000)).toBeNull();
    const note = (id: string, rateBesideReads: number | null) =>
      rebalances.note(
        id,
        {
          partialChunks: 0,
          partialBytes: 0,
          bytesPerSecond: 1,
          secondsLeft: 1,
          baselineMs: 10,
          rateBesideReads,
          paceBytesPerSecond: null,
        },
        null,
      );
    const first = await insert(newRebalance());
    await note(first, 20_000_000);
    expect(await rebalances.rateBesideReads(3_600_000)).toBe(20_000_000);
    await rebalances.setState(first, 'finished');
    const second = await insert(newRebalance());
    expect(await rebalances.rateBesideReads(3_600_000)).toBe(20_000_000);
    expect(await rebalances.rateBesideReads(-1)).toBeNull();
    await note(second, null);
    expect(await rebalances.rateBesideReads(3_600_000)).toBeNull();
    await rebalances.setState(second, 'cancelled');
  });

  test('limits change one by one, and null takes one away', async () => {
    const id = await insert(newRebalance({ bytesPerSecond: 100_000, concurrency: 2 }));
    await rebalances.setLimits(id, { concurrency: 5 });
    expect(await rebalances.find(id)).toMatchObject({ bytesPerSecond: 100_000, concurrency: 5 });
    await rebalances.setLimits(id, { bytesPerSecond: null });
    expect(await rebalances.find(id)).toMatchObject({ bytesPerSecond: null, concurrency: 5 });
    await rebalances.setLimits(id, {});
    expect(await rebalances.find(id)).toMatchObject({ bytesPerSecond: null, concurrency: 5 });
  });

  test('copies are open until their ranges are done, and summed up by node', async () => {
    const id = await insert(newRebalance());
    const sortedCopies = async () =>
      (await rebalances.openCopies(id)).sort((a, b) => a.range - b.range || (a.nodeId < b.nodeId ? -1 : 1));
    expect(await sortedCopies()).toEqual(copies);
    await markDone(id, [], []);
    await markDone(id, [0], [{ range: 0, nodeId: x, chunks: 1, bytes: 70 }]);
    expect(await sortedCopies()).toEqual(copies.slice(2));
    expect(await rebalances.sums(id)).toEqual([
      {
        nodeId: x,
        copies: 2,
        chunks: 3,
        bytes: 2 ** 40 + 100,
        doneCopies: 1,
        doneChunks: 1,
        doneBytes: 100,
        copiedBytes: 70,
      },
      {
        nodeId: y,
        copies: 1,
        chunks: 1,
        bytes: 100,
        doneCopies: 1,
        doneChunks: 1,
        doneBytes: 100,
        copiedBytes: 0,
      },
    ]);
  });

  test('what is done of one rebalance is not done of another', async () => {
    const [one, other] = [await insert(newRebalance()), await insert(newRebalance())];
    await markDone(one, [0, 1], copies);
    expect(await rebalances.openCopies(one)).toEqual([]);
    expect(await rebalances.openCopies(other)).toHaveLength(3);
    expect(await rebalances.sums(randomUUID())).toEqual([]);
  });

  test('a rebalance without copies is one, too', async () => {
    const id = await insert(newRebalance(), []);
    expect(await rebalances.openCopies(id)).toEqual([]);
    expect(await rebalances.sums(id)).toEqual([]);
  });

  test('they are listed newest first, page by page, each once', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) ids.push(await insert(newRebalance()));
    const seen: string[] = [];
    let before: { at: Date; id: string } | null = null;
    for (;;) {
      const page = await rebalances.list({ before, limit: 2 });
      seen.push(...page.map(({ id }) => id));
      const last = page.at(-1);
      if (last === undefined) break;
      before = { at: last.createdAt, id: last.id };
    }
    expect(seen).toHaveLength(5);
    expect(new Set(seen)).toEqual(new Set(ids));
    expect(seen[0]).toBe((await rebalances.list({ before: null, limit: 1 }))[0]!.id);
  });

  test('the last rate is that of the latest finished one that copied more than a little', async () => {
    expect(await rebalances.lastRate()).toBeNull();
    const finish = async (bytes: number, seconds: number, agoS: number, state = 'finished' as const) => {
      const id = await insert(newRebalance());
      await markDone(id, [1], [{ range: 1, nodeId: x, chunks: 2, bytes }]);
      await rebalances.setState(id, state);
      const finished = Date.now() - agoS * 1000;
      await handle.kysely
        .updateTable('rebalances')
        .set({ created_at: new Date(finished - seconds * 1000), finished_at: new Date(finished) })
        .where('id', '=', id)
        .execute();
    };
    await finish(50_000_000, 10, 100);
    expect(await rebalances.lastRate()).toBeCloseTo(5_000_000);
    await finish(80_000_000, 20, 50);
    expect(await rebalances.lastRate()).toBeCloseTo(4_000_000);
    // Too little to tell.
    await finish(1000, 10, 10);
    expect(await rebalances.lastRate()).toBeCloseTo(4_000_000);
  });
});
