import { PHASE, type RingState } from '../cluster/ring-state.ts';
import { CONCURRENCY_DEFAULT } from './limits.ts';
import type { CopySums, RebalanceRecord } from './rebalance-repository.ts';
import type { RebalanceReport } from './types.ts';

/** What is told of a rebalance, from what is stored of it and from where the ring stands now. */
export function reportOf(
  record: RebalanceRecord,
  sums: readonly CopySums[],
  ring: RingState | null,
): RebalanceReport {
  const { plan } = record;
  const total = (pick: (sum: CopySums) => number) => sums.reduce((all, sum) => all + pick(sum), 0);
  const hasEnded = record.finishedAt !== null;
  const progress = hasEnded ? null : record.progress;
  const phases = !hasEnded && ring?.rebalanceId === record.id ? [...ring.phases!] : [];
  const count = (...wanted: readonly number[]) => phases.filter((phase) => wanted.includes(phase)).length;
  const unchanged = plan.totalRanges - plan.ranges;
  return {
    id: record.id,
    state: record.state,
    reason: record.reason,
    changes: record.changes,
    plan,
    createdAt: record.createdAt.toISOString(),
    finishedAt: record.finishedAt?.toISOString() ?? null,
    ranges: {
      total: plan.ranges,
      waiting: count(PHASE.before),
      copying: count(PHASE.dual),
      switching: count(PHASE.readNew, PHASE.newOnly),
      done: record.state === 'finished' ? plan.ranges : Math.max(0, count(PHASE.after) - unchanged),
    },
    chunks: {
      total: total(({ chunks }) => chunks),
      done: total(({ doneChunks }) => doneChunks) + (progress?.partialChunks ?? 0),
    },
    bytes: {
      total: total(({ bytes }) => bytes),
      done: total(({ doneBytes }) => doneBytes) + (progress?.partialBytes ?? 0),
    },
    copiedBytes: total(({ copiedBytes }) => copiedBytes),
    bytesPerSecond: progress?.bytesPerSecond ?? null,
    secondsLeft: hasEnded ? 0 : (progress?.secondsLeft ?? null),
    limits: {
      bytesPerSecond: record.bytesPerSecond,
      concurrency: record.concurrency ?? CONCURRENCY_DEFAULT,
    },
    error: record.error,
    nodes: sums.map(({ nodeId, bytes, doneBytes }) => ({ nodeId, bytes, doneBytes })),
  };
}
