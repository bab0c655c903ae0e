import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from './assign.ts';
import { diff } from './diff.ts';
import { type Layout, ownersOfRange, splitRanges } from './layout.ts';
import { equalMembers, histories, playHistory } from './test-support/histories.ts';
import { countMoved } from './test-support/measures.ts';
import { ownerSets } from './test-support/oracle.ts';

const LIMITS = { rangeBitsMax: 6, membersMax: 8, changesMax: 6 };

function pairs(history: Parameters<typeof playHistory>[0]): [Layout, Layout][] {
  return [...playHistory(history, 64)].flatMap(({ previous, layout }): [Layout, Layout][] =>
    previous === null ? [] : [[previous, layout]],
  );
}

function idsOf(layout: Layout, range: number): string[] {
  return ownersOfRange(layout, range).map(({ id }) => id);
}

describe('diff', () => {
  test('P15 covers exactly the changed slots', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const [a, b] of pairs(history)) {
          const before = ownerSets(a, b.rangeCount);
          const after = ownerSets(b, b.rangeCount);
          const rebuilt = before.map((owners) => new Set(owners));
          for (const { firstRange, lastRange, gained, lost } of diff(a, b)) {
            for (let range = firstRange; range <= lastRange; range++) {
              expect(after[range]).not.toEqual(before[range]);
              for (const id of lost) expect(rebuilt[range]!.delete(id)).toBe(true);
              for (const id of gained) expect(rebuilt[range]!.has(id)).toBe(false);
              for (const id of gained) rebuilt[range]!.add(id);
            }
          }
          expect(rebuilt).toEqual(after);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('P15 merges neighbours with equal owners, in ascending order, and only those', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const [a, b] of pairs(history)) {
          const changes = diff(a, b);
          const parts = b.rangeCount / a.rangeCount;
          for (const [index, change] of changes.entries()) {
            for (let range = change.firstRange; range <= change.lastRange; range++) {
              expect(idsOf(a, Math.floor(range / parts))).toEqual(change.from);
              expect(idsOf(b, range)).toEqual(change.to);
            }
            const next = changes[index + 1];
            if (next === undefined) continue;
            expect(next.firstRange).toBeGreaterThan(change.lastRange);
            const mergeable =
              next.firstRange === change.lastRange + 1 &&
              next.from.join() === change.from.join() &&
              next.to.join() === change.to.join();
            expect(mergeable).toBe(false);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of a split layout merges the parts again', () => {
    const before = assign(null, equalMembers(6), { epoch: 1, replicas: 3, rangeCount: 16 });
    const after = assign(before, equalMembers(7), { epoch: 2, replicas: 3 });
    const coarse = diff(before, after);
    const fine = diff(splitRanges(before, 4), splitRanges(after, 4));
    expect(coarse.length).toBeGreaterThan(0);
    expect(fine).toEqual(
      coarse.map((change) => ({
        ...change,
        firstRange: change.firstRange * 4,
        lastRange: change.lastRange * 4 + 3,
      })),
    );
    expect(diff(before, splitRanges(after, 4))).toEqual(fine);
  });

  test('counts as many slots as have moved, in both directions', () => {
    const before = assign(null, equalMembers(6), { epoch: 1, replicas: 3 });
    const after = assign(before, equalMembers(7), { epoch: 2, replicas: 3 });
    for (const [a, b] of [
      [before, after],
      [after, before],
    ] as const) {
      const slots = diff(a, b).reduce(
        (sum, change) => sum + change.gained.length * (change.lastRange - change.firstRange + 1),
        0,
      );
      expect(slots).toBe(countMoved(a, b));
    }
  });

  test('of a layout and itself is empty', () => {
    const layout = assign(null, equalMembers(5), { epoch: 1, replicas: 3 });
    expect(diff(layout, layout)).toEqual([]);
  });
});
