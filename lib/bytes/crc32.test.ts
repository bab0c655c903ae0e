import { randomBytes } from 'node:crypto';
import { crc32 as crc32OfNode } from 'node:zlib';
import { expect, test } from 'vitest';
import { crc32, isNativeCrc32 } from './crc32.ts';

test('is the CRC-32 that Node computes, in one go and in pieces', () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf4_3926);
  const bytes = randomBytes(100_000);
  for (const length of [0, 1, 7, 64, 1000, 65_536, 65_537, 99_990]) {
    for (let start = 0; start < 10; start++) {
      const part = bytes.subarray(start, start + length);
      const half = length >> 1;
      expect(crc32(part), `${length} bytes at ${start}`).toBe(crc32OfNode(part));
      expect(crc32(part.subarray(half), crc32(part.subarray(0, half)))).toBe(crc32OfNode(part));
    }
  }
});

test('is computed by the processor on the platforms that this runs on', () => {
  expect(isNativeCrc32).toBe(true);
});
