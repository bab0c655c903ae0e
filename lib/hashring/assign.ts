import { ExchangeGraph, type ExchangeModel } from './exchange.ts';
import { fillHoles, keepPrevious, shedSurplus } from './fill.ts';
import {
  checkEpoch,
  checkRangeCount,
  checkReplicas,
  createLayout,
  type Layout,
  splitRanges,
} from './layout.ts';
import { RANGE_COUNT_DEFAULT } from './limits.ts';
import { type Member, sortMembers } from './members.ts';
import { Placement, type PreviousSlots, VACANT } from './placement.ts';
import { choosePrimaries } from './primaries.ts';
import { computeQuotas, countMissing, roundQuotas, type Targets } from './quota.ts';
import { RingError } from './ring-error.ts';
import { hashString } from './xxhash32.ts';
import { resolveZones, type Zones } from './zones.ts';

export interface AssignOptions {
  /** Number of the layout to be made. */
  readonly epoch: number;
  /** R: owners of each range. */
  readonly replicas: number;
  /** Q: a power of two, not below the previous layout's. Default: the previous layout's, or 4096. */
  readonly rangeCount?: number;
  /** Most replicas of one range in one zone. Default: the least that lets the replicas fit. */
  readonly maxPerZone?: number;
}

const ID_SEED = 0x1d;

/** Everything steps 1 to 3 settle before a slot is touched. */
interface Plan {
  readonly members: readonly Member[];
  readonly zones: Zones;
  readonly rangeCount: number;
  readonly previous: PreviousSlots;
  readonly held: Int32Array;
  readonly targets: Targets;
}

function checkOptions(previous: Layout | null, options: AssignOptions): number {
  checkEpoch(options.epoch);
  checkReplicas(options.replicas);
  const { maxPerZone } = options;
  if (maxPerZone !== undefined && (!Number.isInteger(maxPerZone) || maxPerZone < 1)) {
    throw new RingError('invalid_options', `maxPerZone ${maxPerZone} is not an integer from 1 up`);
  }
  const rangeCount = options.rangeCount ?? previous?.rangeCount ?? RANGE_COUNT_DEFAULT;
  checkRangeCount(rangeCount);
  if (previous !== null && rangeCount < previous.rangeCount) {
    throw new RingError(
      'invalid_options',
      `ranges cannot be merged: ${previous.rangeCount} to ${rangeCount}`,
    );
  }
  return rangeCount;
}

/** The previous table at the new range count, in indices of the new members; who has gone is VACANT. */
function translate(previous: Layout | null, members: readonly Member[], rangeCount: number): PreviousSlots {
  if (previous === null) return { replicas: 0, table: new Uint16Array(0) };
  const fine = splitRanges(previous, rangeCount / previous.rangeCount);
  const indexOf = new Map(members.map(({ id }, index) => [id, index]));
  const renumbered = fine.members.map(({ id }) => indexOf.get(id) ?? VACANT);
  return { replicas: fine.replicas, table: fine.table.map((index) => renumbered[index]!) };
}

function countHeld(previous: PreviousSlots, memberCount: number): Int32Array {
  const held = new Int32Array(memberCount);
  for (const member of previous.table) if (member !== VACANT) held[member]!++;
  return held;
}

function plan(previous: Layout | null, members: readonly Member[], options: AssignOptions): Plan {
  // 1. Sort the members by id, settle the most replicas a zone may hold, refuse what is infeasible.
  const rangeCount = checkOptions(previous, options);
  const sorted = sortMembers(members);
  const zones = resolveZones(sorted, options.replicas, options.maxPerZone);
  // 2. Quotas by water-filling.
  const quotas = computeQuotas(sorted, zones, rangeCount, options.replicas);
  // 3. Round them, so that as little as possible has to move.
  const slots = translate(previous, sorted, rangeCount);
  const held = countHeld(slots, sorted.length);
  const targets = roundQuotas(quotas, held, zones, rangeCount, options.replicas);
  return { members: sorted, zones, rangeCount, previous: slots, held, targets };
}

/**
 * The layout for these members that moves the fewest slots away from the previous one, among all layouts in
 * which every member's slots are its quota rounded down or up. Deterministic: the same input gives the same
 * table in every process, whatever the order of `members`. Throws RingError.
 */
export function assign(previous: Layout | null, members: readonly Member[], options: AssignOptions): Layout {
  const { replicas } = options;
  const {
    members: sorted,
    zones,
    rangeCount,
    previous: slots,
    held,
    targets,
  } = plan(previous, members, options);
  const placement = new Placement(zones, slots, targets.counts, rangeCount, replicas);
  const idHashes = Uint32Array.from(sorted, ({ id }) => hashString(id, ID_SEED));
  // 4. Keep the previous slots, less those of members that left and those a zone may no longer hold.
  keepPrevious(placement, sorted, targets.counts);
  // 5. Fill the holes, then shed the surplus; by a chain where no direct replacement exists.
  // 8. Ties go to the member that shares least with the range's owners, then to the hash of range and id.
  fillHoles(placement, targets.counts, idHashes);
  shedSurplus(placement, targets.counts, idHashes);
  const model = new OwnerModel(placement);
  if (targets.counts.some((target, member) => target !== placement.counts[member])) {
    new ExchangeGraph(model, targets.counts, targets.counts).settle();
  }
  // 6. Cancel negative cycles, unless the bound proves that there are none.
  if (placement.countMoved() > countMissing(targets, held)) {
    new ExchangeGraph(model, targets.floors, targets.ceilings).cancelNegativeCycles();
  }
  // 7. Choose the primaries.
  choosePrimaries(placement);
  return createLayout({
    epoch: options.epoch,
    rangeCount,
    replicas,
    members: sorted,
    table: placement.table,
  });
}

/** Slots that any layout for these members must move: no assignment can do with fewer. Throws RingError. */
export function movementBound(
  previous: Layout | null,
  members: readonly Member[],
  options: AssignOptions,
): number {
  const { targets, held } = plan(previous, members, options);
  return countMissing(targets, held);
}

/** Ranges pass their slots between members; losing a kept slot costs, getting an old one back pays. */
class OwnerModel implements ExchangeModel {
  readonly memberCount: number;
  readonly rangeCount: number;
  readonly counts: Int32Array;
  readonly #placement: Placement;

  constructor(placement: Placement) {
    this.memberCount = placement.memberCount;
    this.rangeCount = placement.rangeCount;
    this.counts = placement.counts;
    this.#placement = placement;
  }

  visit(range: number, see: (from: number, to: number, cost: number) => void): void {
    const { memberCount, replicas, table } = this.#placement;
    for (let slot = range * replicas; slot < (range + 1) * replicas; slot++) {
      const from = table[slot]!;
      for (let to = 0; to < memberCount; to++) {
        const cost = this.costOf(range, from, to);
        if (cost !== null) see(from, to, cost);
      }
    }
  }

  costOf(range: number, from: number, to: number): number | null {
    const placement = this.#placement;
    if (!placement.owns(range, from) || !placement.mayReplace(range, from, to)) return null;
    return Number(placement.owned(range, from)) - Number(placement.owned(range, to));
  }

  exchange(range: number, from: number, to: number): void {
    this.#placement.set(this.#placement.slotOf(range, from), to);
  }

  rank(range: number, from: number, to: number): number {
    const slot = this.#placement.slotOf(range, from);
    return this.#placement.crowding(range, to, slot) - this.#placement.crowding(range, from, slot);
  }
}
