import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { forEachLimited } from '../coordinator/cluster/for-each-limited.ts';
import { ManagedProcess } from '../scripts/managed-process.ts';
import { AdminRefusal } from '../scripts/trials/admin-client.ts';
import { DirectNodes } from '../scripts/trials/direct-nodes.ts';
import { RANGES, sha256, TestCluster } from './support/test-cluster.ts';

const MIB = 1024 * 1024;
const STORAGE_NODE = fileURLToPath(new URL('../storage-node/main.ts', import.meta.url));

/** A node that joins nothing by itself. */
function startLooseNode(cluster: TestCluster, name: string, secret: string): Promise<ManagedProcess> {
  return ManagedProcess.start({
    name,
    script: STORAGE_NODE,
    args: ['--dir', join(cluster.dataDir, name), '--port', '0'],
    env: { CLUSTER_SECRET: secret, LOG_LEVEL: 'info' },
  });
}

async function refusalOf(asked: Promise<unknown>): Promise<AdminRefusal> {
  const error = await asked.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AdminRefusal);
  return error as AdminRefusal;
}

describe('a cluster of as many nodes as there are copies', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ nodeCount: 3 });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('refuses a node that nobody reaches, one of another secret, and one of another cluster', async () => {
    const unreachable = await refusalOf(cluster.admin.addNode({ url: 'http://127.0.0.1:1' }));
    expect(unreachable).toMatchObject({ status: 422, code: 'node_unreachable' });
    expect(unreachable.detail).toContain('127.0.0.1:1');

    await using other = await startLooseNode(cluster, 'other-secret', 'another-secret-0123456789');
    const wrong = await refusalOf(cluster.admin.addNode({ url: other.url }));
    expect(wrong.status).toBe(422);
    expect(wrong.detail).toContain('CLUSTER_SECRET');

    await using foreign = await startLooseNode(cluster, 'foreign', cluster.cluster.secret);
    const claim = await new DirectNodes(cluster.cluster.secret).request(foreign.url, 'POST', '/identity', {
      clusterId: randomUUID(),
    });
    expect(claim.ok).toBe(true);
    const refused = await refusalOf(cluster.admin.addNode({ url: foreign.url }));
    expect(refused).toMatchObject({ status: 409, code: 'node_foreign_cluster' });

    expect((await cluster.admin.nodes()).length).toBe(3);
  });

  it('takes the same node twice as the same, and not under a second address', async () => {
    const node = await cluster.adminNode(1);
    const again = await cluster.admin.addNode({ url: node.url });
    expect(again).toMatchObject({ id: node.id, state: 'active' });
    expect(again.rebalance ?? null).toBeNull();
    const alias = node.url.replace('127.0.0.1', 'localhost');
    expect(await refusalOf(cluster.admin.addNode({ url: alias }))).toMatchObject({
      status: 409,
      code: 'node_already_registered',
    });
    expect((await cluster.admin.nodes()).length).toBe(3);
    expect((await cluster.admin.rebalances()).length).toBe(0);
  });

  it('gives up no node, and says what to do about it', async () => {
    const { id } = await cluster.adminNode(2);
    const refusals = await Promise.all([
      refusalOf(cluster.admin.changeNode(id, { state: 'draining' })),
      refusalOf(cluster.admin.removeNode(id, { lost: true })),
      refusalOf(cluster.admin.plan([{ nodeId: id, state: 'draining' }])),
    ]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ status: 409, code: 'too_few_nodes' });
      expect(refusal.detail).toMatch(/add 1 /i);
    }
    expect(await cluster.adminNode(2)).toMatchObject({ state: 'active' });
    expect((await cluster.admin.ring()).rebalanceId).toBeNull();
  });

  it('takes a node that an administrator adds into use at once, or leaves it waiting', async () => {
    await using node = await startLooseNode(cluster, 'added', cluster.cluster.secret);
    const waiting = await cluster.admin.addNode({ url: node.url, activate: false });
    expect(waiting).toMatchObject({ state: 'joined' });
    expect(waiting.rebalance ?? null).toBeNull();
    const added = await cluster.admin.addNode({ url: node.url });
    expect(added).toMatchObject({ id: waiting.id, state: 'active' });
    const last = await cluster.admin.untilRebalanceEnds(added.rebalance!.id, { timeoutMs: 30_000 });
    expect(last.state).toBe('finished');
    expect(await cluster.admin.node(added.id)).toMatchObject({ ranges: (RANGES * 3) / 4 });
    // Its process ends with this test: it must be gone from the ring before.
    const { rebalance } = await cluster.admin.changeNode(added.id, { state: 'draining' });
    await cluster.admin.untilRebalanceEnds(rebalance!.id, { timeoutMs: 30_000 });
    await cluster.admin.removeNode(added.id);
  });
});

