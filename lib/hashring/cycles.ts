/** One edge of a chain or cycle: a unit that passes from one member to another. */
export interface Step {
  readonly from: number;
  readonly to: number;
  /** The range that passes the unit, or `HUB_RANGE` for a step through the hub. */
  readonly range: number;
  readonly cost: number;
}

export const HUB_RANGE = -1;

function sumCosts(steps: readonly Step[]): number {
  return steps.reduce((sum, { cost }) => sum + cost, 0);
}

/**
 * Two steps of a negative cycle may use the same range and spoil each other: both take the last place in a
 * zone, say. Such a cycle is two smaller ones joined in that range, with the same cost together, so one of
 * them is negative by itself; that one is returned. Steps of one range that cannot swap their ends pass
 * through different zones and do not disturb each other.
 */
export function untangle(
  cycle: readonly Step[],
  costOf: (range: number, from: number, to: number) => number | null,
): readonly Step[] {
  for (const [i, first] of cycle.entries()) {
    for (let j = i + 1; j < cycle.length; j++) {
      const second = cycle[j]!;
      const { range } = first;
      if (range === HUB_RANGE || range !== second.range) continue;
      const outerCost = costOf(range, first.from, second.to);
      const innerCost = costOf(range, second.from, first.to);
      if (outerCost === null || innerCost === null) continue;
      const outerStep = { from: first.from, to: second.to, range, cost: outerCost };
      const innerStep = { from: second.from, to: first.to, range, cost: innerCost };
      const outer = [...cycle.slice(0, i), outerStep, ...cycle.slice(j + 1)];
      const inner = [...cycle.slice(i + 1, j), innerStep];
      return untangle(sumCosts(outer) < 0 ? outer : inner, costOf);
    }
  }
  return cycle;
}

/** The vertices of a cycle in a graph where each vertex has at most one parent, in the edges' direction. */
export function findParentCycle(parents: Int32Array): number[] | null {
  const seen = new Int32Array(parents.length).fill(-1);
  for (let start = 0; start < parents.length; start++) {
    let vertex = start;
    while (vertex !== -1 && seen[vertex] === -1) {
      seen[vertex] = start;
      vertex = parents[vertex]!;
    }
    if (vertex === -1 || seen[vertex] !== start) continue;
    const cycle = [vertex];
    for (let other = parents[vertex]!; other !== vertex; other = parents[other]!) cycle.push(other);
    return cycle.reverse();
  }
  return null;
}
