import { expect, test } from 'vitest';
import { assign, type Layout } from '../../lib/hashring/index.ts';
import { isInvolved, PHASE, type Phase, type RingState, rolesOf } from './ring-state.ts';
import { RingView } from './ring-view.ts';

const member = (id: string) => ({ id, zone: id, weight: 1 });
const base = assign(null, ['a', 'b', 'c', 'd'].map(member), { epoch: 1, replicas: 3, rangeCount: 16 });
const target = assign(base, ['b', 'c', 'd', 'e', 'f'].map(member), { epoch: 2, replicas: 3 });
const ownersIn = (layout: Layout, range: number) =>
  [0, 1, 2].map((slot) => layout.members[layout.table[range * 3 + slot]!]!.id);
const moving = (phase: Phase): RingState => ({
  step: 2,
  base,
  target,
  phases: new Uint8Array(16).fill(phase),
  rebalanceId: 'r',
});
const ranges = Array.from({ length: 16 }, (_, range) => range);
const changed = ranges.filter((range) => ownersIn(base, range).join() !== ownersIn(target, range).join());

test('a stable ring has one set of owners', () => {
  const state = { step: 1, base, target: null, phases: null, rebalanceId: null };
  for (const range of ranges) {
    const owners = ownersIn(base, range);
    expect(rolesOf(state, range)).toEqual({ writeSets: [owners], owners, readFirst: owners });
  }
});

test.each([
  ['before', [base], base],
  ['dual', [base, target], base],
  ['readNew', [base, target], target],
  ['newOnly', [target], target],
  ['after', [target], target],
] as const)('in phase %s writes need their sets, and reads begin where all is', (name, sets, readers) => {
  const state = moving(PHASE[name]);
  for (const range of ranges) {
    const roles = rolesOf(state, range);
    expect(roles.writeSets).toEqual(sets.map((layout) => ownersIn(layout, range)));
    expect(roles.readFirst).toEqual(ownersIn(readers, range));
    expect(new Set(roles.owners)).toEqual(new Set(sets.flatMap((layout) => ownersIn(layout, range))));
    expect(roles.owners).toHaveLength(new Set(roles.owners).size);
  }
});

test('an old owner is involved until the range has been dropped', () => {
  for (const range of changed) {
    const leaving = ownersIn(base, range).filter((id) => !ownersIn(target, range).includes(id));
    const coming = ownersIn(target, range).filter((id) => !ownersIn(base, range).includes(id));
    for (const phase of [PHASE.before, PHASE.dual, PHASE.readNew, PHASE.newOnly]) {
      for (const id of leaving) expect(isInvolved(moving(phase), range, id)).toBe(true);
    }
    for (const id of leaving) expect(isInvolved(moving(PHASE.after), range, id)).toBe(false);
    for (const id of coming) {
      expect(isInvolved(moving(PHASE.before), range, id)).toBe(false);
      expect(isInvolved(moving(PHASE.dual), range, id)).toBe(true);
    }
  }
});

test('every registered node is asked in the end, whatever the phase', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'joined'].map((id) => ({
    id,
    url: `http://${id}:1`,
    zone: id,
  }));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  for (const phase of Object.values(PHASE)) {
    const view = new RingView(moving(phase), byId, nodes);
    for (const range of ranges) {
      const { owners, others } = view.readSourcesOf(range);
      const asked = [...owners, ...others].map(({ id }) => id);
      expect(asked.toSorted()).toEqual(nodes.map(({ id }) => id));
      const writes = view.writeTargetsOf(range);
      const taking = [...writes.owners, ...writes.fallbacks].map(({ id }) => id);
      expect(new Set(taking).size).toBe(taking.length);
      // Handoffs go to members of the layout to come: not to nodes that leave, nor to those that own nothing.
      for (const { id } of writes.fallbacks) expect(['a', 'joined']).not.toContain(id);
    }
  }
});
