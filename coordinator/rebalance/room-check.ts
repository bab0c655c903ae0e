import { AppError } from '../../lib/errors/app-error.ts';
import type { NodeProbe } from '../cluster/node-probe.ts';
import type { RegisteredNode } from '../cluster/node-repository.ts';
import type { ErrorCode } from '../errors.ts';
import { CAPACITY_RESERVE, CHUNK_OVERHEAD_BYTES } from './limits.ts';
import type { RebalancePlan } from './types.ts';

/**
 * Nodes that are to get something have to answer, and to have room for it. Rejects with `insufficient_room`, which lists
 * all that have not, `node_identity_mismatch` or `node_unreachable`.
 */
export async function checkRoom(
  plan: RebalancePlan,
  nodes: readonly RegisteredNode[],
  probe: Pick<NodeProbe, 'stats'>,
): Promise<void> {
  const short: Record<string, unknown>[] = [];
  for (const { nodeId, gainedBytes, gainedChunks, lostBytes, before, after } of plan.nodes) {
    const gains = gainedBytes > 0 || after.ranges > before.ranges;
    if (!gains) continue;
    const node = nodes.find(({ id }) => id === nodeId)!;
    const stats = await probe.stats(node.url);
    if (stats.nodeId !== nodeId) {
      throw new AppError<ErrorCode>(
        'node_identity_mismatch',
        `At ${node.url} answers node ${stats.nodeId} instead of ${nodeId}.`,
        { details: { registeredNodeId: nodeId, nodeId: stats.nodeId } },
      );
    }
    const usable = Math.floor(stats.capacityBytes * (1 - CAPACITY_RESERVE));
    const needed = stats.usedBytes + gainedBytes + gainedChunks * CHUNK_OVERHEAD_BYTES - lostBytes;
    if (needed > usable) {
      short.push({
        nodeId,
        usedBytes: stats.usedBytes,
        gainedBytes,
        usableBytes: usable,
        missingBytes: needed - usable,
      });
    }
  }
  if (short.length === 0) return;
  throw new AppError<ErrorCode>(
    'insufficient_room',
    `${short.length} of the remaining nodes would have too little room; nothing was moved. Add nodes or capacity first.`,
    { details: { nodes: short } },
  );
}
