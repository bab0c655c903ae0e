import type { Member } from './members.ts';
import { RingError } from './ring-error.ts';

/** Which member stands in which zone, and how many replicas of a range a zone may hold. */
export interface Zones {
  /** Zone index of each member. */
  readonly ofMember: Uint16Array;
  /** Indices of the members with a weight, a list for each zone. */
  readonly active: readonly (readonly number[])[];
  /** Most replicas of one range in one zone. */
  readonly maxPerZone: number;
}

/** Replicas of one range that the zones can take when none may hold more than `maxPerZone`. */
function roomFor(active: readonly (readonly number[])[], maxPerZone: number): number {
  return active.reduce((room, members) => room + Math.min(maxPerZone, members.length), 0);
}

/**
 * Groups sorted members by zone and settles `maxPerZone`: the caller's, or else the smallest with which the
 * replicas fit, which is ceil(replicas / zones) unless some zones have too few members for that.
 * Throws `infeasible` exactly when no layout can satisfy the request.
 */
export function resolveZones(members: readonly Member[], replicas: number, maxPerZone?: number): Zones {
  const names = [...new Set(members.map(({ zone }) => zone))].sort();
  const indexOf = new Map(names.map((name, index) => [name, index]));
  const ofMember = Uint16Array.from(members, ({ zone }) => indexOf.get(zone)!);
  const groups: number[][] = names.map(() => []);
  members.forEach(({ weight }, index) => {
    if (weight > 0) groups[ofMember[index]!]!.push(index);
  });
  const activeCount = groups.reduce((sum, group) => sum + group.length, 0);
  if (activeCount < replicas) {
    throw new RingError(
      'infeasible',
      `${replicas} replicas need as many members with a weight; there are ${activeCount}`,
    );
  }
  let most = maxPerZone ?? 1;
  if (maxPerZone === undefined) while (roomFor(groups, most) < replicas) most++;
  if (roomFor(groups, most) < replicas) {
    throw new RingError(
      'infeasible',
      `zones of at most ${most} replicas a range cannot hold ${replicas} replicas`,
    );
  }
  return { ofMember, active: groups, maxPerZone: most };
}
