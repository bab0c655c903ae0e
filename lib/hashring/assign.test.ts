import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assign, movementBound } from './assign.ts';
import { encodeLayout } from './codec.ts';
import type { Layout } from './layout.ts';
import type { Member } from './members.ts';
import { RingError } from './ring-error.ts';
import { equalMembers, histories, memberOf, playHistory } from './test-support/histories.ts';
import { countMoved, countSlots } from './test-support/measures.ts';
import {
  boundsOf,
  fewestMoves,
  findQuotas,
  isFeasible,
  ownerSets,
  type Request,
} from './test-support/oracle.ts';

const LIMITS = { rangeBitsMax: 6, membersMax: 9, changesMax: 8 };
const RANGE_COUNT_MAX = 64;

function idTable(layout: Layout): string[] {
  return Array.from(layout.table, (index) => layout.members[index]!.id);
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof RingError) return error.code;
    throw error;
  }
  return 'none';
}

describe('every layout of a history', () => {
  test('P1 gives every range R distinct owners with a weight', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const weights = new Map(request.members.map(({ id, weight }) => [id, weight]));
          expect(layout.table).toHaveLength(request.rangeCount * request.replicas);
          for (const owners of ownerSets(layout, request.rangeCount)) {
            expect(owners.size).toBe(request.replicas);
            for (const id of owners) expect(weights.get(id)).toBeGreaterThan(0);
          }
        }
      }),
    );
  });

  test('P2 keeps at most maxPerZone replicas of a range in a zone', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const zones = new Map(request.members.map(({ id, zone }) => [id, zone]));
          for (const owners of ownerSets(layout, request.rangeCount)) {
            const loads = Map.groupBy(owners, (id) => zones.get(id)!);
            for (const load of loads.values()) expect(load.length).toBeLessThanOrEqual(request.maxPerZone);
          }
        }
      }),
    );
  });

  test('P3 gives every member its quota, rounded down or up', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const quotas = findQuotas(request);
          for (const [id, count] of countSlots(layout)) {
            const { floor, ceiling } = boundsOf(quotas.get(id)!);
            expect(count).toBeGreaterThanOrEqual(floor);
            expect(count).toBeLessThanOrEqual(ceiling);
          }
        }
      }),
    );
  });

  test('P5 moves as few slots as a min-cost flow, and never fewer than the bound', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { previous, layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          if (previous === null) continue;
          const moved = countMoved(previous, layout);
          expect(moved).toBe(fewestMoves(previous, request));
          expect(moved).toBeGreaterThanOrEqual(
            movementBound(previous, request.members, { epoch: 2, ...request }),
          );
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('P6 stays as it is while the members do', () => {
    fc.assert(
      fc.property(histories(LIMITS), (history) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const again = assign(layout, request.members, { epoch: layout.epoch + 1, ...request });
          expect(again.table).toEqual(layout.table);
          expect(again.epoch).toBe(layout.epoch + 1);
        }
      }),
    );
  });

  test('P7 does not depend on the order in which the members are given', () => {
    fc.assert(
      fc.property(histories(LIMITS), fc.infiniteStream(fc.nat()), (history, order) => {
        for (const { previous, layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const shuffled = request.members
            .map((member) => ({ member, place: order.next().value }))
            .sort((a, b) => a.place - b.place)
            .map(({ member }) => member);
          const again = assign(previous, shuffled, { epoch: layout.epoch, ...request });
          expect(encodeLayout(again)).toEqual(encodeLayout(layout));
        }
      }),
    );
  });

  test('P10 treats weight 0 as having left', () => {
    fc.assert(
      fc.property(histories(LIMITS), fc.nat(), (history, which) => {
        for (const { layout, request } of playHistory(history, RANGE_COUNT_MAX)) {
          const { members } = request;
          const gone = members[which % members.length]!;
          const options = { epoch: 9, ...request };
          const without = members.filter((member) => member !== gone);
          if (!isFeasible({ ...request, members: without })) continue;
          const drained = members.map((member) => (member === gone ? { ...member, weight: 0 } : member));
          const layoutDrained = assign(layout, drained, options);
          expect(idTable(layoutDrained)).toEqual(idTable(assign(layout, without, options)));
          expect(layoutDrained.members.map(({ id }) => id)).toContain(gone.id);
        }
      }),
    );
  });
});

