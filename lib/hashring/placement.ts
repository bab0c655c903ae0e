import type { Zones } from './zones.ts';

/** A slot without an owner, and a previous owner that is no longer a member. */
export const VACANT = 0xffff;

/** What a placement starts from: the previous owners, as indices into the new member list. */
export interface PreviousSlots {
  readonly replicas: number;
  readonly table: Uint16Array;
}

/**
 * The mutable table that `assign` works on, with the counts that every step needs kept up to date: slots of
 * each member, and how many ranges each pair of members shares.
 */
export class Placement {
  readonly memberCount: number;
  readonly rangeCount: number;
  readonly replicas: number;
  readonly table: Uint16Array;
  readonly counts: Int32Array;
  readonly previous: PreviousSlots;
  readonly #zones: Zones;
  readonly #shared: Int32Array;
  /** One over the slots a member shall hold: what a shared range weighs for it. */
  readonly #inverse: Float64Array;

  constructor(
    zones: Zones,
    previous: PreviousSlots,
    targets: Int32Array,
    rangeCount: number,
    replicas: number,
  ) {
    this.memberCount = targets.length;
    this.rangeCount = rangeCount;
    this.replicas = replicas;
    this.previous = previous;
    this.table = new Uint16Array(rangeCount * replicas).fill(VACANT);
    this.counts = new Int32Array(this.memberCount);
    this.#zones = zones;
    this.#shared = new Int32Array(this.memberCount * this.memberCount);
    this.#inverse = Float64Array.from(targets, (target) => 1 / Math.max(1, target));
  }

  owns(range: number, member: number): boolean {
    const end = (range + 1) * this.replicas;
    for (let slot = range * this.replicas; slot < end; slot++) if (this.table[slot] === member) return true;
    return false;
  }

  owned(range: number, member: number): boolean {
    const { replicas, table } = this.previous;
    const end = (range + 1) * replicas;
    for (let slot = range * replicas; slot < end; slot++) if (table[slot] === member) return true;
    return false;
  }

  slotOf(range: number, member: number): number {
    return this.table.indexOf(member, range * this.replicas);
  }

  /** Replicas of a range in the zone of a member. */
  zoneLoad(range: number, member: number): number {
    const { ofMember } = this.#zones;
    const zone = ofMember[member];
    const end = (range + 1) * this.replicas;
    let load = 0;
    for (let slot = range * this.replicas; slot < end; slot++) {
      const owner = this.table[slot]!;
      if (owner !== VACANT && ofMember[owner] === zone) load++;
    }
    return load;
  }

  /** Whether a member may take a vacant slot of a range. */
  mayAdd(range: number, member: number): boolean {
    return !this.owns(range, member) && this.zoneLoad(range, member) < this.#zones.maxPerZone;
  }

  /** Whether `to` may take the place of the owner `from`. */
  mayReplace(range: number, from: number, to: number): boolean {
    if (this.owns(range, to)) return false;
    const { ofMember, maxPerZone } = this.#zones;
    return ofMember[from] === ofMember[to] || this.zoneLoad(range, to) < maxPerZone;
  }

  /** Puts a member, or nobody, into a slot. */
  set(slot: number, member: number): void {
    const old = this.table[slot]!;
    const range = Math.floor(slot / this.replicas);
    const first = range * this.replicas;
    for (let other = first; other < first + this.replicas; other++) {
      const owner = this.table[other]!;
      if (other === slot || owner === VACANT) continue;
      if (old !== VACANT) this.#share(old, owner, -1);
      if (member !== VACANT) this.#share(member, owner, 1);
    }
    if (old !== VACANT) this.counts[old]!--;
    if (member !== VACANT) this.counts[member]!++;
    this.table[slot] = member;
  }

  #share(a: number, b: number, change: number): void {
    this.#shared[a * this.memberCount + b]! += change;
    this.#shared[b * this.memberCount + a]! += change;
  }

  /** How many ranges two members share. */
  shared(a: number, b: number): number {
    return this.#shared[a * this.memberCount + b]!;
  }

  /**
   * How much a member already shares with the owners of a range, leaving one slot out; relative to what the
   * members hold in all, so that a large member is not taken for a crowded one.
   */
  crowding(range: number, member: number, leftOut: number): number {
    const first = range * this.replicas;
    const row = member * this.memberCount;
    let sum = 0;
    for (let slot = first; slot < first + this.replicas; slot++) {
      const owner = this.table[slot]!;
      if (slot !== leftOut && owner !== VACANT) sum += this.#shared[row + owner]! * this.#inverse[owner]!;
    }
    return sum * this.#inverse[member]!;
  }

  /** Slots whose member did not own the range before. */
  countMoved(): number {
    let moved = 0;
    for (let range = 0; range < this.rangeCount; range++) {
      for (let slot = range * this.replicas; slot < (range + 1) * this.replicas; slot++) {
        if (!this.owned(range, this.table[slot]!)) moved++;
      }
    }
    return moved;
  }
}
