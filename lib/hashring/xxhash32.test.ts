import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import xxhash from 'xxhash-wasm';
import { hashBytes, hashString, hashWords } from './xxhash32.ts';

const reference = await xxhash();
const seeds = fc.integer({ min: 0, max: 0xffffffff });

describe('XXH32', () => {
  test('of a string equals xxhash-wasm for any text and seed', () => {
    const texts = fc.oneof(fc.string({ maxLength: 70 }), fc.string({ unit: 'binary', maxLength: 70 }));
    fc.assert(
      fc.property(texts, seeds, (text, seed) => {
        expect(hashString(text, seed)).toBe(reference.h32(text, seed));
      }),
      { numRuns: 2000 },
    );
  });

  test('of ASCII equals xxhash-wasm at every length around the block size', () => {
    for (let length = 0; length <= 100; length++) {
      const text = 'chunk-0123456789'.repeat(7).slice(0, length);
      expect(hashString(text, length)).toBe(reference.h32(text, length));
    }
  });

  test('of bytes equals xxhash-wasm, also inside a larger buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 90 }), fc.nat(3), seeds, (bytes, from, seed) => {
        const part = bytes.subarray(from);
        expect(hashBytes(part, seed)).toBe(reference.h32Raw(part, seed));
      }),
      { numRuns: 1000 },
    );
  });

  test('of two words equals that of their little-endian bytes', () => {
    fc.assert(
      fc.property(seeds, seeds, seeds, (first, second, seed) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setUint32(0, first, true);
        new DataView(bytes.buffer).setUint32(4, second, true);
        expect(hashWords(first, second, seed)).toBe(reference.h32Raw(bytes, seed));
      }),
    );
  });
});
