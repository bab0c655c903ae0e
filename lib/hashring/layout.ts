import { RANGE_COUNT_MAX, REPLICAS_MAX } from './limits.ts';
import { type Member, sortMembers } from './members.ts';
import { rangeOf } from './position.ts';
import { RingError } from './ring-error.ts';
import { hashString, hashWords } from './xxhash32.ts';

/** One numbered version of which members own which range. Immutable: never write to `table`. */
export interface Layout {
  readonly epoch: number;
  /** Q: how many equal ranges the ring is cut into, a power of two. */
  readonly rangeCount: number;
  /** R: owners of each range, all distinct. */
  readonly replicas: number;
  /** Sorted by id as `assign` makes it. Members of weight 0 are listed but own nothing. */
  readonly members: readonly Member[];
  /** `rangeCount * replicas` indices into `members`; a range's slots lie side by side, its primary first. */
  readonly table: Uint16Array;
}

const HANDOFF_SEED = 0x4a0d;

/** The library's own layouts carry their owner lists, so that a lookup is two array reads. */
class RingLayout implements Layout {
  readonly epoch: number;
  readonly rangeCount: number;
  readonly replicas: number;
  readonly members: readonly Member[];
  readonly table: Uint16Array;
  #owners: readonly (readonly Member[])[] | undefined;
  #idHashes: Uint32Array | undefined;

  constructor(fields: Layout) {
    this.epoch = fields.epoch;
    this.rangeCount = fields.rangeCount;
    this.replicas = fields.replicas;
    this.members = fields.members;
    this.table = fields.table;
    Object.freeze(this);
  }

  get owners(): readonly (readonly Member[])[] {
    this.#owners ??= listOwners(this);
    return this.#owners;
  }

  get idHashes(): Uint32Array {
    this.#idHashes ??= Uint32Array.from(this.members, ({ id }) => hashString(id, HANDOFF_SEED));
    return this.#idHashes;
  }
}

const adopted = new WeakMap<Layout, RingLayout>();

/** Throws RingError unless the fields make up a layout: sound members, and distinct owners in every range. */
export function checkLayout({ epoch, members, rangeCount, replicas, table }: Layout): void {
  checkEpoch(epoch);
  checkRangeCount(rangeCount);
  checkReplicas(replicas);
  sortMembers(members);
  if (table.length !== rangeCount * replicas) {
    throw new RingError('corrupt_table', `${table.length} slots for ${rangeCount} ranges of ${replicas}`);
  }
  for (let first = 0; first < table.length; first += replicas) {
    for (let slot = first; slot < first + replicas; slot++) {
      const owner = table[slot]!;
      if (owner >= members.length) throw new RingError('corrupt_table', `slot ${slot} names no member`);
      if (table.indexOf(owner, first) !== slot) {
        throw new RingError('corrupt_table', `slot ${slot} repeats an owner of its range`);
      }
    }
  }
}

/** A layout that did not come from this library (a copy, a literal) is checked and indexed once. */
export function adopt(layout: Layout): RingLayout {
  if (layout instanceof RingLayout) return layout;
  let own = adopted.get(layout);
  if (own === undefined) {
    checkLayout(layout);
    own = new RingLayout(layout);
    adopted.set(layout, own);
  }
  return own;
}

function listOwners(layout: Layout): readonly (readonly Member[])[] {
  const { members, replicas, table } = layout;
  const owners: (readonly Member[])[] = [];
  for (let slot = 0; slot < table.length; slot += replicas) {
    owners.push(Object.freeze(Array.from(table.subarray(slot, slot + replicas), (index) => members[index]!)));
  }
  return owners;
}

/** Takes the fields as they are: the caller has made or checked them, and writes to the table no more. */
export function createLayout(fields: Layout): Layout {
  return new RingLayout(fields);
}

/** Throws `invalid_options` unless `rangeCount` is a power of two within the limits. */
export function checkRangeCount(rangeCount: number): void {
  if (!Number.isInteger(rangeCount) || rangeCount < 1 || rangeCount > RANGE_COUNT_MAX) {
    throw new RingError(
      'invalid_options',
      `rangeCount ${rangeCount} is not an integer in 1..${RANGE_COUNT_MAX}`,
    );
  }
  if ((rangeCount & (rangeCount - 1)) !== 0) {
    throw new RingError('invalid_options', `rangeCount ${rangeCount} is not a power of two`);
  }
}

/** Throws `invalid_options` unless the epoch is a safe integer from 0 up. */
export function checkEpoch(epoch: number): void {
  if (!Number.isSafeInteger(epoch) || epoch < 0) {
    throw new RingError('invalid_options', `epoch ${epoch} is not a safe integer from 0 up`);
  }
}

/** Throws `invalid_options` unless `replicas` is within the limits. */
export function checkReplicas(replicas: number): void {
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > REPLICAS_MAX) {
    throw new RingError('invalid_options', `replicas ${replicas} is not an integer in 1..${REPLICAS_MAX}`);
  }
}

/** The owners of a position, primary first. The list is shared and frozen: a lookup allocates nothing. */
export function ownersOf(layout: Layout, position: number): readonly Member[] {
  return adopt(layout).owners[rangeOf(position, layout.rangeCount)]!;
}

/** The first owner of a position. */
export function primaryOf(layout: Layout, position: number): Member {
  return layout.members[layout.table[rangeOf(position, layout.rangeCount) * layout.replicas]!]!;
}

/** The owners of a range, primary first. */
export function ownersOfRange(layout: Layout, range: number): readonly Member[] {
  return adopt(layout).owners[range]!;
}

/**
 * Every member with a weight, in the order in which a chunk of this position should try them: the owners,
 * then the others by a hash of range and id, so that the handoff copies of a down owner spread evenly.
 */
export function preferenceOf(layout: Layout, position: number): Member[] {
  const { members, idHashes } = adopt(layout);
  const range = rangeOf(position, layout.rangeCount);
  const owners = ownersOfRange(layout, range);
  const others: { member: Member; order: number }[] = [];
  members.forEach((member, index) => {
    if (member.weight === 0 || owners.includes(member)) return;
    others.push({ member, order: hashWords(range, idHashes[index]!, HANDOFF_SEED) });
  });
  // Sorting is stable, so equal hashes stay in id order.
  others.sort((a, b) => a.order - b.order);
  return [...owners, ...others.map(({ member }) => member)];
}

/**
 * Cuts every range into `factor` (a power of two) ranges with the same owners. No chunk changes hands, so
 * the new layout, one epoch later, can be used as soon as it is stored.
 */
export function splitRanges(layout: Layout, factor: number): Layout {
  if (!Number.isInteger(factor) || factor < 1 || (factor & (factor - 1)) !== 0) {
    throw new RingError('invalid_options', `factor ${factor} is not a power of two`);
  }
  const rangeCount = layout.rangeCount * factor;
  checkRangeCount(rangeCount);
  const { replicas } = adopt(layout);
  const table = new Uint16Array(rangeCount * replicas);
  for (let range = 0; range < layout.rangeCount; range++) {
    const owners = layout.table.subarray(range * replicas, (range + 1) * replicas);
    for (let part = 0; part < factor; part++) table.set(owners, (range * factor + part) * replicas);
  }
  return createLayout({ epoch: layout.epoch + 1, rangeCount, replicas, members: layout.members, table });
}
