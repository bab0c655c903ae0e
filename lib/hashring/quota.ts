import type { Member } from './members.ts';
import type { Zones } from './zones.ts';

/** An exact share of the slots: `numerator / denominator`. Fractions, because floats would round at will. */
export interface Quota {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** How many slots each member shall hold, and the bounds within which the quota lets that number move. */
export interface Targets {
  readonly floors: Int32Array;
  readonly ceilings: Int32Array;
  readonly counts: Int32Array;
}

const ZERO: Quota = { numerator: 0n, denominator: 1n };

function whole(slots: number): Quota {
  return { numerator: BigInt(slots), denominator: 1n };
}

interface Level {
  readonly slots: bigint;
  readonly weight: bigint;
}

/** One water-filling: members rise with their weight until each is full or `slots` are given out. */
class Filling {
  readonly #members: readonly Member[];
  readonly #full: number;
  readonly quotas: Quota[];

  constructor(members: readonly Member[], full: number) {
    this.#members = members;
    this.#full = full;
    this.quotas = members.map(() => ZERO);
  }

  /** Sum of the weights of some members. */
  weigh(indices: readonly number[]): bigint {
    return indices.reduce((sum, index) => sum + BigInt(this.#members[index]!.weight), 0n);
  }

  /** Gives the full number to every member whose share at this level exceeds it; returns the others. */
  saturate(indices: readonly number[], level: Level): number[] {
    return indices.filter((index) => {
      const isFull = level.slots * BigInt(this.#members[index]!.weight) >= BigInt(this.#full) * level.weight;
      if (isFull) this.quotas[index] = whole(this.#full);
      return !isFull;
    });
  }

  /** Gives each of the members its share at this level. */
  share(indices: readonly number[], level: Level): void {
    for (const index of indices) {
      this.quotas[index] = {
        numerator: level.slots * BigInt(this.#members[index]!.weight),
        denominator: level.weight,
      };
    }
  }

  /** Fills one group by itself with a fixed number of slots. */
  fillGroup(indices: readonly number[], slots: number): void {
    let open = indices;
    for (;;) {
      const given = (indices.length - open.length) * this.#full;
      const level = { slots: BigInt(slots - given), weight: this.weigh(open) };
      const rest = this.saturate(open, level);
      if (rest.length === open.length) {
        this.share(open, level);
        return;
      }
      open = rest;
    }
  }
}

/**
 * Exact quotas by water-filling: the level L with
 * `sum over zones of min(rangeCount * min(maxPerZone, members), sum of min(rangeCount, L * weight))` equal to
 * `rangeCount * replicas`. Filling up members and zones only raises L for the rest, so whatever is full at a
 * provisional level stays full, and the loop ends after at most one round for each member and zone.
 */
export function computeQuotas(
  members: readonly Member[],
  zones: Zones,
  rangeCount: number,
  replicas: number,
): Quota[] {
  const filling = new Filling(members, rangeCount);
  let remaining = rangeCount * replicas;
  let openZones = zones.active.map((indices) => ({
    indices,
    open: indices,
    capacity: rangeCount * Math.min(zones.maxPerZone, indices.length),
  }));
  for (;;) {
    const full = openZones.reduce((sum, zone) => sum + zone.indices.length - zone.open.length, 0);
    const weight = openZones.reduce((sum, zone) => sum + filling.weigh(zone.open), 0n);
    const level = { slots: BigInt(remaining - full * rangeCount), weight };
    let settled = true;
    openZones = openZones.filter((zone) => {
      const open = filling.saturate(zone.open, level);
      if (open.length < zone.open.length) settled = false;
      zone.open = open;
      const given = BigInt((zone.indices.length - open.length) * rangeCount);
      const isFull = given * weight + level.slots * filling.weigh(open) >= BigInt(zone.capacity) * weight;
      if (!isFull) return true;
      filling.fillGroup(zone.indices, zone.capacity);
      remaining -= zone.capacity;
      settled = false;
      return false;
    });
    if (settled) {
      for (const zone of openZones) filling.share(zone.open, level);
      return filling.quotas;
    }
  }
}

/** -1, 0 or 1 as the fractional part of `a` is greater than, equal to or less than that of `b`. */
function compareRemainders(a: Quota, b: Quota): number {
  const left = (a.numerator % a.denominator) * b.denominator;
  const right = (b.numerator % b.denominator) * a.denominator;
  if (left === right) return 0;
  return left > right ? -1 : 1;
}

/**
 * Rounds every quota to its floor or ceiling so that the slots add up and no zone overflows. The extra slots
 * go first to members that already hold more than their floor (there they need not move), then by largest
 * remainder, then by id. Being greedy on a laminar family, this also minimises the slots that have to move.
 */
export function roundQuotas(
  quotas: readonly Quota[],
  held: Int32Array,
  zones: Zones,
  rangeCount: number,
  replicas: number,
): Targets {
  const floors = Int32Array.from(quotas, ({ numerator, denominator }) => Number(numerator / denominator));
  const ceilings = Int32Array.from(quotas, ({ numerator, denominator }, index) =>
    numerator % denominator === 0n ? floors[index]! : floors[index]! + 1,
  );
  const counts = floors.slice();
  const zoneRoom = zones.active.map((indices) =>
    indices.reduce(
      (room, index) => room - floors[index]!,
      rangeCount * Math.min(zones.maxPerZone, indices.length),
    ),
  );
  let extras = counts.reduce((rest, count) => rest - count, rangeCount * replicas);
  const candidates = [...quotas.keys()].filter((index) => ceilings[index]! > floors[index]!);
  candidates.sort((a, b) => {
    const aHolds = held[a]! > floors[a]!;
    const bHolds = held[b]! > floors[b]!;
    if (aHolds !== bHolds) return aHolds ? -1 : 1;
    return compareRemainders(quotas[a]!, quotas[b]!) || a - b;
  });
  for (const index of candidates) {
    const zone = zones.ofMember[index]!;
    if (extras === 0 || zoneRoom[zone] === 0) continue;
    counts[index]!++;
    zoneRoom[zone]!--;
    extras--;
  }
  return { floors, ceilings, counts };
}

/** Slots that have to move at least: what the members hold too little of their target. */
export function countMissing(targets: Targets, held: Int32Array): number {
  return targets.counts.reduce((sum, count, index) => sum + Math.max(0, count - held[index]!), 0);
}
