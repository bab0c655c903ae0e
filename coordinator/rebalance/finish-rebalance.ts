import { isAppError } from '../../lib/errors/app-error.ts';
import { CLUSTER_CHANNEL } from '../cluster/cluster.ts';
import { ClusterRepository } from '../cluster/cluster-repository.ts';
import { NodeRepository, type OnNodeState } from '../cluster/node-repository.ts';
import { countRanges } from '../cluster/range-counts.ts';
import { RingRepository } from '../cluster/ring-repository.ts';
import type { RingState } from '../cluster/ring-state.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { type RebalanceRecord, RebalanceRepository } from './rebalance-repository.ts';

/**
 * Ends a rebalance whose ranges have all arrived: the target becomes what the ring rests on, and nodes that were to
 * leave have left. False when the ring has moved on meanwhile.
 */
export async function finishRebalance(
  database: DatabaseHandle,
  rebalance: RebalanceRecord,
  state: RingState,
  onNodeState?: OnNodeState,
): Promise<boolean> {
  const { kysely, notifications } = database;
  const target = state.target!;
  const nodes = new NodeRepository(kysely, onNodeState);
  const owned = countRanges(target);
  const wasJoined = new Set(
    rebalance.nodesBefore.filter((node) => node.state === 'joined').map(({ nodeId }) => nodeId),
  );
  try {
    await kysely.transaction().execute(async (transaction) => {
      await new ClusterRepository(kysely).lock(transaction);
      await new RingRepository(kysely).advance(
        { step: state.step + 1, base: target, target: null, phases: null, rebalanceId: null },
        transaction,
      );
      const left = (await nodes.list(transaction)).filter(
        ({ id, state: nodeState }) => nodeState === 'draining' && (owned.get(id)?.ranges ?? 0) === 0,
      );
      // A join that was taken back leaves the node as it came.
      const isBack = (id: string) => rebalance.state === 'cancelling' && wasJoined.has(id);
      const idsOf = (list: typeof left) => list.map(({ id }) => id);
      await nodes.setState(transaction, idsOf(left.filter(({ id }) => isBack(id))), 'joined');
      await nodes.setState(transaction, idsOf(left.filter(({ id }) => !isBack(id))), 'drained');
      const ended = rebalance.state === 'cancelling' ? 'cancelled' : 'finished';
      await new RebalanceRepository(kysely).setState(rebalance.id, ended, transaction);
      await notifications.publish(CLUSTER_CHANNEL, 'ring', transaction);
    });
    return true;
  } catch (error) {
    if (isAppError(error) && error.code === 'conflict') return false;
    throw error;
  }
}
