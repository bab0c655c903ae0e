import type { Member } from './members.ts';
import { type Placement, VACANT } from './placement.ts';
import { hashWords } from './xxhash32.ts';

/** Seed of the hashes that break ties; any constant will do. */
const TIE_SEED = 0x71e5;

/** Candidates weighed for one replacement: more would spread no better, and large changes would take long. */
const CANDIDATES_MAX = 512;

interface Choice {
  readonly slot: number;
  readonly member: number;
}

/**
 * Puts the previous owners back into their ranges, except those without a weight, and of those that contest
 * a place (in a zone that may hold fewer, or in a range that has fewer) the ones furthest above their target.
 */
export function keepPrevious(placement: Placement, members: readonly Member[], targets: Int32Array): void {
  const { previous, rangeCount, replicas, counts } = placement;
  const need = (member: number): number => targets[member]! - counts[member]!;
  for (let range = 0; range < rangeCount; range++) {
    const first = range * replicas;
    const owners = previous.table.subarray(range * previous.replicas, (range + 1) * previous.replicas);
    const wanted = Array.from(owners).filter((owner) => owner !== VACANT && members[owner]!.weight > 0);
    wanted.sort((a, b) => need(b) - need(a) || a - b);
    let kept = 0;
    for (const owner of wanted) {
      if (kept === replicas || !placement.mayAdd(range, owner)) continue;
      // An owner that stays keeps its slot, so that a range without change keeps its order of owners.
      placement.set(first + (replicas === previous.replicas ? owners.indexOf(owner) : kept), owner);
      kept++;
    }
  }
}

/** Gives every vacant slot to a member below its target, or, where none may have it, to the least full. */
export function fillHoles(placement: Placement, targets: Int32Array, idHashes: Uint32Array): void {
  const { rangeCount, replicas, table } = placement;
  for (let range = 0; range < rangeCount; range++) {
    for (let slot = range * replicas; slot < (range + 1) * replicas; slot++) {
      if (table[slot] !== VACANT) continue;
      placement.set(slot, chooseMember(placement, targets, idHashes, range, slot));
    }
  }
}

function chooseMember(
  placement: Placement,
  targets: Int32Array,
  idHashes: Uint32Array,
  range: number,
  slot: number,
): number {
  const { counts, memberCount, rangeCount, replicas } = placement;
  // Scales crowding so that it reaches 1 when two members share what is their due; fullness does so by itself.
  const scale = replicas === 1 ? 0 : (rangeCount * replicas) / (replicas - 1) / (replicas - 1);
  let best = VACANT;
  let bestScore = Number.POSITIVE_INFINITY;
  let bestTie = 0;
  for (let member = 0; member < memberCount; member++) {
    if (targets[member] === 0 || !placement.mayAdd(range, member)) continue;
    const fullness = counts[member]! / targets[member]!;
    const overflow = counts[member]! >= targets[member]! ? 1e6 : 0;
    const score = overflow + fullness + placement.crowding(range, member, slot) * scale;
    if (score > bestScore) continue;
    const tie = hashWords(range, idHashes[member]!, TIE_SEED);
    if (score === bestScore && tie >= bestTie) continue;
    best = member;
    bestScore = score;
    bestTie = tie;
  }
  return best;
}

/**
 * Replaces members above their target by members below it, one slot at a time, until the counts are right or
 * no range allows a direct replacement (the exchange graph then finds a chain).
 */
export function shedSurplus(placement: Placement, targets: Int32Array, idHashes: Uint32Array): void {
  const { counts } = placement;
  const stuck = new Set<number>();
  for (let step = 0; ; step++) {
    let taker = -1;
    let need = 0;
    for (let member = 0; member < counts.length; member++) {
      if (counts[member]! >= targets[member]! || stuck.has(member)) continue;
      const missing = (targets[member]! - counts[member]!) / targets[member]!;
      if (missing <= need) continue;
      taker = member;
      need = missing;
    }
    if (taker === -1) return;
    const start = hashWords(step, idHashes[taker]!, TIE_SEED) & (placement.rangeCount - 1);
    const choice = chooseReplacement(placement, targets, taker, start);
    if (choice === null) stuck.add(taker);
    else placement.set(choice.slot, choice.member);
  }
}

/** The slot of a surplus owner whose range suits the taker best, among the first candidates from `start` on. */
function chooseReplacement(
  placement: Placement,
  targets: Int32Array,
  taker: number,
  start: number,
): Choice | null {
  const { counts, rangeCount, replicas, table } = placement;
  let best = -1;
  let bestScore = Number.POSITIVE_INFINITY;
  let candidates = 0;
  for (let offset = 0; offset < rangeCount && candidates < CANDIDATES_MAX; offset++) {
    const range = (start + offset) & (rangeCount - 1);
    if (placement.owns(range, taker)) continue;
    const returns = placement.owned(range, taker) ? -1e6 : 0;
    // Backwards, so that of equally good slots the primary's, which stands first, is the last to be taken.
    for (let slot = (range + 1) * replicas - 1; slot >= range * replicas; slot--) {
      const owner = table[slot]!;
      if (counts[owner]! <= targets[owner]! || !placement.mayReplace(range, owner, taker)) continue;
      candidates++;
      const score = returns + placement.crowding(range, taker, slot) - placement.crowding(range, owner, slot);
      if (score >= bestScore) continue;
      best = slot;
      bestScore = score;
    }
  }
  return best === -1 ? null : { slot: best, member: taker };
}
