import { RECIPE_GAP_BYTES_MAX, type SourceRange } from '../../lib/worker-api/recipe.ts';

/** Ranges of a source that are read as one. */
export interface SourceGroup {
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
  /** What of it is wanted: in order, none overlaps another. */
  readonly ranges: readonly SourceRange[];
  /** Bytes that are wanted. */
  readonly bytes: number;
}

/** Whether all that is read is wanted. */
export function isSolid({ first, last, bytes }: SourceGroup): boolean {
  return last - first + 1 === bytes;
}

/**
 * The bytes `skip` to `skip + length` of what the ranges make together, as few readings: neighbours that lie close to each
 * other are one.
 */
export function groupsOf(ranges: readonly SourceRange[], skip: number, length: number): SourceGroup[] {
  const groups: { first: number; last: number; ranges: SourceRange[]; bytes: number }[] = [];
  let before = skip;
  let left = length;
  for (const range of ranges) {
    if (left === 0) break;
    const skipped = Math.min(before, range.length);
    before -= skipped;
    const taken = Math.min(range.length - skipped, left);
    if (taken === 0) continue;
    left -= taken;
    const offset = range.offset + skipped;
    const group = groups.at(-1);
    const gap = group === undefined ? -1 : offset - group.last - 1;
    if (group === undefined || gap < 0 || gap > RECIPE_GAP_BYTES_MAX) {
      groups.push({
        first: offset,
        last: offset + taken - 1,
        ranges: [{ offset, length: taken }],
        bytes: taken,
      });
      continue;
    }
    const last = group.ranges.at(-1)!;
    if (gap === 0)
      group.ranges[group.ranges.length - 1] = { offset: last.offset, length: last.length + taken };
    else group.ranges.push({ offset, length: taken });
    group.last = offset + taken - 1;
    group.bytes += taken;
  }
  return groups;
}