describe('what assign refuses', () => {
  test('P11 is exactly what no layout can satisfy, and the previous layout stays untouched', () => {
    const requests = fc.record({
      members: fc
        .array(fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 3 })), { maxLength: 6 })
        .map((drafts) => drafts.map(([weight, zone], index) => memberOf(index, weight, zone))),
      rangeCount: fc.constant(8),
      replicas: fc.integer({ min: 1, max: 5 }),
      maxPerZone: fc.integer({ min: 1, max: 4 }),
    });
    const previous = assign(null, equalMembers(5), { epoch: 1, replicas: 3, rangeCount: 8 });
    const before = encodeLayout(previous);
    fc.assert(
      fc.property(requests, (request: Request) => {
        const code = codeOf(() => assign(previous, request.members, { epoch: 2, ...request }));
        expect(code).toBe(isFeasible(request) ? 'none' : 'infeasible');
        expect(encodeLayout(previous)).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });

  test('without maxPerZone is only too few members: the zones then hold as many as they must', () => {
    const lopsided = [memberOf(0, 1, 0), memberOf(1, 1, 1), memberOf(2, 1, 1), memberOf(3, 1, 1)];
    const layout = assign(null, lopsided, { epoch: 1, replicas: 4, rangeCount: 4 });
    expect(new Set(layout.table)).toEqual(new Set([0, 1, 2, 3]));
    expect(codeOf(() => assign(null, lopsided.slice(1), { epoch: 1, replicas: 4 }))).toBe('infeasible');
    const drained = lopsided.map((member) => ({ ...member, weight: member.zone === 'zone-0' ? 0 : 1 }));
    expect(codeOf(() => assign(null, drained, { epoch: 1, replicas: 4 }))).toBe('infeasible');
    expect(codeOf(() => movementBound(null, [], { epoch: 1, replicas: 1 }))).toBe('infeasible');
  });

  test.each([
    ['a weight below 0', [{ id: 'a', weight: -1, zone: 'z' }]],
    ['a weight that is no integer', [{ id: 'a', weight: 1.5, zone: 'z' }]],
    ['a weight beyond 32 bits', [{ id: 'a', weight: 2 ** 32, zone: 'z' }]],
    ['an empty id', [{ id: '', weight: 1, zone: 'z' }]],
    ['an id of 256 bytes', [{ id: 'é'.repeat(128), weight: 1, zone: 'z' }]],
    ['an id that has no UTF-8 form', [{ id: '\ud800', weight: 1, zone: 'z' }]],
    ['the same id twice', [memberOf(1, 1, 0), memberOf(1, 2, 1)]],
    ['more than 1,024 members', equalMembers(1025)],
  ])('%s', (_what, members: Member[]) => {
    expect(codeOf(() => assign(null, members, { epoch: 1, replicas: 1 }))).toBe('invalid_members');
  });

  test.each([
    ['an epoch below 0', { epoch: -1 }],
    ['an epoch that is no integer', { epoch: 0.5 }],
    ['no replicas', { replicas: 0 }],
    ['17 replicas', { replicas: 17 }],
    ['a range count that is no power of two', { rangeCount: 12 }],
    ['fewer ranges than before', { rangeCount: 8 }],
    ['more than 65,536 ranges', { rangeCount: 131_072 }],
    ['no replica in any zone', { maxPerZone: 0 }],
  ])('%s', (_what, change) => {
    const members = equalMembers(3);
    const previous = assign(null, members, { epoch: 1, replicas: 1, rangeCount: 16 });
    const options = { epoch: 2, replicas: 1, ...change };
    expect(codeOf(() => assign(previous, members, options))).toBe('invalid_options');
  });
});

describe('the same table everywhere', () => {
  test('P7 another process makes the same bytes of the same history', () => {
    const program = fileURLToPath(new URL('./test-support/print-history.ts', import.meta.url));
    fc.assert(
      fc.property(histories({ rangeBitsMax: 8, membersMax: 12, changesMax: 10 }), (history) => {
        const printed = execFileSync(process.execPath, [program, JSON.stringify(history)], {
          encoding: 'utf8',
        });
        const here = [...playHistory(history, 256)].map(({ layout }) =>
          Buffer.from(encodeLayout(layout)).toString('hex'),
        );
        expect(printed.trim().split('\n').filter(Boolean)).toEqual(here);
      }),
      { numRuns: 12 },
    );
  });

  test('the layouts of a fixed history never change', () => {
    const members = Array.from({ length: 12 }, (_, index) => memberOf(index, 1 + (index % 4), index % 4));
    const hash = createHash('sha256');
    let layout: Layout | null = null;
    for (const [from, to] of [
      [0, 10],
      [0, 11],
      [2, 12],
      [2, 10],
    ] as const) {
      layout = assign(layout, members.slice(from, to), { epoch: 1, replicas: 3 });
      hash.update(encodeLayout(layout));
    }
    expect(hash.digest('hex')).toMatchInlineSnapshot(
      `"eff022f9d02018d89deeb1a5c536d4246509d8a9cb61759a441b0534417de0c0"`,
    );
  });
});
