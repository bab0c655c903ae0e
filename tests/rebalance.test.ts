import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../lib/clock/clock.ts';
import type { ClusterEvent, Rebalance } from '../scripts/trials/admin-schema.ts';
import { isSound } from '../scripts/trials/placement-checker.ts';
import { RANGES, sha256, TestCluster } from './support/test-cluster.ts';
import { type KnownVideo, WatchfulReader } from './support/watchful-reader.ts';

/** One cluster that grows, shrinks, loses a node and changes its mind, while its videos are read all along. */

const MIB = 1024 * 1024;
const KIB = 1024;
const WAIT = { timeoutMs: 45_000, pollMs: 50 };
const SIZES = [9 * MIB + 1, 7 * MIB, 5 * MIB + 77, MIB, MIB + 1, 300_000, 70_000, 2000, 700, 1];
/** A look at everything takes its time; without pauses it would be all that the machine does. */
const CHECK_PAUSE_MS = 700;
/** Slow enough to be caught in the middle. */
const SLOW = { bytesPerSecond: 4 * MIB };

let cluster: TestCluster;
const videos: KnownVideo[] = [];

beforeAll(async () => {
  cluster = await TestCluster.start({ coordinatorEnv: { CHUNK_SIZE: '1MiB' } });
  for (const size of [...SIZES, ...SIZES]) {
    const body = randomBytes(size);
    videos.push({ id: (await cluster.upload(body)).id, body });
  }
  await cluster.untilSettled();
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

async function expectAllRight(): Promise<void> {
  for (const { id, body } of videos) expect(sha256(await cluster.download(id))).toBe(sha256(body));
}

/** Follows a rebalance to its end; whatever was acknowledged has to lie where it must at any moment. */
async function follow(id: string): Promise<{ last: Rebalance; shares: number[] }> {
  const shares: number[] = [];
  const ended = cluster.admin.untilRebalanceEnds(id, {
    ...WAIT,
    onAnswer: ({ ranges }) => shares.push(ranges.done / ranges.total),
  });
  let isOver = false;
  const checking = (async () => {
    while (!isOver) {
      const report = await cluster.checker.check({ countsHandoffs: true });
      expect(isSound(report), JSON.stringify(report.problems)).toBe(true);
      await systemClock.sleep(CHECK_PAUSE_MS);
    }
  })();
  try {
    const last = await Promise.race([ended, checking.then(() => ended)]);
    return { last, shares };
  } finally {
    isOver = true;
    await checking;
  }
}

async function chunkCount(index: number): Promise<number> {
  return (await cluster.chunksOf(index)).length;
}

it('a plan says what would move, and nothing moves', async () => {
  const index = await cluster.addNode();
  const node = await cluster.adminNode(index);
  expect(node).toMatchObject({ state: 'joined', ranges: 0 });
  const { step } = await cluster.admin.ring();
  const plan = await cluster.admin.plan([{ nodeId: node.id, state: 'active' }]);
  // Of six equal nodes each has a sixth of all copies, and a join moves nothing else.
  expect(plan.ranges).toBe((RANGES * 3) / 6);
  expect(plan.totalRanges).toBe(RANGES);
  expect(plan.minimumRanges).toBe(plan.ranges);
  expect(plan.bytes).toBe(plan.minimumBytes);
  expect(plan.bytes).toBeGreaterThan(0);
  expect((await cluster.admin.ring()).step).toBe(step);
  expect(await chunkCount(index)).toBe(0);
});

it('a node joins and gets its share, under readers that notice nothing', async () => {
  const node = await cluster.adminNode(5);
  const abort = new AbortController();
  const kinds: string[] = [];
  const listening = listen(abort.signal, (event) => kinds.push(event.kind));
  await using reader = new WatchfulReader(cluster, videos);
  const { rebalance } = await cluster.admin.changeNode(node.id, { state: 'active' });
  const { last, shares } = await follow(rebalance!.id);
  expect(last).toMatchObject({ state: 'finished', secondsLeft: 0, error: null });
  expect(last.ranges.done).toBe(last.ranges.total);
  expect(last.bytes.done).toBe(last.bytes.total);
  expect(last.copiedBytes).toBe(last.plan.bytes);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  await cluster.untilSettled();
  expect(await cluster.adminNode(5)).toMatchObject({ state: 'active', ranges: (RANGES * 3) / 6 });
  expect(await chunkCount(5)).toBeGreaterThan(0);
  expect(await reader.stop()).toEqual([]);
  expect(reader.reads).toBeGreaterThan(0);
  await expect.poll(() => kinds).toEqual(expect.arrayContaining(['rebalance_started', 'rebalance_finished']));
  abort.abort();
  await listening;
});

it('a node is drained empty and then goes', async () => {
  const node = await cluster.adminNode(0);
  await expect(cluster.admin.removeNode(node.id)).rejects.toMatchObject({ status: 409, code: 'node_in_use' });
  await using reader = new WatchfulReader(cluster, videos);
  const { rebalance } = await cluster.admin.changeNode(node.id, { state: 'draining' });
  expect((await follow(rebalance!.id)).last.state).toBe('finished');
  await cluster.untilSettled();
  expect(await cluster.adminNode(0)).toMatchObject({ state: 'drained', ranges: 0 });
  expect(await chunkCount(0)).toBe(0);
  expect((await cluster.admin.removeNode(node.id)).rebalance).toBeNull();
  await cluster.cluster.nodes[0]!.stop();
  expect(await reader.stop()).toEqual([]);
  await expectAllRight();
});

it('a node that died is removed, and what it had is copied from the others', async () => {
  const node = await cluster.adminNode(3);
  await using reader = new WatchfulReader(cluster, videos);
  await cluster.cluster.nodes[3]!.kill();
  cluster.checker.giveUp(node.id);
  const { rebalance } = await cluster.admin.removeNode(node.id, { lost: true });
  expect((await follow(rebalance!.id)).last.state).toBe('finished');
  await cluster.untilSettled();
  expect((await cluster.admin.nodes()).filter(({ state }) => state === 'active').length).toBe(4);
  expect(await reader.stop()).toEqual([]);
  await expectAllRight();
});

it('a cancelled rebalance goes back to where it was', async () => {
  const index = await cluster.addNode();
  const { id } = await cluster.adminNode(index);
  const before = ownersOf(await cluster.admin.ring());
  await using reader = new WatchfulReader(cluster, videos);
  const { id: rebalanceId } = await cluster.admin.startRebalance([{ nodeId: id, state: 'active' }], SLOW);
  await cluster.admin.untilRebalance(rebalanceId, ({ ranges }) => ranges.done > 0, WAIT);
  const back = await cluster.admin.cancel(rebalanceId);
  await cluster.admin.limitRebalance(back.id, { bytesPerSecond: null });
  expect((await follow(back.id)).last.state).toBe('cancelled');
  await cluster.untilSettled();
  expect(ownersOf(await cluster.admin.ring())).toEqual(before);
  expect(await chunkCount(index)).toBe(0);
  expect(await cluster.adminNode(index)).toMatchObject({ ranges: 0 });
  expect(await reader.stop()).toEqual([]);
});

it('a paused rebalance stays paused over a killed coordinator, and goes on when told to', async () => {
  const index = 6;
  const { id } = await cluster.adminNode(index);
  await using reader = new WatchfulReader(cluster, videos, { toleratesOutages: true });
  const { id: rebalanceId } = await cluster.admin.startRebalance([{ nodeId: id, state: 'active' }], SLOW);
  await cluster.admin.untilRebalance(rebalanceId, ({ ranges }) => ranges.done > 0, WAIT);
  expect((await cluster.admin.pause(rebalanceId)).state).toBe('paused');
  await cluster.cluster.coordinator.kill();
  await cluster.cluster.startCoordinator();
  await cluster.cluster.untilReady();
  const paused = await cluster.admin.rebalance(rebalanceId);
  expect(paused.state).toBe('paused');
  expect(paused.limits.bytesPerSecond).toBe(SLOW.bytesPerSecond);
  expect(paused.bytes.done).toBeLessThan(paused.bytes.total);
  const report = await cluster.checker.check({ countsHandoffs: true });
  expect(isSound(report), JSON.stringify(report.problems)).toBe(true);
  expect((await cluster.admin.resume(rebalanceId)).state).toBe('running');
  await cluster.admin.limitRebalance(rebalanceId, { bytesPerSecond: null, concurrency: 8 });
  const { last } = await follow(rebalanceId);
  expect(last.state).toBe('finished');
  // What was copied before the kill was not copied again, but for what was under way.
  expect(last.copiedBytes).toBeLessThanOrEqual(last.plan.bytes + 8 * 2 * MIB);
  await cluster.untilSettled();
  expect(await reader.stop()).toEqual([]);
  await expectAllRight();
});

it('a heavier node gets more', async () => {
  const { id } = await cluster.adminNode(6);
  const { rebalance } = await cluster.admin.changeNode(id, { weight: 2 });
  expect((await follow(rebalance!.id)).last.state).toBe('finished');
  await cluster.untilSettled();
  const [heavy, light] = [await cluster.adminNode(6), await cluster.adminNode(1)];
  expect(heavy.ranges).toBe(light.ranges * 2);
});

it('what cannot be asked of a rebalance is refused by name', async () => {
  const finished = (await cluster.admin.rebalances())[0]!;
  await expect(cluster.admin.pause(finished.id)).rejects.toMatchObject({ status: 409, code: 'conflict' });
  await expect(cluster.admin.cancel(finished.id)).rejects.toMatchObject({ status: 409, code: 'conflict' });
  await expect(cluster.admin.rebalance('018f0000-0000-7000-8000-000000000000')).rejects.toMatchObject({
    status: 404,
    code: 'rebalance_not_found',
  });
  const { id } = await cluster.adminNode(6);
  await expect(cluster.admin.changeNode(id, { state: 'active' })).rejects.toMatchObject({
    status: 409,
    code: 'nothing_to_do',
  });
  await expect(
    cluster.admin.startRebalance([{ nodeId: id, weight: 3 }], { bytesPerSecond: 64 * KIB - 1 }),
  ).rejects.toMatchObject({ status: 400, code: 'invalid_request' });
});

async function listen(signal: AbortSignal, onEvent: (event: ClusterEvent) => void): Promise<void> {
  try {
    for await (const event of cluster.admin.events(signal)) onEvent(event);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Who owns which positions, whatever the arcs are cut into. */
function ownersOf({ arcs }: Awaited<ReturnType<TestCluster['admin']['ring']>>): string[] {
  return arcs.flatMap(({ firstRange, lastRange, owners }) =>
    Array.from({ length: lastRange - firstRange + 1 }, () => owners.toSorted().join()),
  );
}
