import { AppError } from '../../lib/errors/app-error.ts';
import {
  assign,
  diff,
  type Layout,
  type Member,
  mixLayouts,
  movementBound,
  ownersOfRange,
  RingError,
} from '../../lib/hashring/index.ts';
import type { RegisteredNode } from '../cluster/node-repository.ts';
import { countRanges } from '../cluster/range-counts.ts';
import { PHASE, phaseOf, type RingState } from '../cluster/ring-state.ts';
import type { NodeState } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { RangeUsage } from '../objects/object-repository.ts';
import type { NodeChange, PlannedNode, RebalancePlan } from './types.ts';

/** A node as it will be. */
export interface WantedNode {
  readonly id: string;
  readonly state: NodeState;
  readonly weight: number;
  readonly zone: string;
}

/** Where the ring starts from and where it is to go. */
export interface Transition {
  /** What is true of each range now: ranges that reads have left already count as moved. */
  readonly base: Layout;
  readonly target: Layout;
  /** Phases to begin with, one a range. */
  readonly phases: Uint8Array;
}

/** What one node has to copy of one range. */
export interface PlannedCopy {
  readonly range: number;
  readonly nodeId: string;
  readonly chunks: number;
  readonly bytes: number;
}

/**
 * The nodes with the changes applied. Throws `node_not_found`, or `conflict` when changes contradict each other or
 * a node is in no state for one.
 */
export function applyChanges(
  nodes: readonly RegisteredNode[],
  changes: readonly NodeChange[],
): readonly WantedNode[] {
  const wanted = new Map<string, WantedNode>(nodes.map((node) => [node.id, node]));
  const seen = new Set<string>();
  for (const change of changes) {
    const node = wanted.get(change.nodeId);
    if (node === undefined || node.state === 'removed') {
      throw new AppError<ErrorCode>('node_not_found', `No storage node ${change.nodeId} is registered.`);
    }
    if (seen.has(node.id)) {
      throw new AppError<ErrorCode>('conflict', `Node ${node.id} is named twice; say once what it shall be.`);
    }
    seen.add(node.id);
    const isOwner = node.state === 'active' || node.state === 'draining';
    if (change.state === 'draining' && !isOwner) {
      throw new AppError<ErrorCode>(
        'conflict',
        `Node ${node.id} is ${node.state}: it owns nothing to drain.`,
      );
    }
    wanted.set(node.id, {
      id: node.id,
      state: change.state ?? node.state,
      weight: change.weight ?? node.weight,
      zone: change.zone ?? node.zone,
    });
  }
  return [...wanted.values()];
}

/** Those that shall own ranges. */
export function membersOf(nodes: readonly WantedNode[]): Member[] {
  return nodes
    .filter(({ state }) => state === 'active')
    .map(({ id, weight, zone }) => ({ id, weight, zone }));
}

/**
 * The layout that these nodes shall have, as near as possible to what is wanted now. Throws `too_few_nodes` or
 * `zones_impossible`, with what to do about it.
 */
export function chooseTarget(state: RingState, members: readonly Member[], epoch: number): Layout {
  const previous = state.target ?? state.base;
  const { replicas, rangeCount } = previous;
  const able = members.filter(({ weight }) => weight > 0);
  if (able.length < replicas) {
    throw new AppError<ErrorCode>(
      'too_few_nodes',
      `${able.length} nodes would remain for ${replicas} copies of each chunk. Add ${replicas - able.length} more before you take this away.`,
      { details: { remaining: able.length, replicas } },
    );
  }
  try {
    return assign(previous, members, { epoch, replicas, rangeCount });
  } catch (error) {
    if (!(error instanceof RingError)) throw error;
    throw new AppError<ErrorCode>('zones_impossible', `No layout fits these nodes: ${error.message}.`, {
      cause: error,
    });
  }
}

/**
 * From where the ring is to `target`. Ranges that are being copied to the very owners they shall have go on with it;
 * ranges whose reads have passed to their new owners count as moved; all others begin anew.
 */
