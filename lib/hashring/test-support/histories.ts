import fc from 'fast-check';
import { assign } from '../assign.ts';
import type { Layout } from '../layout.ts';
import type { Member } from '../members.ts';
import { type Request, smallestMaxPerZone } from './oracle.ts';

/** One change of an operator's mind; `which` picks a member, modulo how many there are. */
export type Change =
  | { readonly kind: 'join'; readonly weight: number; readonly zone: number }
  | { readonly kind: 'leave'; readonly which: number }
  | { readonly kind: 'reweigh'; readonly which: number; readonly weight: number }
  | { readonly kind: 'rezone'; readonly which: number; readonly zone: number }
  | { readonly kind: 'replace'; readonly which: number }
  | { readonly kind: 'replicas'; readonly replicas: number }
  | { readonly kind: 'slack'; readonly slack: number }
  | { readonly kind: 'split' };

export interface History {
  readonly members: readonly Member[];
  readonly rangeCount: number;
  readonly replicas: number;
  /** How much more than the necessary number of replicas a zone may hold. */
  readonly slack: number;
  readonly changes: readonly Change[];
}

export interface HistoryStep {
  readonly previous: Layout | null;
  readonly layout: Layout;
  readonly request: Request;
}

export interface HistoryLimits {
  readonly rangeBitsMax: number;
  readonly membersMax: number;
  readonly changesMax: number;
}

/** Histories begin with at least as many members, so that none is infeasible from the start. */
const REPLICAS_MAX = 4;

const weights = fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 50 }));
const zoneNumbers = fc.nat({ max: 3 });

export function memberOf(index: number, weight: number, zone: number): Member {
  return { id: `node-${index}`, weight, zone: `zone-${zone}` };
}

/** Members of weight 1 in one zone. */
export function equalMembers(count: number): Member[] {
  return Array.from({ length: count }, (_, index) => memberOf(index, 1, 0));
}

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('join'), weight: weights, zone: zoneNumbers }),
  fc.record({ kind: fc.constant('join'), weight: weights, zone: zoneNumbers }),
  fc.record({ kind: fc.constant('leave'), which: fc.nat() }),
  fc.record({ kind: fc.constant('leave'), which: fc.nat() }),
  fc.record({ kind: fc.constant('reweigh'), which: fc.nat(), weight: fc.oneof(weights, fc.constant(0)) }),
  fc.record({ kind: fc.constant('rezone'), which: fc.nat(), zone: zoneNumbers }),
  fc.record({ kind: fc.constant('replace'), which: fc.nat() }),
  fc.record({ kind: fc.constant('replicas'), replicas: fc.integer({ min: 1, max: REPLICAS_MAX }) }),
  fc.record({ kind: fc.constant('slack'), slack: fc.nat({ max: 2 }) }),
  fc.record({ kind: fc.constant('split') }),
);

/** Clusters of all sorts, small enough for the oracle, and what happens to them. */
export function histories({ rangeBitsMax, membersMax, changesMax }: HistoryLimits): fc.Arbitrary<History> {
  return fc.record({
    members: fc
      .array(fc.tuple(weights, zoneNumbers), { minLength: REPLICAS_MAX, maxLength: membersMax })
      .map((drafts) => drafts.map(([weight, zone], index) => memberOf(index, weight, zone))),
    rangeCount: fc.nat({ max: rangeBitsMax }).map((bits) => 2 ** bits),
    replicas: fc.integer({ min: 1, max: REPLICAS_MAX }),
    slack: fc.nat({ max: 2 }),
    changes: fc.array(changes, { minLength: 1, maxLength: changesMax }),
  });
}

interface State {
  readonly members: readonly Member[];
  readonly rangeCount: number;
  readonly replicas: number;
  readonly slack: number;
  readonly joined: number;
}

function replaceAt(members: readonly Member[], which: number, change: Partial<Member>): Member[] {
  return members.map((member, index) =>
    index === which % members.length ? { ...member, ...change } : member,
  );
}

function applyChange(state: State, change: Change, rangeCountMax: number): State {
  const { members, joined } = state;
  switch (change.kind) {
    case 'join':
      return {
        ...state,
        joined: joined + 1,
        members: [...members, memberOf(joined, change.weight, change.zone)],
      };
    case 'leave':
      return { ...state, members: members.filter((_, index) => index !== change.which % members.length) };
    case 'reweigh':
      return { ...state, members: replaceAt(members, change.which, { weight: change.weight }) };
    case 'rezone':
      return { ...state, members: replaceAt(members, change.which, { zone: `zone-${change.zone}` }) };
    case 'replace':
      return {
        ...state,
        joined: joined + 1,
        members: replaceAt(members, change.which, { id: `node-${joined}` }),
      };
    case 'replicas':
      return { ...state, replicas: change.replicas };
    case 'slack':
      return { ...state, slack: change.slack };
    case 'split':
      return { ...state, rangeCount: Math.min(rangeCountMax, state.rangeCount * 2) };
  }
}

/** Every layout of a history in turn; changes that leave too few members for the replicas are passed over. */
export function* playHistory(history: History, rangeCountMax: number): Generator<HistoryStep> {
  let state: State = { ...history, joined: history.members.length };
  let previous: Layout | null = null;
  for (const change of [null, ...history.changes]) {
    const next = change === null ? state : applyChange(state, change, rangeCountMax);
    const { members, rangeCount, replicas } = next;
    const least = smallestMaxPerZone(members, replicas);
    if (least === undefined) continue;
    const request: Request = {
      members,
      rangeCount,
      replicas,
      maxPerZone: Math.min(replicas, least + next.slack),
    };
    const epoch: number = previous === null ? 1 : previous.epoch + 1;
    const layout: Layout = assign(previous, members, { epoch, ...request });
    yield { previous, layout, request };
    state = next;
    previous = layout;
  }
}
