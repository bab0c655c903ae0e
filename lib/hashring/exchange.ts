import { findParentCycle, HUB_RANGE, type Step, untangle } from './cycles.ts';

/** What the exchange graph needs to know of a problem in which each range can pass a unit between members. */
export interface ExchangeModel {
  readonly memberCount: number;
  readonly rangeCount: number;
  /** Units of each member, kept up to date by `exchange`. */
  readonly counts: Int32Array;
  /** Calls `see` for every pair between which a range can pass a unit now, with its cost: -1, 0 or 1. */
  visit(range: number, see: (from: number, to: number, cost: number) => void): void;
  /** The cost of passing a unit from one member to another in this range, or null if that is impossible. */
  costOf(range: number, from: number, to: number): number | null;
  exchange(range: number, from: number, to: number): void;
  /** Decides between ranges in which an exchange costs the same: the lowest wins, then the lowest range. */
  rank(range: number, from: number, to: number): number;
}

const NONE = 2;

/**
 * The exchange graph: members are vertices, and an edge from a to b says that some range can take a unit from
 * a and give it to b. One more vertex, the hub, stands for the freedom of rounding: a step into it leaves a
 * member below its ceiling with one unit more, a step out of it leaves a member above its floor with one less.
 * This is the residual graph of a flow from ranges to members with the ranges' own vertices contracted, so the
 * cost is minimal exactly when no negative cycle is left.
 */
export class ExchangeGraph {
  readonly #model: ExchangeModel;
  readonly #floors: Int32Array;
  readonly #ceilings: Int32Array;
  /** For each cost (-1, 0, 1) and pair, the number of ranges that offer this exchange. */
  readonly #offers: readonly Int32Array[];
  readonly #hub: number;
  readonly #count: (from: number, to: number, cost: number) => void;
  #change = 1;

  constructor(model: ExchangeModel, floors: Int32Array, ceilings: Int32Array) {
    const { memberCount, rangeCount } = model;
    this.#model = model;
    this.#floors = floors;
    this.#ceilings = ceilings;
    this.#hub = memberCount;
    const offers = [-1, 0, 1].map(() => new Int32Array(memberCount * memberCount));
    this.#offers = offers;
    this.#count = (from, to, cost) => {
      offers[cost + 1]![from * memberCount + to]! += this.#change;
    };
    for (let range = 0; range < rangeCount; range++) model.visit(range, this.#count);
  }

  /** Cost of the cheapest edge between two vertices, or NONE. */
  #edge(from: number, to: number): number {
    if (from === this.#hub) return this.#model.counts[to]! > this.#floors[to]! ? 0 : NONE;
    if (to === this.#hub) return this.#model.counts[from]! < this.#ceilings[from]! ? 0 : NONE;
    const pair = from * this.#hub + to;
    if (this.#offers[0]![pair]! > 0) return -1;
    if (this.#offers[1]![pair]! > 0) return 0;
    return this.#offers[2]![pair]! > 0 ? 1 : NONE;
  }

  /**
   * Brings every count within its bounds by chains of exchanges, each as short as possible. The caller
   * guarantees that counts within the bounds exist; flow theory then guarantees each chain.
   */
  settle(): void {
    const { counts } = this.#model;
    const members = [...counts.keys()];
    for (;;) {
      const above = members.filter((member) => counts[member]! > this.#ceilings[member]!);
      const below = members.filter((member) => counts[member]! < this.#floors[member]!);
      if (above.length === 0 && below.length === 0) return;
      const canGive = members.filter((member) => counts[member]! > this.#floors[member]!);
      const canTake = members.filter((member) => counts[member]! < this.#ceilings[member]!);
      if (above.length > 0) this.#apply(this.#findChain(above, [...below, ...canTake]));
      else this.#apply(this.#findChain(canGive, below));
    }
  }

  /** Breadth-first search for a shortest chain; among the steps to a vertex the cheapest is taken. */
  #findChain(givers: readonly number[], takers: readonly number[]): Step[] {
    const parents = new Int32Array(this.#hub).fill(-1);
    const reached = new Uint8Array(this.#hub);
    for (const giver of givers) reached[giver] = 1;
    let frontier = [...givers];
    while (frontier.length > 0) {
      const next: number[] = [];
      const costs = new Map<number, number>();
      for (const from of frontier) {
        for (let to = 0; to < this.#hub; to++) {
          if (reached[to] === 1) continue;
          const cost = this.#edge(from, to);
          if (cost === NONE || cost >= (costs.get(to) ?? NONE)) continue;
          if (!costs.has(to)) next.push(to);
          costs.set(to, cost);
          parents[to] = from;
        }
      }
      const end = takers.find((taker) => costs.has(taker));
      if (end !== undefined) return this.#walkBack(end, parents);
      for (const member of next) reached[member] = 1;
      frontier = next;
    }
    throw new Error('no exchange chain: the counts asked for are impossible');
  }

  #walkBack(end: number, parents: Int32Array): Step[] {
    const steps: Step[] = [];
    for (let to = end; parents[to] !== -1; to = parents[to]!) steps.push(this.#chooseRange(parents[to]!, to));
    return steps.reverse();
  }

  /** Cancels negative cycles until none exists; then no assignment within the bounds is cheaper. */
  cancelNegativeCycles(): void {
    for (;;) {
      const cycle = this.#findNegativeCycle();
      if (cycle === null) return;
      this.#apply(untangle(cycle, (range, from, to) => this.#model.costOf(range, from, to)));
    }
  }

  /** Bellman-Ford from every vertex at once; a cycle among the parent pointers is a negative cycle. */
  #findNegativeCycle(): Step[] | null {
    const size = this.#hub + 1;
    const edges = this.#listEdges();
    const distances = new Int32Array(size);
    const parents = new Int32Array(size).fill(-1);
    for (;;) {
      let relaxed = false;
      for (let index = 0; index < edges.length; index += 3) {
        const from = edges[index]!;
        const to = edges[index + 1]!;
        const distance = distances[from]! + edges[index + 2]!;
        if (distance >= distances[to]!) continue;
        distances[to] = distance;
        parents[to] = from;
        relaxed = true;
      }
      if (!relaxed) return null;
      const cycle = findParentCycle(parents);
      if (cycle === null) continue;
      return cycle.map((to) => this.#chooseRange(parents[to]!, to));
    }
  }

  #listEdges(): Int32Array {
    const size = this.#hub + 1;
    const edges: number[] = [];
    for (let from = 0; from < size; from++) {
      for (let to = 0; to < size; to++) {
        const cost = from === to ? NONE : this.#edge(from, to);
        if (cost !== NONE) edges.push(from, to, cost);
      }
    }
    return Int32Array.from(edges);
  }

  /** The best range for the cheapest exchange between two vertices. */
  #chooseRange(from: number, to: number): Step {
    const cost = this.#edge(from, to);
    if (from === this.#hub || to === this.#hub) return { from, to, range: HUB_RANGE, cost };
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let range = 0; range < this.#model.rangeCount; range++) {
      if (this.#model.costOf(range, from, to) !== cost) continue;
      const rank = this.#model.rank(range, from, to);
      if (rank >= bestRank) continue;
      best = range;
      bestRank = rank;
    }
    return { from, to, range: best, cost };
  }

  #apply(steps: readonly Step[]): void {
    for (const { from, to, range } of steps) {
      if (range === HUB_RANGE) continue;
      this.#change = -1;
      this.#model.visit(range, this.#count);
      this.#model.exchange(range, from, to);
      this.#change = 1;
      this.#model.visit(range, this.#count);
    }
  }
}
