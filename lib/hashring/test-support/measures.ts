import type { Layout } from '../layout.ts';
import { ownerSets } from './oracle.ts';

/** Slots of each member. */
export function countSlots(layout: Layout): Map<string, number> {
  const counts = new Map(layout.members.map(({ id }) => [id, 0]));
  for (const index of layout.table) {
    const { id } = layout.members[index]!;
    counts.set(id, counts.get(id)! + 1);
  }
  return counts;
}

/** Slots that each member owns in `after` and did not own in `before`. */
export function countGained(before: Layout, after: Layout): Map<string, number> {
  const old = ownerSets(before, after.rangeCount);
  const gained = new Map<string, number>();
  for (const [range, owners] of ownerSets(after, after.rangeCount).entries()) {
    for (const id of owners) if (!old[range]!.has(id)) gained.set(id, (gained.get(id) ?? 0) + 1);
  }
  return gained;
}

/** Slots that changed hands. */
export function countMoved(before: Layout, after: Layout): number {
  return [...countGained(before, after).values()].reduce((sum, count) => sum + count, 0);
}

/** The most ranges that any two members share, over the mean of all pairs. */
export function measureSpread(layout: Layout): number {
  const { members, rangeCount, replicas, table } = layout;
  const shared = new Map<number, number>();
  for (let first = 0; first < table.length; first += replicas) {
    const owners = table.slice(first, first + replicas).sort();
    for (let i = 0; i < replicas; i++) {
      for (let j = i + 1; j < replicas; j++) {
        const pair = owners[i]! * members.length + owners[j]!;
        shared.set(pair, (shared.get(pair) ?? 0) + 1);
      }
    }
  }
  const mean = (rangeCount * replicas * (replicas - 1)) / (members.length * (members.length - 1));
  return Math.max(...shared.values()) / mean;
}
