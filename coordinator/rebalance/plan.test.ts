import { expect, test } from 'vitest';
import { assign, type Layout, movementBound, ownersOfRange } from '../../lib/hashring/index.ts';
import type { RegisteredNode } from '../cluster/node-repository.ts';
import { PHASE, type Phase, type RingState } from '../cluster/ring-state.ts';
import {
  applyChanges,
  chooseTarget,
  describePlan,
  listCopies,
  membersOf,
  transitionTo,
  type WantedNode,
} from './plan.ts';

const MIB = 1024 * 1024;

function nodeOf(id: string, options: Partial<RegisteredNode> = {}): RegisteredNode {
  const times = { registeredAt: new Date(0), lastSeenAt: new Date(0) };
  return {
    id,
    url: `http://${id}`,
    zone: 'z',
    weight: 1,
    state: 'active',
    capacityBytes: 1e9,
    dataId: null,
    quarantinedCount: 0,
    lastQuarantinedAt: null,
    ...times,
    ...options,
  };
}

/** A layout of two copies, its owners given range by range: `['ab', 'bc']`. */
function layoutOf(epoch: number, ranges: readonly string[], ids = 'abcd'): Layout {
  const members = [...ids].map((id) => ({ id, weight: 1, zone: 'z' }));
  const table = Uint16Array.from(ranges.join(''), (id) => ids.indexOf(id));
  return { epoch, rangeCount: ranges.length, replicas: 2, members, table };
}

function stateOf(base: Layout, target: Layout | null = null, phases: readonly Phase[] = []): RingState {
  if (target === null) return { step: 7, base, target, phases: null, rebalanceId: null };
  return { step: 7, base, target, phases: Uint8Array.from(phases), rebalanceId: 'r' };
}

function ownersOf(layout: Layout): string[] {
  return Array.from({ length: layout.rangeCount }, (_, range) =>
    ownersOfRange(layout, range)
      .map(({ id }) => id)
      .join(''),
  );
}

