import { ExchangeGraph, type ExchangeModel } from './exchange.ts';
import { type Placement, VACANT } from './placement.ts';

/**
 * Chooses each range's primary among its owners so that a member with k slots is primary of floor(k / R) or
 * ceil(k / R) ranges, keeps as many old primaries as these bounds allow, and moves the primary to the front
 * of its range. The bounds can always be met: a 1/R share of each owner in each range is a fractional flow.
 */
export function choosePrimaries(placement: Placement): void {
  const { counts, memberCount, rangeCount, replicas, table } = placement;
  const floors = counts.map((count) => Math.floor(count / replicas));
  const ceilings = counts.map((count) => Math.ceil(count / replicas));
  const model = new PrimaryModel(placement);
  const open: number[] = [];
  for (let range = 0; range < rangeCount; range++) {
    const old = model.oldPrimary(range);
    if (placement.owns(range, old)) model.appoint(range, old);
    else open.push(range);
  }
  for (const range of open) {
    let best = VACANT;
    let bestScore = Number.POSITIVE_INFINITY;
    for (let slot = range * replicas; slot < (range + 1) * replicas; slot++) {
      const owner = table[slot]!;
      const score = model.counts[owner]! * replicas - counts[owner]!;
      if (score >= bestScore) continue;
      best = owner;
      bestScore = score;
    }
    model.appoint(range, best);
  }
  if (memberCount > 1) {
    const graph = new ExchangeGraph(model, floors, ceilings);
    graph.settle();
    graph.cancelNegativeCycles();
  }
  for (let range = 0; range < rangeCount; range++) {
    const slot = placement.slotOf(range, model.primaries[range]!);
    table[slot] = table[range * replicas]!;
    table[range * replicas] = model.primaries[range]!;
  }
}

/** Ranges pass their primacy between their owners; giving up an old primary costs, taking it back pays. */
class PrimaryModel implements ExchangeModel {
  readonly memberCount: number;
  readonly rangeCount: number;
  readonly counts: Int32Array;
  readonly primaries: Uint16Array;
  readonly #placement: Placement;

  constructor(placement: Placement) {
    this.memberCount = placement.memberCount;
    this.rangeCount = placement.rangeCount;
    this.counts = new Int32Array(placement.memberCount);
    this.primaries = new Uint16Array(placement.rangeCount).fill(VACANT);
    this.#placement = placement;
  }

  oldPrimary(range: number): number {
    const { replicas, table } = this.#placement.previous;
    return replicas === 0 ? VACANT : table[range * replicas]!;
  }

  appoint(range: number, member: number): void {
    this.primaries[range] = member;
    this.counts[member]!++;
  }

  visit(range: number, see: (from: number, to: number, cost: number) => void): void {
    const { replicas, table } = this.#placement;
    const from = this.primaries[range]!;
    for (let slot = range * replicas; slot < (range + 1) * replicas; slot++) {
      const to = table[slot]!;
      if (to !== from) see(from, to, this.#cost(range, from, to));
    }
  }

  costOf(range: number, from: number, to: number): number | null {
    if (this.primaries[range] !== from || from === to || !this.#placement.owns(range, to)) return null;
    return this.#cost(range, from, to);
  }

  #cost(range: number, from: number, to: number): number {
    const old = this.oldPrimary(range);
    return Number(from === old) - Number(to === old);
  }

  exchange(range: number, from: number, to: number): void {
    this.counts[from]!--;
    this.counts[to]!++;
    this.primaries[range] = to;
  }

  rank(): number {
    return 0;
  }
}
