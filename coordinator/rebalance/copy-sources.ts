import { ownersOfRange } from '../../lib/hashring/index.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { RingState } from '../cluster/ring-state.ts';
import type { CopyTask } from './move-tasks.ts';

/**
 * The old owners that answer, the least busy first; null (and the task says why) while too few of them do, or the
 * node that is to copy does not.
 */
export function copySources(
  cluster: Cluster,
  state: RingState,
  task: CopyTask,
  busy: ReadonlyMap<string, number>,
): readonly StorageNode[] | null {
  if (cluster.healthOf(task.nodeId) !== 'up') {
    task.problem = `Node ${task.nodeId}, which is to get ranges, is ${cluster.healthOf(task.nodeId)}.`;
    return null;
  }
  const before = ownersOfRange(state.base, task.range).map(({ id }) => id);
  const known = new Set(cluster.registeredNodes().map(({ id }) => id));
  const sources: StorageNode[] = [];
  let awaited = 0;
  for (const id of before) {
    const node = cluster.nodeById(id);
    if (node !== undefined && known.has(id) && cluster.healthOf(id) === 'up') sources.push(node);
    else if (!isLost(cluster, id)) awaited++;
  }
  // R-W+1 of them hold everything that was acknowledged. Those that an operator gave up are not waited for.
  const needed = cluster.replicas - cluster.writeQuorum + 1;
  if (sources.length < needed && (awaited > 0 || sources.length === 0)) {
    task.problem =
      awaited > 0
        ? `Of the owners of range ${task.range}, ${sources.length} answer and ${needed} are needed.`
        : `No owner of range ${task.range} is left to copy from.`;
    // Nothing is left that could be copied: manifests say what is lost.
    if (awaited > 0) return null;
  }
  if (sources.length === 0) {
    const anybody = cluster.nodes().find(({ id }) => id !== task.nodeId && cluster.healthOf(id) === 'up');
    return anybody === undefined ? null : [anybody];
  }
  return sources.sort((a, b) => (busy.get(a.id) ?? 0) - (busy.get(b.id) ?? 0));
}

/** Whether an operator has given the node up, so that nothing waits for it. */
export function isLost(cluster: Cluster, nodeId: string): boolean {
  const node = cluster.registeredNodes().find(({ id }) => id === nodeId);
  return node === undefined || node.state === 'lost';
}
