import { type Layout, ownersOfRange, splitRanges } from './layout.ts';

/** A run of neighbouring ranges that all pass from the same old owners to the same new ones. */
export interface RangeChange {
  /** First and last range, both inclusive, in units of the finer of the two layouts. */
  readonly firstRange: number;
  readonly lastRange: number;
  /** Ids of the members that own the ranges only afterwards; sorted. */
  readonly gained: readonly string[];
  /** Ids of the members that own the ranges only before; sorted. */
  readonly lost: readonly string[];
  /** Ids of the owners before, primary first. */
  readonly from: readonly string[];
  /** Ids of the owners after, primary first. */
  readonly to: readonly string[];
}

function ownerIds(layout: Layout, range: number): string[] {
  return ownersOfRange(layout, range).map(({ id }) => id);
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index]);
}

function without(ids: readonly string[], others: readonly string[]): string[] {
  return ids.filter((id) => !others.includes(id)).sort();
}

/** The change of one range, or null when its owners stay the same (their order may differ: no data moves). */
function changeOf(range: number, from: readonly string[], to: readonly string[]): RangeChange | null {
  const gained = without(to, from);
  const lost = without(from, to);
  if (gained.length === 0 && lost.length === 0) return null;
  return { firstRange: range, lastRange: range, gained, lost, from, to };
}

/**
 * What has to be copied and dropped to go from layout `a` to layout `b`: every range whose set of owners
 * differs, in ascending order, neighbours with equal owner lists merged. Layouts of different range counts
 * are compared in the finer one's ranges.
 */
export function diff(a: Layout, b: Layout): RangeChange[] {
  const rangeCount = Math.max(a.rangeCount, b.rangeCount);
  const before = a.rangeCount < rangeCount ? splitRanges(a, rangeCount / a.rangeCount) : a;
  const after = b.rangeCount < rangeCount ? splitRanges(b, rangeCount / b.rangeCount) : b;
  const changes: RangeChange[] = [];
  for (let range = 0; range < rangeCount; range++) {
    const change = changeOf(range, ownerIds(before, range), ownerIds(after, range));
    if (change === null) continue;
    const last = changes.at(-1);
    const extendsLast =
      last !== undefined &&
      last.lastRange === range - 1 &&
      sameList(last.from, change.from) &&
      sameList(last.to, change.to);
    if (extendsLast) changes[changes.length - 1] = { ...last, lastRange: range };
    else changes.push(change);
  }
  return changes;
}