const codeOf = (action: () => unknown): unknown => {
  try {
    return action();
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test('changes say what nodes become; what they leave out stays', () => {
  const nodes = [nodeOf('a'), nodeOf('b', { weight: 3 }), nodeOf('c', { state: 'joined' })];
  const wanted = applyChanges(nodes, [
    { nodeId: 'a', state: 'draining' },
    { nodeId: 'b', zone: 'y' },
    { nodeId: 'c', state: 'active', weight: 5 },
  ]);
  expect(wanted.map(({ id, state, weight, zone }) => ({ id, state, weight, zone }))).toEqual([
    { id: 'a', state: 'draining', weight: 1, zone: 'z' },
    { id: 'b', state: 'active', weight: 3, zone: 'y' },
    { id: 'c', state: 'active', weight: 5, zone: 'z' },
  ]);
  expect(membersOf(wanted).map(({ id }) => id)).toEqual(['b', 'c']);
});

test.each([
  ['an unknown node', [{ nodeId: 'x', weight: 2 }], 'node_not_found'],
  ['a removed node', [{ nodeId: 'gone', state: 'active' }], 'node_not_found'],
  [
    'the same node twice',
    [
      { nodeId: 'a', weight: 2 },
      { nodeId: 'a', weight: 3 },
    ],
    'conflict',
  ],
  ['a drain of a node that owns nothing', [{ nodeId: 'new', state: 'draining' }], 'conflict'],
] as const)('a change of %s is refused', (_, changes, code) => {
  const nodes = [nodeOf('a'), nodeOf('gone', { state: 'removed' }), nodeOf('new', { state: 'joined' })];
  expect(codeOf(() => applyChanges(nodes, changes))).toBe(code);
});

test('a target needs a node for each copy', () => {
  const state = stateOf(layoutOf(1, ['ab', 'ba']));
  const members = ['a', 'b'].map((id) => ({ id, weight: 1, zone: 'z' }));
  expect(ownersOf(chooseTarget(state, members, 2)).map((ids) => [...ids].sort().join(''))).toEqual([
    'ab',
    'ab',
  ]);
  expect(codeOf(() => chooseTarget(state, members.slice(0, 1), 2))).toBe('too_few_nodes');
  // A node of weight 0 holds nothing.
  const idle = [members[0]!, { ...members[1]!, weight: 0 }];
  expect(codeOf(() => chooseTarget(state, idle, 2))).toBe('too_few_nodes');
  expect(() => chooseTarget(state, idle, 2)).toThrow('Add 1 more');
});

test('what no layout can be made of is refused', () => {
  const state = stateOf(layoutOf(1, ['ab', 'ba']));
  const members = [
    { id: 'a', weight: 1, zone: 'z' },
    { id: 'b', weight: -1, zone: 'z' },
    { id: 'c', weight: 1, zone: 'z' },
  ];
  expect(codeOf(() => chooseTarget(state, [...members, { ...members[0]! }], 2))).toBe('zones_impossible');
});

test('a target keeps what it can of where the ring is going', () => {
  const members = (ids: string) => [...ids].map((id) => ({ id, weight: 1, zone: id }));
  const base = assign(null, members('abcd'), { epoch: 1, replicas: 3, rangeCount: 64 });
  const target = assign(base, members('abcde'), { epoch: 2, replicas: 3 });
  const state = stateOf(base, target, new Array(64).fill(PHASE.before));
  expect(chooseTarget(state, members('abcde'), 3).table).toEqual(target.table);
});

test('from rest, ranges that keep their owners are done and the others wait', () => {
  const base = layoutOf(1, ['ab', 'bc', 'cd', 'da']);
  // The order of owners is no reason to copy anything.
  const target = layoutOf(2, ['ba', 'bd', 'cd', 'ab']);
  const transition = transitionTo(stateOf(base), target, 9);
  expect(transition.base).toBe(base);
  expect([...transition.phases]).toEqual([PHASE.after, PHASE.before, PHASE.after, PHASE.before]);
});

test('a redirected ring starts from the owners that reads ask, and goes on with copies to the same owners', () => {
  const { before, dual, readNew, newOnly, after } = PHASE;
  const base = layoutOf(1, ['ab', 'ab', 'ab', 'ab', 'ab', 'ab', 'ab', 'ab']);
  const target = layoutOf(2, ['cd', 'cd', 'cd', 'cd', 'cd', 'cd', 'cd', 'ab']);
  const state = stateOf(base, target, [before, dual, dual, dual, readNew, newOnly, after, after]);
  const next = layoutOf(4, ['cd', 'dc', 'bc', 'ab', 'ab', 'cd', 'ab', 'bc']);
  const transition = transitionTo(state, next, 3);
  expect(ownersOf(transition.base)).toEqual(['ab', 'ab', 'ab', 'ab', 'cd', 'cd', 'cd', 'ab']);
  expect(transition.base.epoch).toBe(3);
  expect([...transition.phases]).toEqual([
    before, // it had not begun
    dual, // it goes on to the same owners
    before, // to others: the writes to the earlier target may have missed these
    after, // back before reads had left
    before, // back after reads had left: the old owners have missed writes
    after, // there already
    before,
    before,
  ]);
});

test('going back makes what has moved move back, and lets the rest stay', () => {
  const { before, dual, readNew, newOnly, after } = PHASE;
  const base = layoutOf(1, ['ab', 'ab', 'ab', 'ab', 'ab', 'ab', 'ab', 'ab']);
  const target = layoutOf(2, ['cd', 'cd', 'cd', 'cd', 'cd', 'ab', 'ab', 'ab']);
  const state = stateOf(base, target, [before, dual, readNew, newOnly, after, after, after, after]);
  const { phases } = transitionTo(state, base, 3);
  expect([...phases]).toEqual([after, after, before, before, before, after, after, after]);
});

test('a ring that was redirected twice has not forgotten where its data is', () => {
  const { before, dual, readNew } = PHASE;
  const first = stateOf(layoutOf(1, ['ab', 'ab']), layoutOf(2, ['bc', 'bc']), [dual, readNew]);
  const once = transitionTo(first, layoutOf(4, ['bd', 'bd']), 3);
  expect(ownersOf(once.base)).toEqual(['ab', 'bc']);
  const second = stateOf(once.base, once.target, [dual, before]);
  const twice = transitionTo(second, layoutOf(6, ['bc', 'bc']), 5);
  expect(ownersOf(twice.base)).toEqual(['ab', 'bc']);
  expect([...twice.phases]).toEqual([before, PHASE.after]);
});

const usage = {
  chunks: Float64Array.from([1, 2, 0, 4]),
  bytes: Float64Array.from([10 * MIB, 20 * MIB, 0, 40 * MIB]),
};

test('every node that gains a range has to copy it', () => {
  const transition = transitionTo(
    stateOf(layoutOf(1, ['ab', 'bc', 'cd', 'da'])),
    layoutOf(2, ['ac', 'bc', 'ab', 'bc']),
    9,
  );
  const copies = listCopies(transition, usage).sort((one, other) =>
    one.range === other.range ? (one.nodeId < other.nodeId ? -1 : 1) : one.range - other.range,
  );
  expect(copies).toEqual([
    { range: 0, nodeId: 'c', chunks: 1, bytes: 10 * MIB },
    { range: 2, nodeId: 'a', chunks: 0, bytes: 0 },
    { range: 2, nodeId: 'b', chunks: 0, bytes: 0 },
    { range: 3, nodeId: 'b', chunks: 4, bytes: 40 * MIB },
    { range: 3, nodeId: 'c', chunks: 4, bytes: 40 * MIB },
  ]);
});

test('a plan says in numbers what is to move', () => {
  const before = [nodeOf('a'), nodeOf('b'), nodeOf('c'), nodeOf('d'), nodeOf('idle', { state: 'joined' })];
  const after: WantedNode[] = before.map((node) => (node.id === 'd' ? { ...node, state: 'draining' } : node));
  const state = stateOf(layoutOf(1, ['ab', 'bc', 'cd', 'da']));
  const transition = transitionTo(state, layoutOf(2, ['ab', 'bc', 'ca', 'ba'], 'abc'), 9);
  const plan = describePlan(state, transition, usage, { before, after }, 2 * MIB);
  expect(plan).toMatchObject({
    fromEpoch: 1,
    ranges: 2,
    totalRanges: 4,
    chunks: 4,
    bytes: 40 * MIB,
    movedRanges: 2,
    minimumRanges: 2,
    minimumBytes: 40 * MIB,
    estimatedSeconds: 20,
  });
  // 70 MiB in two copies are stored.
  expect(plan.share).toBeCloseTo(40 / 140);
  const standing = { weight: 1, zone: 'z', state: 'active' };
  expect(plan.nodes).toEqual([
    {
      nodeId: 'a',
      before: { ...standing, ranges: 2 },
      after: { ...standing, ranges: 3 },
      gainedChunks: 0,
      gainedBytes: 0,
      lostBytes: 0,
    },
    {
      nodeId: 'b',
      before: { ...standing, ranges: 2 },
      after: { ...standing, ranges: 3 },
      gainedChunks: 4,
      gainedBytes: 40 * MIB,
      lostBytes: 0,
    },
    {
      nodeId: 'c',
      before: { ...standing, ranges: 2 },
      after: { ...standing, ranges: 2 },
      gainedChunks: 0,
      gainedBytes: 0,
      lostBytes: 0,
    },
    {
      nodeId: 'd',
      before: { ...standing, ranges: 2 },
      after: { ...standing, state: 'draining', ranges: 0 },
      gainedChunks: 0,
      gainedBytes: 0,
      lostBytes: 40 * MIB,
    },
  ]);
});

test('a plan without data and without a past promises nothing', () => {
  const nodes = [nodeOf('a'), nodeOf('b'), nodeOf('c'), nodeOf('d')];
  const state = stateOf(layoutOf(1, ['ab', 'ab', 'ab', 'ab']));
  const transition = transitionTo(state, layoutOf(2, ['ab', 'ab', 'ab', 'ac']), 9);
  const empty = { chunks: new Float64Array(4), bytes: new Float64Array(4) };
  const plan = describePlan(state, transition, empty, { before: nodes, after: nodes }, null);
  expect(plan).toMatchObject({ bytes: 0, share: 0, minimumBytes: 0, estimatedSeconds: null, ranges: 1 });
});

test('a plan never claims to move less than any layout must, and says when it moves more', () => {
  const ids = [...'abcde'];
  const base = assign(
    null,
    ids.slice(0, 4).map((id) => ({ id, weight: 1, zone: id })),
    { epoch: 1, replicas: 3, rangeCount: 64 },
  );
  const nodes = ids.map((id) => nodeOf(id, { zone: id, state: id === 'e' ? 'joined' : 'active' }));
  const wanted = applyChanges(nodes, [{ nodeId: 'e', state: 'active' }]);
  const state = stateOf(base);
  const transition = transitionTo(state, chooseTarget(state, membersOf(wanted), 3), 2);
  const even = { chunks: new Float64Array(64).fill(1), bytes: new Float64Array(64).fill(100) };
  const plan = describePlan(state, transition, even, { before: nodes, after: wanted }, null);
  const bound = movementBound(base, membersOf(wanted), { epoch: 3, replicas: 3, rangeCount: 64 });
  // A fifth of 192 slots, rounded.
  expect(bound).toBe(38);
  expect(plan.minimumRanges).toBe(38);
  expect(plan.movedRanges).toBeGreaterThanOrEqual(38);
  expect(plan.minimumBytes).toBe(Math.round((plan.bytes * 38) / plan.movedRanges));
  expect(plan.nodes.find(({ nodeId }) => nodeId === 'e')!.after.ranges).toBe(plan.movedRanges);
});
