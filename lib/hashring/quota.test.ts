import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sortMembers } from './members.ts';
import { computeQuotas, countMissing, type Quota, roundQuotas } from './quota.ts';
import { memberOf } from './test-support/histories.ts';
import { findQuotas, isFeasible, type Request } from './test-support/oracle.ts';
import { resolveZones } from './zones.ts';

const requests: fc.Arbitrary<Request> = fc
  .record({
    members: fc
      .array(fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 3 })), { minLength: 1, maxLength: 10 })
      .map((drafts) => sortMembers(drafts.map(([weight, zone], index) => memberOf(index, weight, zone)))),
    rangeCount: fc.constantFrom(1, 8, 64),
    replicas: fc.integer({ min: 1, max: 4 }),
    maxPerZone: fc.integer({ min: 1, max: 4 }),
  })
  .filter(isFeasible);

function solve({ members, rangeCount, replicas, maxPerZone }: Request): {
  zones: ReturnType<typeof resolveZones>;
  quotas: Quota[];
} {
  const zones = resolveZones(members, replicas, maxPerZone);
  return { zones, quotas: computeQuotas(members, zones, rangeCount, replicas) };
}

/** The least sum of missing slots over all admissible roundings, by trying each of them. */
function leastMissing(request: Request, quotas: readonly Quota[], held: Int32Array): number {
  const { members, rangeCount, replicas, maxPerZone } = request;
  let least = Number.POSITIVE_INFINITY;
  const zoneRoom = new Map(
    [...Map.groupBy(members, ({ zone }) => zone)].map(([zone, peers]) => {
      const active = peers.filter(({ weight }) => weight > 0).length;
      return [zone, rangeCount * Math.min(maxPerZone, active)];
    }),
  );
  const visit = (index: number, left: number, missing: number): void => {
    if (index === members.length) {
      if (left === 0) least = Math.min(least, missing);
      return;
    }
    const { numerator, denominator } = quotas[index]!;
    const { zone } = members[index]!;
    const floor = Number(numerator / denominator);
    const choices = numerator % denominator === 0n ? [floor] : [floor, floor + 1];
    for (const count of choices) {
      const room = zoneRoom.get(zone)!;
      if (count > left || count > room) continue;
      zoneRoom.set(zone, room - count);
      visit(index + 1, left - count, missing + Math.max(0, count - held[index]!));
      zoneRoom.set(zone, room);
    }
  };
  visit(0, rangeCount * replicas, 0);
  return least;
}

describe('quotas', () => {
  test('are those that bisection finds, and add up exactly', () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { quotas } = solve(request);
        const expected = findQuotas(request);
        quotas.forEach(({ numerator, denominator }, index) => {
          const value = Number(numerator) / Number(denominator);
          expect(value).toBeCloseTo(expected.get(request.members[index]!.id)!, 6);
        });
        const common = quotas.reduce((product, { denominator }) => product * denominator, 1n);
        const sum = quotas.reduce(
          (total, { numerator, denominator }) => total + (numerator * common) / denominator,
          0n,
        );
        expect(sum).toBe(BigInt(request.rangeCount * request.replicas) * common);
      }),
      { numRuns: 500 },
    );
  });

  test('stay exact for the largest weights', () => {
    const weights = [0xffff_ffff, 0xffff_fffe, 0xffff_ffff, 1];
    const members = sortMembers(weights.map((weight, index) => memberOf(index, weight, 0)));
    const quotas = computeQuotas(members, resolveZones(members, 1), 65_536, 1);
    const sum = weights.reduce((total, weight) => total + BigInt(weight), 0n);
    expect(quotas.map(({ numerator }) => numerator)).toEqual(
      weights.map((weight) => 65_536n * BigInt(weight)),
    );
    expect(quotas.every(({ denominator }) => denominator === sum)).toBe(true);
  });
});

describe('rounding', () => {
  test('adds up, stays within a slot of the quota and the room of each zone, and moves as little as can be', () => {
    const held = fc.array(fc.nat({ max: 40 }), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(requests, held, (request, counts) => {
        const { members, rangeCount, replicas, maxPerZone } = request;
        const { zones, quotas } = solve(request);
        const before = Int32Array.from(members, (_, index) => counts[index]!);
        const targets = roundQuotas(quotas, before, zones, rangeCount, replicas);
        expect(targets.counts.reduce((sum, count) => sum + count, 0)).toBe(rangeCount * replicas);
        quotas.forEach(({ numerator, denominator }, index) => {
          const distance = BigInt(targets.counts[index]!) * denominator - numerator;
          expect(distance < denominator && -distance < denominator).toBe(true);
        });
        for (const zone of zones.active) {
          const used = zone.reduce((sum, index) => sum + targets.counts[index]!, 0);
          expect(used).toBeLessThanOrEqual(rangeCount * Math.min(maxPerZone, zone.length));
        }
        expect(countMissing(targets, before)).toBe(leastMissing(request, quotas, before));
      }),
      { numRuns: 500 },
    );
  });
});
