import { expect, it } from 'vitest';
import { crc32c, unmask } from './crc32c.ts';

it('gives the sums of RFC 3720, B.4', () => {
  const rising = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(crc32c(rising)).toBe(0x46dd794e);
  expect(crc32c(rising.reverse())).toBe(0x113fdb5c);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

it('takes off the mask of LevelDB', () => {
  // ((sum >>> 15) | (sum << 17)) + 0xa282ead8, from the description of the format.
  for (const sum of [0, 1, 0x8a9136aa, 0xffffffff]) {
    const masked = ((((sum >>> 15) | (sum << 17)) >>> 0) + 0xa282ead8) % 2 ** 32;
    expect(unmask(masked)).toBe(sum);
  }
});
