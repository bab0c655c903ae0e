import type { NodeStats } from '../../lib/node-api/schema.ts';
import type { NodeState } from '../database/schema.ts';
import type { HealthMonitor } from './health.ts';
import type { NodeProbe } from './node-probe.ts';
import type { RegisteredNode } from './node-repository.ts';
import type { NodeHealth } from './placement.ts';
import { countRanges } from './range-counts.ts';
import type { RingState } from './ring-state.ts';

/** What an operator sees of a storage node. */
export interface NodeReport {
  readonly id: string;
  readonly url: string;
  readonly zone: string;
  readonly weight: number;
  readonly state: NodeState;
  readonly health: NodeHealth;
  /** Why it is not up; null when it is. */
  readonly healthReason: string | null;
  /** Ranges of the ring that it owns; while ranges change hands, in the layout they come from. */
  readonly ranges: number;
  /** Of these, the ranges whose first owner it is. */
  readonly primaryRanges: number;
  /** Ranges that it will own when the running rebalance has ended; null when none runs. */
  readonly targetRanges: number | null;
  readonly capacityBytes: number;
  /** Null, like the following, when the node does not answer now. */
  readonly usedBytes: number | null;
  readonly chunkCount: number | null;
  readonly quarantinedCount: number | null;
  readonly disk: NodeStats['disk'] | null;
  readonly registeredAt: string;
  readonly lastSeenAt: string;
}

/** What a report is made from: the nodes as this coordinator knows them. */
export interface KnownNodes {
  registeredNodes(): readonly RegisteredNode[];
  readonly state: RingState | null;
  readonly health: Pick<HealthMonitor, 'healthOf' | 'reasonOf'>;
}

/** Asks every node that is not down how it stands, all at the same time. Never rejects. */
export async function reportNodes(
  known: KnownNodes,
  probe: Pick<NodeProbe, 'stats'>,
  nowMs: number,
): Promise<NodeReport[]> {
  const base = known.state && countRanges(known.state.base);
  const target = known.state?.target && countRanges(known.state.target);
  return Promise.all(
    known.registeredNodes().map(async (node): Promise<NodeReport> => {
      const isDown = known.health.healthOf(node.id) === 'down';
      const answer = isDown ? null : await probe.stats(node.url).catch(() => null);
      const stats = answer?.nodeId === node.id ? answer : null;
      return {
        id: node.id,
        url: node.url,
        zone: node.zone,
        weight: node.weight,
        state: node.state,
        health: known.health.healthOf(node.id),
        healthReason: known.health.reasonOf(node.id),
        ranges: base?.get(node.id)?.ranges ?? 0,
        primaryRanges: base?.get(node.id)?.primaryRanges ?? 0,
        targetRanges: target ? (target.get(node.id)?.ranges ?? 0) : null,
        capacityBytes: stats?.capacityBytes ?? node.capacityBytes,
        usedBytes: stats?.usedBytes ?? null,
        chunkCount: stats?.chunkCount ?? null,
        quarantinedCount: stats?.quarantinedCount ?? null,
        disk: stats?.disk ?? null,
        registeredAt: node.registeredAt.toISOString(),
        lastSeenAt: (stats === null ? node.lastSeenAt : new Date(nowMs)).toISOString(),
      };
    }),
  );
}
