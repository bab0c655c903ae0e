import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { assertDigests, claimedDigests, formatDigest } from './digest-fields.ts';

const DIGEST = createHash('sha256').update('hello').digest();
const BASE64 = DIGEST.toString('base64');
const malformed = expect.objectContaining({ code: 'digest_malformed' });

describe('claimedDigests', () => {
  test.each<[string, number]>([
    [`sha-256=:${BASE64}:`, 1],
    [`sha-256=:${BASE64}:;param=1`, 1],
    [`md5=:AAAA:, sha-256=:${BASE64}:`, 1],
    [`sha-512=:AAAA:, unixsum=30637, a="text", b, c=(1 2), d=?0`, 0],
    [`sha-256=:${Buffer.alloc(32).toString('base64')}:, sha-256=:${BASE64}:`, 1],
    ['', 0],
  ])('%s', (field, count) => {
    const digests = claimedDigests({ 'content-digest': field });
    expect(digests).toHaveLength(count);
    for (const digest of digests) expect(Buffer.from(digest)).toEqual(DIGEST);
  });

  test.each([
    BASE64,
    `sha-256=${BASE64}`,
    `sha-256="${BASE64}"`,
    `SHA-256=:${BASE64}:`,
    `sha-256=:${BASE64}`,
    'sha-256=:!!!!:',
    'sha-256=:AAAA:',
    'sha-256=::',
    'sha-256',
    'sha-256=(:AAAA:)',
    `sha-256=:${BASE64}:,`,
    `sha-256=:${BASE64}: md5=:AAAA:`,
  ])('%s is malformed', (field) => {
    expect(() => claimedDigests({ 'repr-digest': field })).toThrow(malformed);
  });

  test('both headers count', () => {
    const field = `sha-256=:${BASE64}:`;
    expect(claimedDigests({ 'content-digest': field, 'repr-digest': field })).toHaveLength(2);
    expect(claimedDigests({})).toEqual([]);
  });
});

test('every claimed digest must be the actual one', () => {
  const other = new Uint8Array(32);
  expect(() => assertDigests([], DIGEST)).not.toThrow();
  expect(() => assertDigests([DIGEST, DIGEST], DIGEST)).not.toThrow();
  expect(() => assertDigests([DIGEST, other], DIGEST)).toThrow(
    expect.objectContaining({ code: 'digest_mismatch' }),
  );
});

test('a formatted digest can be claimed', () => {
  expect(claimedDigests({ 'repr-digest': formatDigest(DIGEST) })).toEqual([new Uint8Array(DIGEST)]);
});
