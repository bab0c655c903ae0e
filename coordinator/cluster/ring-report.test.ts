import { expect, test } from 'vitest';
import { assign } from '../../lib/hashring/index.ts';
import { reportRing } from './ring-report.ts';
import { PHASE } from './ring-state.ts';

const RANGES = 64;
const member = (id: string, weight = 1) => ({ id, zone: id, weight });
const base = assign(
  null,
  ['a', 'b', 'c', 'd'].map((id) => member(id)),
  {
    epoch: 1,
    replicas: 3,
    rangeCount: RANGES,
  },
);
const stable = { step: 1, base, target: null, phases: null, rebalanceId: null };
const usage = {
  chunks: new Float64Array(RANGES).fill(2),
  bytes: new Float64Array(RANGES).fill(1000),
};

test('a stable ring: every range, its bytes on each of its owners, balanced', () => {
  const report = reportRing(stable, usage, [], { withArcs: true });
  expect(report).toMatchObject({ epoch: 1, step: 1, rebalanceId: null, targetEpoch: null, phases: null });
  for (const node of report.nodes) {
    expect(node).toMatchObject({
      ranges: 48,
      primaryRanges: 16,
      targetRanges: null,
      chunks: 96,
      bytes: 48_000,
    });
  }
  expect(report.balance).toEqual({ rangesMaxOverShare: 1, bytesMaxOverShare: 1 });
  const arcs = report.arcs!;
  expect(arcs[0]!.first).toBe('00000000');
  expect(arcs.at(-1)!.last).toBe('ffffffff');
  arcs.forEach((arc, index) => {
    expect(arc.firstRange).toBe(index === 0 ? 0 : arcs[index - 1]!.lastRange + 1);
    expect(arc).toMatchObject({ target: null, phase: null });
  });
});

test('on the way: where each range is going, and how far it is', () => {
  const target = assign(base, [...base.members, member('e')], { epoch: 2, replicas: 3 });
  const phases = new Uint8Array(RANGES).fill(PHASE.dual);
  phases[0] = PHASE.after;
  const report = reportRing({ step: 5, base, target, phases, rebalanceId: 'r' }, usage, [], {
    withArcs: true,
  });
  expect(report).toMatchObject({
    step: 5,
    rebalanceId: 'r',
    targetEpoch: 2,
    phases: { before: 0, dual: RANGES - 1, readNew: 0, newOnly: 0, after: 1 },
  });
  expect(report.nodes.find(({ nodeId }) => nodeId === 'e')).toMatchObject({ ranges: 0, bytes: 0 });
  const coming = report.nodes.reduce((sum, { targetRanges }) => sum + targetRanges!, 0);
  expect(coming).toBe(RANGES * 3);
  expect(report.arcs!.some(({ target: next }) => next?.includes('e'))).toBe(true);
  expect(report.arcs![0]!.phase).toBe('after');
});

test('without arcs and without data nothing is made up', () => {
  const nothing = { chunks: new Float64Array(RANGES), bytes: new Float64Array(RANGES) };
  const report = reportRing(stable, nothing, [], { withArcs: false });
  expect(report.arcs).toBeUndefined();
  expect(report.balance).toEqual({ rangesMaxOverShare: 1, bytesMaxOverShare: null });
});