describe('a cluster with little room', () => {
  it('refuses a drain that the other nodes have no room for, before anything moves, with the numbers', async () => {
    // 88 MiB in 176 chunks put 66 MiB on each of four nodes, give or take 3, and all of it on each of three.
    await using cluster = await TestCluster.start({ nodeCount: 4, nodeCapacity: '88MiB' });
    const stored: string[] = [];
    await forEachLimited(Array.from({ length: 176 }), 8, async () => {
      stored.push((await cluster.upload(randomBytes(MIB / 2))).id);
    });
    await cluster.untilSettled();
    const { step } = await cluster.admin.ring();
    const { id } = await cluster.adminNode(0);
    const refusal = await refusalOf(cluster.admin.changeNode(id, { state: 'draining' }));
    expect(refusal).toMatchObject({ status: 409, code: 'insufficient_room' });
    const { nodes } = (refusal.body as { nodes: { nodeId: string; missingBytes: number }[] }) ?? {};
    expect(nodes.length).toBeGreaterThan(0);
    for (const { nodeId, missingBytes } of nodes) {
      expect((await cluster.admin.nodes()).map((node) => node.id)).toContain(nodeId);
      expect(missingBytes).toBeGreaterThan(0);
    }
    expect((await cluster.admin.ring()).step).toBe(step);
    expect(await cluster.adminNode(0)).toMatchObject({ state: 'active' });

    // With less stored there is room, and the drain goes through.
    await forEachLimited(stored.splice(0, 80), 8, (videoId) => cluster.deleteVideo(videoId));
    await cluster.untilSettled();
    const { rebalance } = await cluster.admin.changeNode(id, { state: 'draining' });
    expect((await cluster.admin.untilRebalanceEnds(rebalance!.id, { timeoutMs: 40_000 })).state).toBe(
      'finished',
    );
    await cluster.untilSettled();
    for (const videoId of stored) expect((await cluster.download(videoId)).length).toBe(MIB / 2);
    for (const index of [1, 2, 3]) {
      const stats = await cluster.nodeStats(index);
      expect(stats.usedBytes).toBeLessThanOrEqual(stats.capacityBytes);
    }
  });
});

describe('nodes that fail while ranges move to them', () => {
  it('a target that is killed and one that stalls hold the move up, and it goes on when they are back', async () => {
    await using cluster = await TestCluster.start({ nodeCount: 4, coordinatorEnv: { CHUNK_SIZE: '1MiB' } });
    const body = randomBytes(24 * MIB);
    const { id: videoId } = await cluster.upload(body);
    await cluster.untilSettled();
    const first = await cluster.addNode();
    const { id } = await cluster.adminNode(first);
    const wait = { timeoutMs: 60_000, pollMs: 50 };
    const { id: rebalanceId } = await cluster.admin.startRebalance([{ nodeId: id, state: 'active' }], {
      bytesPerSecond: 3 * MIB,
    });
    const arrived = async (chunks: number) => {
      const isSo = async () => (await cluster.chunksOf(first)).length >= chunks;
      await expect.poll(isSo, { timeout: 30_000 }).toBe(true);
    };

    await arrived(1);
    await cluster.cluster.nodes[first]!.kill();
    await cluster.admin.untilRebalance(rebalanceId, ({ error }) => error !== null, wait);
    expect(sha256(await cluster.download(videoId))).toBe(sha256(body));
    await cluster.cluster.restartNode(first);
    await arrived(6);

    cluster.cluster.nodes[first]!.signal('SIGSTOP');
    await expect.poll(async () => (await cluster.adminNode(first)).health, { timeout: 20_000 }).toBe('down');
    expect((await cluster.admin.rebalance(rebalanceId)).state).toBe('running');
    expect(sha256(await cluster.download(videoId))).toBe(sha256(body));
    cluster.cluster.nodes[first]!.signal('SIGCONT');
    await cluster.admin.limitRebalance(rebalanceId, { bytesPerSecond: null });
    expect((await cluster.admin.untilRebalanceEnds(rebalanceId, wait)).state).toBe('finished');
    await cluster.untilSettled();
    expect(sha256(await cluster.download(videoId))).toBe(sha256(body));
  });
});
