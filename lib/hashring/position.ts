import { hashString } from './xxhash32.ts';

/** Part of every position on disk: changing it would make every stored chunk unfindable. */
export const POSITION_SEED = 0x0b17;

/** A chunk's place on the ring: XXH32 of its id, an unsigned 32-bit number. */
export function positionOf(chunkId: string): number {
  return hashString(chunkId, POSITION_SEED);
}

/** The range that holds a position. `rangeCount` is a power of two. */
export function rangeOf(position: number, rangeCount: number): number {
  // Two shifts: a ring of one range needs a shift by 32 in all, which JavaScript takes for a shift by 0.
  return (position >>> 1) >>> Math.clz32(rangeCount);
}

/** First and last position of a range, both inclusive. */
export function rangeBounds(range: number, rangeCount: number): { first: number; last: number } {
  const span = 2 ** 32 / rangeCount;
  return { first: range * span, last: range * span + span - 1 };
}
