import type { Layout } from '../layout.ts';
import type { Member } from '../members.ts';
import { MinCostFlow } from './min-cost-flow.ts';

export interface Request {
  readonly members: readonly Member[];
  readonly rangeCount: number;
  readonly replicas: number;
  readonly maxPerZone: number;
}

const CLOSE = 1e-7;

/** Members of the same zone, those of weight 0 left out. */
export function groupByZone(members: readonly Member[]): Map<string, Member[]> {
  return Map.groupBy(
    members.filter(({ weight }) => weight > 0),
    ({ zone }) => zone,
  );
}

/** Whether any table satisfies the request, by trying what one range can hold. */
export function isFeasible({ members, replicas, maxPerZone }: Request): boolean {
  let room = 0;
  for (const zone of groupByZone(members).values()) room += Math.min(maxPerZone, zone.length);
  return room >= replicas;
}

/** The smallest maxPerZone with which the request is feasible; undefined if there are too few members. */
export function smallestMaxPerZone(members: readonly Member[], replicas: number): number | undefined {
  for (let maxPerZone = 1; maxPerZone <= replicas; maxPerZone++) {
    if (isFeasible({ members, rangeCount: 1, replicas, maxPerZone })) return maxPerZone;
  }
  return undefined;
}

/** Finds by bisection the level at which `total` reaches the goal. */
function findLevel(total: (level: number) => number, goal: number): number {
  let low = 0;
  let high = 1;
  while (total(high) < goal - CLOSE / 10) high *= 2;
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (total(middle) < goal) low = middle;
    else high = middle;
  }
  return high;
}

/** Quotas straight from their definition, by bisection in floating point: good to 1e-7 for small requests. */
export function findQuotas({ members, rangeCount, replicas, maxPerZone }: Request): Map<string, number> {
  const zones = [...groupByZone(members).values()];
  const share = (level: number, { weight }: Member): number => Math.min(rangeCount, level * weight);
  const zoneTotal = (level: number, zone: readonly Member[]): number =>
    zone.reduce((sum, member) => sum + share(level, member), 0);
  const capacity = (zone: readonly Member[]): number => rangeCount * Math.min(maxPerZone, zone.length);
  const level = findLevel(
    (trial) => zones.reduce((sum, zone) => sum + Math.min(capacity(zone), zoneTotal(trial, zone)), 0),
    rangeCount * replicas,
  );
  const quotas = new Map(members.map(({ id }) => [id, 0]));
  for (const zone of zones) {
    const isFull = zoneTotal(level, zone) >= capacity(zone) - CLOSE;
    const own = isFull ? findLevel((trial) => zoneTotal(trial, zone), capacity(zone)) : level;
    for (const member of zone) quotas.set(member.id, share(own, member));
  }
  return quotas;
}

/** Floor and ceiling of a quota that may be a hair off an integer. */
export function boundsOf(quota: number): { floor: number; ceiling: number } {
  return { floor: Math.floor(quota + CLOSE), ceiling: Math.ceil(quota - CLOSE) };
}

/** Ids of the owners of each range of a layout, cut to a finer range count. */
export function ownerSets(layout: Layout, rangeCount: number): Set<string>[] {
  const parts = rangeCount / layout.rangeCount;
  return Array.from({ length: rangeCount }, (_, range) => {
    const first = Math.floor(range / parts) * layout.replicas;
    const owners = layout.table.subarray(first, first + layout.replicas);
    return new Set(Array.from(owners, (index) => layout.members[index]!.id));
  });
}

/** The fewest slots that any admissible table moves away from the previous layout, by min-cost flow. */
export function fewestMoves(previous: Layout, request: Request): number {
  const { rangeCount, replicas, maxPerZone } = request;
  const before = ownerSets(previous, rangeCount);
  const quotas = findQuotas(request);
  const zones = [...groupByZone(request.members).entries()];
  const members = zones.flatMap(([, zone]) => zone);
  const flow = new MinCostFlow(2 + rangeCount * (1 + zones.length) + members.length);
  const firstMember = 2 + rangeCount * (1 + zones.length);
  // Far more than all slots together can cost, so that no floor stays unfilled to save a move.
  const reward = -1e6;
  let demanded = 0;
  for (let range = 0; range < rangeCount; range++) {
    const rangeVertex = 2 + range * (1 + zones.length);
    flow.addArc(0, rangeVertex, replicas, 0);
    for (const [index, [, zone]] of zones.entries()) {
      flow.addArc(rangeVertex, rangeVertex + 1 + index, maxPerZone, 0);
      for (const member of zone) {
        const cost = before[range]!.has(member.id) ? 0 : 1;
        flow.addArc(rangeVertex + 1 + index, firstMember + members.indexOf(member), 1, cost);
      }
    }
  }
  for (const [index, { id }] of members.entries()) {
    const { floor, ceiling } = boundsOf(quotas.get(id)!);
    demanded += floor;
    flow.addArc(firstMember + index, 1, floor, reward);
    flow.addArc(firstMember + index, 1, ceiling - floor, 0);
  }
  const { flow: placed, cost } = flow.run(0, 1);
  if (placed !== rangeCount * replicas) throw new Error(`the oracle placed only ${placed} slots`);
  return cost - demanded * reward;
}

/** The most ranges that can keep their old primary with these owners and with balanced primaries. */
export function mostPrimariesKept(previous: Layout, layout: Layout): number {
  const { members, rangeCount, replicas, table } = layout;
  const parts = rangeCount / previous.rangeCount;
  const flow = new MinCostFlow(2 + rangeCount + members.length);
  const reward = -1e6;
  const counts = members.map((_, member) => table.filter((owner) => owner === member).length);
  for (let range = 0; range < rangeCount; range++) {
    const oldPrimary = previous.members[previous.table[Math.floor(range / parts) * previous.replicas]!]!.id;
    flow.addArc(0, 2 + range, 1, 0);
    for (const owner of table.subarray(range * replicas, (range + 1) * replicas)) {
      flow.addArc(2 + range, 2 + rangeCount + owner, 1, members[owner]!.id === oldPrimary ? -1 : 0);
    }
  }
  let demanded = 0;
  for (const [member, count] of counts.entries()) {
    const floor = Math.floor(count / replicas);
    demanded += floor;
    flow.addArc(2 + rangeCount + member, 1, floor, reward);
    flow.addArc(2 + rangeCount + member, 1, Math.ceil(count / replicas) - floor, 0);
  }
  return 0 - (flow.run(0, 1).cost - demanded * reward);
}
