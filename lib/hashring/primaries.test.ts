import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from './assign.ts';
import { type Layout, ownersOfRange } from './layout.ts';
import { equalMembers, histories, playHistory } from './test-support/histories.ts';
import { countSlots } from './test-support/measures.ts';
import { mostPrimariesKept } from './test-support/oracle.ts';

const LIMITS = { rangeBitsMax: 6, membersMax: 9, changesMax: 8 };
const RANGE_COUNT_MAX = 64;

function primaryIds(layout: Layout, rangeCount: number): string[] {
  const parts = rangeCount / layout.rangeCount;
  return Array.from(
    { length: rangeCount },
    (_, range) => ownersOfRange(layout, Math.floor(range / parts))[0]!.id,
  );
}

describe('primaries', () => {
  test('P4 every member is primary of a fair share of its ranges, rounded down or up', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const primaries = primaryIds(layout, layout.rangeCount);
          for (const [id, count] of countSlots(layout)) {
            const share = count / request.replicas;
            const actual = primaries.filter((primary) => primary === id).length;
            expect(actual).toBeGreaterThanOrEqual(Math.floor(share));
            expect(actual).toBeLessThanOrEqual(Math.ceil(share));
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  test('stay where they are as often as a min-cost flow allows', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { previous, layout } of playHistory(history, RANGE_COUNT_MAX)) {
          if (previous === null) continue;
          const before = primaryIds(previous, layout.rangeCount);
          const kept = primaryIds(layout, layout.rangeCount).filter(
            (id, range) => id === before[range],
          ).length;
          expect(kept).toBe(mostPrimariesKept(previous, layout));
        }
      }),
      { numRuns: 300 },
    );
  });

  test('change hands at a join hardly more often than the newcomer has to become primary', () => {
    const before = assign(null, equalMembers(9), { epoch: 1, replicas: 3 });
    const after = assign(before, equalMembers(10), { epoch: 2, replicas: 3 });
    const old = primaryIds(before, 4096);
    const changed = primaryIds(after, 4096).filter((id, range) => id !== old[range]);
    expect(changed.filter((id) => id === 'node-9').length).toBeGreaterThanOrEqual(409);
    expect(changed.length).toBeLessThan(1.05 * 409.6);
  });
});