export function transitionTo(state: RingState, target: Layout, mixEpoch: number): Transition {
  const base =
    state.target === null
      ? state.base
      : mixLayouts(state.base, state.target, {
          epoch: mixEpoch,
          isAfter: (range) => phaseOf(state, range) >= PHASE.readNew,
        });
  const phases = new Uint8Array(base.rangeCount);
  for (let range = 0; range < base.rangeCount; range++) {
    const to = ownersOfRange(target, range).map(({ id }) => id);
    if (isSameSet(ownerIds(base, range), to)) phases[range] = PHASE.after;
    else if (state.target !== null && phaseOf(state, range) === PHASE.dual) {
      phases[range] = isSameSet(ownerIds(state.target, range), to) ? PHASE.dual : PHASE.before;
    }
  }
  return { base, target, phases };
}

/** What has to be copied: every range and each node that is to own it and does not yet. */
export function listCopies({ base, target }: Transition, usage: RangeUsage): PlannedCopy[] {
  const copies: PlannedCopy[] = [];
  for (const { firstRange, lastRange, gained } of diff(base, target)) {
    for (let range = firstRange; range <= lastRange; range++) {
      for (const nodeId of gained) {
        copies.push({ range, nodeId, chunks: usage.chunks[range]!, bytes: usage.bytes[range]! });
      }
    }
  }
  return copies;
}

/** The plan in numbers. `lastRate`: bytes a second of an earlier rebalance. */
export function describePlan(
  state: RingState,
  transition: Transition,
  usage: RangeUsage,
  nodes: { readonly before: readonly RegisteredNode[]; readonly after: readonly WantedNode[] },
  lastRate: number | null,
): RebalancePlan {
  const { base, target } = transition;
  const copies = listCopies(transition, usage);
  const gains = new Map<string, { chunks: number; bytes: number }>();
  for (const { nodeId, chunks, bytes } of copies) {
    const gain = gains.get(nodeId) ?? { chunks: 0, bytes: 0 };
    gains.set(nodeId, { chunks: gain.chunks + chunks, bytes: gain.bytes + bytes });
  }
  const losses = new Map<string, number>();
  const changedRanges = new Set(copies.map(({ range }) => range));
  for (const { firstRange, lastRange, lost } of diff(base, target)) {
    for (let range = firstRange; range <= lastRange; range++) {
      changedRanges.add(range);
      for (const id of lost) losses.set(id, (losses.get(id) ?? 0) + usage.bytes[range]!);
    }
  }
  const stored = usage.bytes.reduce((sum, bytes) => sum + bytes, 0) * base.replicas;
  const bytes = copies.reduce((sum, copy) => sum + copy.bytes, 0);
  // A range that was begun anew may be counted by the bound as moved already: never claim to beat it.
  const { replicas, rangeCount } = base;
  const bound = movementBound(base, membersOf(nodes.after), { epoch: target.epoch, replicas, rangeCount });
  const minimumRanges = Math.min(bound, copies.length);
  const countsBefore = countRanges(base);
  const countsAfter = countRanges(target);
  const after = new Map(nodes.after.map((node) => [node.id, node]));
  return {
    fromEpoch: (state.target ?? state.base).epoch,
    nodes: nodes.before
      .filter(({ id }) => countsBefore.has(id) || countsAfter.has(id))
      .map((node): PlannedNode => {
        const next = after.get(node.id)!;
        return {
          nodeId: node.id,
          before: {
            state: node.state,
            weight: node.weight,
            zone: node.zone,
            ranges: countsBefore.get(node.id)?.ranges ?? 0,
          },
          after: {
            state: next.state,
            weight: next.weight,
            zone: next.zone,
            ranges: countsAfter.get(node.id)?.ranges ?? 0,
          },
          gainedChunks: gains.get(node.id)?.chunks ?? 0,
          gainedBytes: gains.get(node.id)?.bytes ?? 0,
          lostBytes: losses.get(node.id) ?? 0,
        };
      }),
    ranges: changedRanges.size,
    totalRanges: rangeCount,
    chunks: copies.reduce((sum, copy) => sum + copy.chunks, 0),
    bytes,
    share: stored === 0 ? 0 : bytes / stored,
    movedRanges: copies.length,
    minimumRanges,
    minimumBytes: copies.length === 0 ? 0 : Math.round((bytes * minimumRanges) / copies.length),
    estimatedSeconds: lastRate === null || lastRate <= 0 ? null : Math.ceil(bytes / lastRate),
  };
}

function ownerIds(layout: Layout, range: number): string[] {
  return ownersOfRange(layout, range).map(({ id }) => id);
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
