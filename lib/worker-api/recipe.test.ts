import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeRecipe,
  encodeRecipe,
  RECIPE_HEADER_BYTES_MAX,
  RECIPE_RANGES_MAX,
  RecipeError,
  servedLengthOf,
} from './recipe.ts';

const SOURCE_BYTES = 2 ** 50;
const header = new Uint8Array([1, 2, 3, 4]);

describe('a recipe', () => {
  test('comes back as it was, ranges in whatever order', () => {
    const range = fc.record({
      offset: fc.integer({ min: 0, max: SOURCE_BYTES - 2 ** 20 }),
      length: fc.integer({ min: 1, max: 2 ** 20 }),
    });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(range, { maxLength: 50 }), (bytes, ranges) => {
        const encoded = encodeRecipe({ header: bytes, ranges });
        const decoded = decodeRecipe(encoded, SOURCE_BYTES);
        expect(decoded.ranges).toEqual(ranges);
        expect(Array.from(decoded.header)).toEqual(Array.from(bytes));
        expect(servedLengthOf(decoded)).toBe(ranges.reduce((sum, { length }) => sum + length, bytes.length));
      }),
    );
  });

  test('is small: neighbouring ranges cost a few bytes each', () => {
    const ranges = Array.from({ length: 1000 }, (_, index) => ({
      offset: 10e9 + index * 9000,
      length: 8000,
    }));
    expect(encodeRecipe({ header, ranges }).length).toBeLessThan(5000);
  });

  test('that is cut anywhere is refused', () => {
    const encoded = encodeRecipe({ header, ranges: [{ offset: 5_000_000_000, length: 300 }] });
    for (let length = 0; length < encoded.length; length++) {
      expect(() => decodeRecipe(encoded.subarray(0, length), SOURCE_BYTES)).toThrow(RecipeError);
    }
  });

  test('with any byte changed is either refused or stays within its source', () => {
    const encoded = encodeRecipe({
      header,
      ranges: [
        { offset: 900, length: 50 },
        { offset: 10, length: 50 },
      ],
    });
    for (let at = 0; at < encoded.length; at++) {
      for (let value = 0; value < 256; value++) {
        const changed = Uint8Array.from(encoded);
        changed[at] = value;
        try {
          for (const { offset, length } of decodeRecipe(changed, 1000).ranges) {
            expect(offset).toBeGreaterThanOrEqual(0);
            expect(offset + length).toBeLessThanOrEqual(1000);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(RecipeError);
        }
      }
    }
  });

  test.each([
    ['a range without bytes', header, [{ offset: 1, length: 0 }]],
    ['a range before the source', header, [{ offset: -1, length: 5 }]],
    ['half a byte', header, [{ offset: 0.5, length: 5 }]],
    ['too many bytes', header, [{ offset: 0, length: 2 ** 31 }]],
    ['a long header', new Uint8Array(RECIPE_HEADER_BYTES_MAX + 1), []],
    [
      'too many ranges',
      header,
      Array.from({ length: RECIPE_RANGES_MAX + 1 }, () => ({ offset: 0, length: 1 })),
    ],
  ])('with %s is not written', (_, bytes, ranges) => {
    expect(() => encodeRecipe({ header: bytes, ranges })).toThrow(RecipeError);
  });

  test('of another version, with more ranges than allowed or numbers without end is refused', () => {
    expect(() => decodeRecipe(new Uint8Array([2, 0, 0]), 10)).toThrow('unknown version');
    expect(() => decodeRecipe(new Uint8Array([1, 0, 0xff, 0xff, 0x7f]), 10)).toThrow('too many ranges');
    expect(() => decodeRecipe(new Uint8Array([1, ...new Array(20).fill(0xff)]), 10)).toThrow('too long');
  });
});
