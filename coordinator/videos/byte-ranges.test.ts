import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type RangeSelection, selectRanges } from './byte-ranges.ts';

const parts = (...pairs: [number, number][]): RangeSelection => ({
  kind: 'parts',
  parts: pairs.map(([first, last]) => ({ first, last })),
});
const whole = { kind: 'whole' };
const unsatisfiable = { kind: 'unsatisfiable' };

describe('selectRanges of 1000 bytes', () => {
  test.each<[string, unknown]>([
    ['bytes=0-0', parts([0, 0])],
    ['bytes=0-499', parts([0, 499])],
    ['bytes=500-', parts([500, 999])],
    ['bytes=-1', parts([999, 999])],
    ['bytes=-500', parts([500, 999])],
    ['bytes=-5000', parts([0, 999])],
    ['bytes=990-5000', parts([990, 999])],
    ['bytes=999-', parts([999, 999])],
    ['Bytes=1-2', parts([1, 2])],
    ['bytes= 1-2 , 5-6', parts([1, 2], [5, 6])],
    ['bytes=,, 1-2,,', parts([1, 2])],
    ['bytes=007-0009', parts([7, 9])],
    // Far beyond what a number can hold.
    ['bytes=0-99999999999999999999999999999', parts([0, 999])],
    ['bytes=-99999999999999999999999999999', parts([0, 999])],
    ['bytes=99999999999999999999999999999-', unsatisfiable],
    ['bytes=99999999999999999999-99999999999999999998', whole],
    ['bytes=9007199254740993-9007199254740992', whole],
    // Unsatisfiable.
    ['bytes=1000-', unsatisfiable],
    ['bytes=1000-2000', unsatisfiable],
    ['bytes=-0', unsatisfiable],
    ['bytes=-0,1000-', unsatisfiable],
    ['bytes=-0,5-6', parts([5, 6])],
    ['bytes=1000-,5-6', parts([5, 6])],
    // Malformed or unknown: as if there were no header.
    ['bytes=2-1', whole],
    ['bytes=0-1,2-1', whole],
    ['bytes=', whole],
    ['bytes=,', whole],
    ['bytes=-', whole],
    ['bytes=a-b', whole],
    ['bytes=1', whole],
    ['bytes=1-2-3', whole],
    ['bytes=--1', whole],
    ['bytes=+1-2', whole],
    ['bytes=1.0-2', whole],
    ['bytes=0x1-2', whole],
    ['bytes 1-2', whole],
    ['items=1-2', whole],
    ['', whole],
    // Joined when they overlap or touch, in the place of the first.
    ['bytes=0-9,10-19', parts([0, 19])],
    ['bytes=0-9,5-19', parts([0, 19])],
    ['bytes=0-9,11-19', parts([0, 9], [11, 19])],
    ['bytes=500-600,0-9,550-700', parts([500, 700], [0, 9])],
    ['bytes=0-9,500-600,5-20', parts([0, 20], [500, 600])],
    ['bytes=0-,5-6,-3', parts([0, 999])],
  ])('%s', (header, expected) => {
    expect(selectRanges(header, 1000, 16)).toEqual(expected);
  });

  test('more ranges than allowed are refused, counted after joining', () => {
    const separate = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, index) => `${index * 10}-${index * 10 + 1}`).join(',')}`;
    expect(selectRanges(separate(16), 1000, 16).kind).toBe('parts');
    expect(selectRanges(separate(17), 1000, 16)).toEqual(unsatisfiable);
    const touching = `bytes=${Array.from({ length: 40 }, (_, index) => `${index}-${index}`).join(',')}`;
    expect(selectRanges(touching, 1000, 16)).toEqual(parts([0, 39]));
  });
});

describe('selectRanges and a naive model', () => {
  const spec = fc.oneof(
    fc.record({ first: fc.nat(60), last: fc.nat(60) }),
    fc.record({ first: fc.nat(60) }),
    fc.record({ suffix: fc.nat(60) }),
  );
  type Spec = { first?: number; last?: number; suffix?: number };

  /** The bytes that a spec names, one by one; null when it is malformed. */
  const bytesOf = (spec: Spec, size: number): number[] | null => {
    if (spec.suffix !== undefined) return allBytes(size).slice(size - Math.min(spec.suffix, size));
    if (spec.last !== undefined && spec.last < spec.first!) return null;
    return allBytes(size).filter((byte) => byte >= spec.first! && byte <= (spec.last ?? Infinity));
  };
  const allBytes = (size: number) => Array.from({ length: size }, (_, byte) => byte);
  const textOf = (spec: Spec) =>
    spec.suffix === undefined ? `${spec.first}-${spec.last ?? ''}` : `-${spec.suffix}`;

  test('the parts are the named bytes, apart from each other, each where its first spec stood', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.array(spec, { minLength: 1, maxLength: 8 }),
        (size, specs) => {
          const selection = selectRanges(`bytes=${specs.map(textOf).join(',')}`, size, 16);
          const named = specs.map((one) => bytesOf(one, size));
          if (named.includes(null)) {
            expect(selection).toEqual(whole);
            return;
          }
          const wanted = new Set(named.flat() as number[]);
          if (wanted.size === 0) {
            expect(selection).toEqual(unsatisfiable);
            return;
          }
          if (selection.kind !== 'parts') throw new Error(`got ${selection.kind}`);
          const sent = selection.parts.map(({ first, last }) => allBytes(size).slice(first, last + 1));
          expect(new Set(sent.flat())).toEqual(wanted);
          expect(sent.flat()).toHaveLength(wanted.size);
          const sorted = [...selection.parts].sort((a, b) => a.first - b.first);
          for (let index = 1; index < sorted.length; index++) {
            expect(sorted[index]!.first).toBeGreaterThan(sorted[index - 1]!.last + 1);
          }
          const order = sent.map((bytes) =>
            named.findIndex((one) => one!.some((byte) => bytes.includes(byte))),
          );
          expect(order).toEqual([...order].sort((a, b) => a - b));
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('no header makes it fail or leave the representation', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'bytes=0123456789-, ') })),
        fc.integer({ min: 1, max: 2 ** 53 - 1 }),
        (text, size) => {
          for (const header of [text, `bytes=${text}`]) {
            const selection = selectRanges(header, size, 16);
            if (selection.kind !== 'parts') continue;
            for (const { first, last } of selection.parts) {
              expect(0 <= first && first <= last && last < size).toBe(true);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
