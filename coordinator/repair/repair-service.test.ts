import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { assign } from '../../lib/hashring/index.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { openTestDatabase } from '../database/test-support/engines.ts';
import { RepairRepository } from './repair-repository.ts';
import { RepairService } from './repair-service.ts';

test('copies that a node set aside and nobody has looked at are a reason not to say that all is there', async () => {
  await using handle = await openTestDatabase('pglite');
  const id = randomUUID();
  const seen = new Date(1000);
  const node = {
    ...{ id, url: 'http://node', zone: 'z', state: 'active', dataId: null },
    ...{ quarantinedCount: 1, lastQuarantinedAt: seen },
  };
  let lastQuarantinedAt = seen.toISOString();
  const base = assign(null, [{ id, zone: 'z', weight: 1 }], { epoch: 1, replicas: 1, rangeCount: 4 });
  const service = new RepairService({
    database: handle.kysely,
    cluster: {
      state: { step: 1, base, target: null, phases: null, rebalanceId: null },
      registeredNodes: () => [node],
      healthOf: () => 'up',
    } as unknown as Cluster,
    probe: {
      health: async () => ({ nodeId: id }),
      stats: async () => ({
        ...{ nodeId: id, clusterId: null, startedAt: seen.toISOString() },
        ...{ capacityBytes: 1, usedBytes: 0, chunkCount: 0, disk: 'ok' },
        ...{ quarantinedCount: 1, lastQuarantinedAt },
      }),
    },
    repository: new RepairRepository(handle.kysely),
    suspicions: { flush: async () => {}, waiting: 0 },
    counts: () => ({ checkedRanges: 0, copiedChunks: 0, copiedBytes: 0, failedCopies: 0 }),
  });
  const reasons = async () => (await service.status()).reasons.join();
  expect(await reasons()).not.toContain('set damaged copies aside');
  // As many as before, but not the same.
  lastQuarantinedAt = new Date(2000).toISOString();
  expect(await reasons()).toContain(`node ${id} at http://node set damaged copies aside`);
});
