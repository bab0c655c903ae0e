import { type Layout, ownersOfRange } from '../../lib/hashring/index.ts';

/**
 * How far a range is on its way from its old owners O to its new ones N; W is the write quorum. Each phase begins
 * only when every live coordinator has left the one before (see `Presence.barrier`).
 *
 * | phase | writes count when on | reads ask | it ends when |
 * | --- | --- | --- | --- |
 * | before | W of O | O | its turn comes |
 * | dual | W of O and W of N | O, then N | every node of N has copied the range |
 * | readNew | W of O and W of N | N, then O | nobody reads from O first any more |
 * | newOnly | W of N | N, then O | the nodes of O that are not in N have dropped it |
 * | after | W of N | N | |
 */
export const PHASE = { before: 0, dual: 1, readNew: 2, newOnly: 3, after: 4 } as const;
/** The phases' names, by number. */
export const PHASE_NAMES = ['before', 'dual', 'readNew', 'newOnly', 'after'] as const;
export type Phase = (typeof PHASE)[keyof typeof PHASE];

/** Where the ring stands: a layout, or on the way from one to another. Immutable. */
export interface RingState {
  /** Grows by one with every change; coordinators acknowledge steps. */
  readonly step: number;
  readonly base: Layout;
  /** Null when the ring is stable. Has as many ranges and replicas as `base`. */
  readonly target: Layout | null;
  /** One `Phase` a range; null when the ring is stable. */
  readonly phases: Uint8Array | null;
  /** The rebalance that moves it; null when the ring is stable. */
  readonly rebalanceId: string | null;
}

/** Who has which part in a range; ids, in the layouts' order. */
export interface RangeRoles {
  /** A write counts when a quorum of each of these sets has it. */
  readonly writeSets: readonly (readonly string[])[];
  /** All of these hold the range, or are about to: the union of the sets. */
  readonly owners: readonly string[];
  /** Reads ask these first: they hold everything that was ever acknowledged in the range. */
  readonly readFirst: readonly string[];
}

export function phaseOf(state: RingState, range: number): Phase {
  return (state.phases?.[range] ?? PHASE.before) as Phase;
}

export function rolesOf(state: RingState, range: number): RangeRoles {
  const before = ownersOfRange(state.base, range).map(({ id }) => id);
  if (state.target === null) return { writeSets: [before], owners: before, readFirst: before };
  const after = ownersOfRange(state.target, range).map(({ id }) => id);
  switch (phaseOf(state, range)) {
    case PHASE.before:
      return { writeSets: [before], owners: before, readFirst: before };
    case PHASE.dual:
      return { writeSets: [before, after], owners: union(before, after), readFirst: before };
    case PHASE.readNew:
      return { writeSets: [before, after], owners: union(after, before), readFirst: after };
    default:
      return { writeSets: [after], owners: after, readFirst: after };
  }
}

/** Whether the range is in use at the node, or on its way there or from there, so that nothing of it may be dropped. */
export function isInvolved(state: RingState, range: number, nodeId: string): boolean {
  if (rolesOf(state, range).owners.includes(nodeId)) return true;
  // An old owner keeps the range until the engine itself drops it.
  return (
    phaseOf(state, range) === PHASE.newOnly &&
    ownersOfRange(state.base, range).some(({ id }) => id === nodeId)
  );
}

function union(first: readonly string[], second: readonly string[]): readonly string[] {
  return [...first, ...second.filter((id) => !first.includes(id))];
}
