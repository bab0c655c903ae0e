import { describe, expect, test } from 'vitest';
import { findParentCycle, HUB_RANGE, type Step, untangle } from './cycles.ts';

/** Costs of the exchanges that range 7 offers, keyed "from to"; any other exchange is impossible. */
function offers(costs: Record<string, number>): (range: number, from: number, to: number) => number | null {
  return (range, from, to) => (range === 7 ? (costs[`${from} ${to}`] ?? null) : null);
}

/** 0 to 1 and 2 to 3 both through range 7, joined to a cycle by two steps through other ranges. */
function tangled(costs: readonly [number, number, number, number]): Step[] {
  return [
    { from: 0, to: 1, range: 7, cost: costs[0] },
    { from: 1, to: 2, range: 4, cost: costs[1] },
    { from: 2, to: 3, range: 7, cost: costs[2] },
    { from: 3, to: 0, range: 5, cost: costs[3] },
  ];
}

describe('a cycle with two steps through one range', () => {
  test('is cut down to the part outside them when that is negative', () => {
    const cycle = untangle(tangled([0, 1, 0, -1]), offers({ '0 3': -1, '2 1': 1 }));
    expect(cycle).toEqual([
      { from: 0, to: 3, range: 7, cost: -1 },
      { from: 3, to: 0, range: 5, cost: -1 },
    ]);
  });

  test('is cut down to the part between them otherwise', () => {
    const cycle = untangle(tangled([0, -1, 0, 0]), offers({ '0 3': 0, '2 1': 0 }));
    expect(cycle).toEqual([
      { from: 1, to: 2, range: 4, cost: -1 },
      { from: 2, to: 1, range: 7, cost: 0 },
    ]);
  });

  test('stays whole when they pass through different zones, so that their ends cannot be swapped', () => {
    const cycle = tangled([0, -1, 0, 0]);
    expect(untangle(cycle, offers({ '0 1': 0, '2 3': 0 }))).toBe(cycle);
  });

  test('that only the hub joins stays whole', () => {
    const cycle = tangled([-1, 0, 0, 0]).map((step) => ({ ...step, range: HUB_RANGE }));
    expect(untangle(cycle, () => 0)).toBe(cycle);
  });
});

describe('the search for a cycle of parents', () => {
  test('finds it in the direction of the edges, also behind a tail', () => {
    // The edges 3 to 1, 1 to 2 and 2 to 3; and 1 to 0, from which the search starts.
    expect(findParentCycle(Int32Array.of(1, 3, 1, 2, -1))).toEqual([2, 3, 1]);
  });

  test('finds nothing in a tree', () => {
    expect(findParentCycle(Int32Array.of(-1, 0, 0, 1))).toBeNull();
  });
});
