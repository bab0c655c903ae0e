import { ownersOfRange, rangeBounds } from '../../lib/hashring/index.ts';
import { formatPosition } from '../../lib/node-api/targets.ts';
import type { RangeUsage } from '../objects/object-repository.ts';
import type { RegisteredNode } from './node-repository.ts';
import { countRanges } from './range-counts.ts';
import { PHASE_NAMES, phaseOf, type RingState } from './ring-state.ts';

/** What an operator sees of the ring. */
export interface RingReport {
  readonly epoch: number;
  readonly step: number;
  readonly rangeCount: number;
  readonly replicas: number;
  /** The rebalance under way; null when the ring is stable. */
  readonly rebalanceId: string | null;
  readonly targetEpoch: number | null;
  /** How many ranges are in each phase; null when the ring is stable. */
  readonly phases: Readonly<Record<(typeof PHASE_NAMES)[number], number>> | null;
  readonly nodes: readonly RingNodeReport[];
  readonly balance: {
    /** Most ranges of a node divided by its share by weight, over nodes whose share the replicas do not cap; 1 is perfect. */
    readonly rangesMaxOverShare: number | null;
    /** The same of bytes; null while nothing is stored. */
    readonly bytesMaxOverShare: number | null;
  };
  /** Neighbouring ranges with the same owners in the same order; only when asked for. */
  readonly arcs?: readonly RingArc[];
}

export interface RingNodeReport {
  readonly nodeId: string;
  readonly url: string | null;
  readonly zone: string;
  readonly weight: number;
  readonly ranges: number;
  readonly primaryRanges: number;
  /** Null when the ring is stable. */
  readonly targetRanges: number | null;
  /** Chunks and bytes that it is to hold by its ranges. */
  readonly chunks: number;
  readonly bytes: number;
}

export interface RingArc {
  readonly firstRange: number;
  readonly lastRange: number;
  readonly first: string;
  readonly last: string;
  readonly owners: readonly string[];
  /** Owners to come; null when the ring is stable, or when they stay. */
  readonly target: readonly string[] | null;
  readonly phase: (typeof PHASE_NAMES)[number] | null;
}

export function reportRing(
  state: RingState,
  usage: RangeUsage,
  registered: readonly RegisteredNode[],
  options: { readonly withArcs: boolean },
): RingReport {
  const { base, target, phases } = state;
  const nodes = reportNodes(state, usage, registered);
  const weights = nodes.reduce((sum, { weight }) => sum + weight, 0);
  const overShare = (amountOf: (node: RingNodeReport) => number) => {
    const total = nodes.reduce((sum, node) => sum + amountOf(node), 0);
    // A node can hold each range once: above that its weight buys nothing.
    const shares = nodes
      .filter(({ weight }) => weight > 0 && (weight / weights) * base.replicas < 1)
      .map((node) => amountOf(node) / ((node.weight / weights) * total));
    return total === 0 || shares.length === 0 ? null : Math.max(...shares);
  };
  const counts = phases && { before: 0, dual: 0, readNew: 0, newOnly: 0, after: 0 };
  for (const phase of counts === null ? [] : phases!) counts![PHASE_NAMES[phase]!]++;
  return {
    epoch: base.epoch,
    step: state.step,
    rangeCount: base.rangeCount,
    replicas: base.replicas,
    rebalanceId: state.rebalanceId,
    targetEpoch: target?.epoch ?? null,
    phases: counts,
    nodes,
    balance: {
      rangesMaxOverShare: overShare(({ ranges }) => ranges),
      bytesMaxOverShare: overShare(({ bytes }) => bytes),
    },
    ...(options.withArcs && { arcs: listArcs(state) }),
  };
}

function reportNodes(
  { base, target }: RingState,
  usage: RangeUsage,
  registered: readonly RegisteredNode[],
): RingNodeReport[] {
  const counts = countRanges(base);
  const targetCounts = target && countRanges(target);
  const held = new Map(base.members.map(({ id }) => [id, { chunks: 0, bytes: 0 }]));
  for (let range = 0; range < base.rangeCount; range++) {
    for (const { id } of ownersOfRange(base, range)) {
      const own = held.get(id)!;
      own.chunks += usage.chunks[range]!;
      own.bytes += usage.bytes[range]!;
    }
  }
  const members = new Map([...base.members, ...(target?.members ?? [])].map((member) => [member.id, member]));
  return [...members.values()].map(({ id, zone, weight }) => ({
    nodeId: id,
    url: registered.find((node) => node.id === id)?.url ?? null,
    zone,
    weight,
    ranges: counts.get(id)?.ranges ?? 0,
    primaryRanges: counts.get(id)?.primaryRanges ?? 0,
    targetRanges: targetCounts === null ? null : (targetCounts.get(id)?.ranges ?? 0),
    chunks: held.get(id)?.chunks ?? 0,
    bytes: held.get(id)?.bytes ?? 0,
  }));
}

function listArcs(state: RingState): RingArc[] {
  const { base, target } = state;
  const arcs: RingArc[] = [];
  for (let range = 0; range < base.rangeCount; range++) {
    const owners = ownersOfRange(base, range).map(({ id }) => id);
    const next = target && ownersOfRange(target, range).map(({ id }) => id);
    const arc: RingArc = {
      firstRange: range,
      lastRange: range,
      first: formatPosition(rangeBounds(range, base.rangeCount).first),
      last: formatPosition(rangeBounds(range, base.rangeCount).last),
      owners,
      target: next === null || next.join() === owners.join() ? null : next,
      phase: target === null ? null : PHASE_NAMES[phaseOf(state, range)],
    };
    const previous = arcs.at(-1);
    if (previous !== undefined && isSame(previous, arc)) {
      arcs[arcs.length - 1] = { ...previous, lastRange: range, last: arc.last };
    } else {
      arcs.push(arc);
    }
  }
  return arcs;
}

function isSame(one: RingArc, other: RingArc): boolean {
  return (
    one.phase === other.phase &&
    one.owners.join() === other.owners.join() &&
    one.target?.join() === other.target?.join()
  );
}
