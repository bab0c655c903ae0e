import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign } from './assign.ts';
import { diff } from './diff.ts';
import { type Layout, ownersOf, ownersOfRange, preferenceOf, primaryOf, splitRanges } from './layout.ts';
import { rangeOf } from './position.ts';
import { RingError } from './ring-error.ts';
import { equalMembers, histories, memberOf, playHistory } from './test-support/histories.ts';

const LIMITS = { rangeBitsMax: 5, membersMax: 8, changesMax: 3 };
const positions = fc.integer({ min: 0, max: 0xffff_ffff });

describe('lookups', () => {
  test('read the table: the owners of the range that holds the position, primary first', () => {
    fc.assert(
      fc.property(histories(LIMITS), positions, (history, position) => {
        for (const { layout } of playHistory(history, 32)) {
          const range = rangeOf(position, layout.rangeCount);
          const slots = layout.table.subarray(range * layout.replicas, (range + 1) * layout.replicas);
          const owners = Array.from(slots, (index) => layout.members[index]);
          expect(ownersOf(layout, position)).toEqual(owners);
          expect(ownersOfRange(layout, range)).toEqual(owners);
          expect(primaryOf(layout, position)).toBe(owners[0]);
        }
      }),
    );
  });

  test('give the same list every time, and nobody can change it', () => {
    const layout = assign(null, equalMembers(5), { epoch: 1, replicas: 3 });
    const owners = ownersOf(layout, 12345);
    expect(ownersOf(layout, 12345)).toBe(owners);
    expect(() => (owners as unknown[]).pop()).toThrow(TypeError);
  });

  test('work on a copy of a layout as on the layout itself', () => {
    const layout = assign(null, equalMembers(7), { epoch: 1, replicas: 3, rangeCount: 64 });
    const copy: Layout = structuredClone({ ...layout });
    for (let range = 0; range < 64; range++) {
      expect(ownersOfRange(copy, range)).toEqual(ownersOfRange(layout, range));
    }
    expect(preferenceOf(copy, 77)).toEqual(preferenceOf(layout, 77));
    expect(assign(copy, equalMembers(7), { epoch: 2, replicas: 3 }).table).toEqual(layout.table);
  });

  test.each([
    ['names no member', { table: Uint16Array.of(0, 9) }],
    ['repeats an owner', { table: Uint16Array.of(1, 1) }],
    ['is too short', { table: Uint16Array.of(1) }],
  ])('refuse a copy whose table %s', (_what, broken) => {
    const layout: Layout = {
      epoch: 1,
      rangeCount: 1,
      replicas: 2,
      members: equalMembers(2),
      table: Uint16Array.of(0, 1),
    };
    const copy = { ...layout, ...broken };
    for (const use of [
      () => ownersOf(copy, 0),
      () => splitRanges(copy, 2),
      () => assign(copy, equalMembers(2), { epoch: 2, replicas: 2 }),
    ]) {
      expect(use).toThrow(expect.objectContaining({ code: 'corrupt_table' }));
    }
  });
});

describe('preference', () => {
  test('is the owners, then every other member with a weight, once each', () => {
    fc.assert(
      fc.property(histories(LIMITS), positions, (history, position) => {
        for (const { layout } of playHistory(history, 32)) {
          const preference = preferenceOf(layout, position);
          const owners = ownersOf(layout, position);
          expect(preference.slice(0, owners.length)).toEqual(owners);
          const expected = layout.members.filter(({ weight }) => weight > 0).map(({ id }) => id);
          expect(preference.map(({ id }) => id).sort()).toEqual(expected.toSorted());
        }
      }),
    );
  });

  test('spreads the handoff copies of a down owner over all the others', () => {
    const layout = assign(null, equalMembers(10), { epoch: 1, replicas: 3 });
    const first = new Map<string, number>();
    for (let range = 0; range < 4096; range++) {
      const { id } = preferenceOf(layout, range * 2 ** 20)[3]!;
      first.set(id, (first.get(id) ?? 0) + 1);
    }
    expect(first.size).toBe(10);
    for (const count of first.values()) expect(Math.abs(count - 409.6)).toBeLessThan(100);
  });

  test('of a range does not change for the members that stay when another one leaves', () => {
    const members = equalMembers(8);
    const layout = assign(null, members, { epoch: 1, replicas: 3, rangeCount: 64 });
    const drained = members.map((member, index) => (index === 7 ? { ...member, weight: 0 } : member));
    const after: Layout = { ...layout, members: drained };
    for (let range = 0; range < 64; range++) {
      const position = range * 2 ** 26;
      const owners = ownersOfRange(layout, range).map(({ id }) => id);
      const rest = preferenceOf(layout, position)
        .slice(3)
        .map(({ id }) => id);
      if (owners.includes('node-7')) continue;
      const expected = rest.filter((id) => id !== 'node-7');
      expect(
        preferenceOf(after, position)
          .slice(3)
          .map(({ id }) => id),
      ).toEqual(expected);
    }
  });
});

describe('splitting ranges', () => {
  test('P13 leaves every position with its owners, in order, and moves nothing', () => {
    fc.assert(
      fc.property(histories(LIMITS), fc.constantFrom(1, 2, 8), positions, (history, factor, position) => {
        for (const { layout } of playHistory(history, 32)) {
          const split = splitRanges(layout, factor);
          expect(split.rangeCount).toBe(layout.rangeCount * factor);
          expect(split.epoch).toBe(layout.epoch + 1);
          expect(ownersOf(split, position)).toEqual(ownersOf(layout, position));
          expect(diff(layout, split)).toEqual([]);
        }
      }),
    );
  });

  test.each([0, 3, 1.5, -2, 2 ** 17])('refuses the factor %d', (factor) => {
    const layout = assign(null, [memberOf(0, 1, 0)], { epoch: 1, replicas: 1, rangeCount: 2 });
    expect(() => splitRanges(layout, factor)).toThrow(RingError);
  });
});
