import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { positionOf, rangeBounds, rangeOf } from './position.ts';

const positions = fc.integer({ min: 0, max: 0xffff_ffff });
const rangeCounts = fc.nat({ max: 16 }).map((bits) => 2 ** bits);

describe('positions', () => {
  test('of known ids never change, for they are on disk', () => {
    expect(positionOf('')).toMatchInlineSnapshot(`3945531934`);
    expect(positionOf('018f3c1e-7b6a-7cc1-9d3e-5a4b3c2d1e0f')).toMatchInlineSnapshot(`3443379778`);
    expect(positionOf('018f3c1e-7b6a-7cc1-9d3e-5a4b3c2d1e0f.17')).toMatchInlineSnapshot(`2245271785`);
    expect(positionOf('Vidéo № 1')).toMatchInlineSnapshot(`438362749`);
  });

  test('are unsigned 32-bit integers', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (id) => {
        const position = positionOf(id);
        expect(position).toBe(position >>> 0);
      }),
    );
  });

  test('lie in the range that bounds them, and the bounds of all ranges cover the ring without a gap', () => {
    fc.assert(
      fc.property(positions, rangeCounts, (position, rangeCount) => {
        const range = rangeOf(position, rangeCount);
        const { first, last } = rangeBounds(range, rangeCount);
        expect(position).toBeGreaterThanOrEqual(first);
        expect(position).toBeLessThanOrEqual(last);
        expect(rangeOf(first, rangeCount)).toBe(range);
        expect(rangeOf(last, rangeCount)).toBe(range);
        if (range + 1 < rangeCount) expect(rangeBounds(range + 1, rangeCount).first).toBe(last + 1);
        else expect(last).toBe(0xffff_ffff);
        if (range === 0) expect(first).toBe(0);
      }),
    );
  });

  test('spread evenly over the ranges for ids that count up', () => {
    const counts = new Uint32Array(64);
    for (let index = 0; index < 64_000; index++) {
      counts[rangeOf(positionOf(`018f3c1e-7b6a-7cc1-9d3e-5a4b3c2d1e0f.${index}`), 64)]!++;
    }
    // Chi-squared with 63 degrees of freedom: above 130 only once in a million.
    const chiSquared = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquared).toBeLessThan(130);
  });
});
