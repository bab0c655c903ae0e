import { expect, it } from 'vitest';
import { appendBlockChecksums } from '../../lib/bytes/checksum.ts';
import { CHUNK_BYTES_MAX } from '../limits.ts';
import { bytesOf, checksumOf, idOf } from '../test-support/chunks.ts';
import { chunkName, parseChunkName } from './chunk-name.ts';
import { chunkFileBytes, decodeTrailer, encodeTrailer, SECTOR_BYTES } from './chunk-trailer.ts';
import { decodeEntry, decodeKey, encodeEntry, encodeKey, type IndexEntry } from './index-entry.ts';

function entryOf(length: number, inline: boolean): IndexEntry {
  const bytes = bytesOf(length, length);
  const blocks: number[] = [];
  appendBlockChecksums(blocks, bytes);
  return {
    position: 0xfedc_ba98,
    id: idOf(length),
    length,
    checksum: checksumOf(bytes),
    createdAt: 1_795_000_000_123,
    blocks: Uint32Array.from(blocks),
    inline: inline ? bytes : undefined,
  };
}

it.each([
  [1, true],
  [4096, true],
  [65_536, false],
  [CHUNK_BYTES_MAX, false],
] as const)('reads back the index entry of %i bytes, inline: %s', (length, inline) => {
  const entry = entryOf(length, inline);
  const key = encodeKey(entry.position, entry.id);
  expect(decodeKey(key)).toEqual({ position: entry.position, id: entry.id });
  expect(decodeEntry(key, encodeEntry(key, entry))).toEqual(entry);
});

it('notices every flipped bit of an index entry, and an entry under another key', () => {
  const entry = entryOf(100, true);
  const key = encodeKey(entry.position, entry.id);
  const value = encodeEntry(key, entry);
  for (let bit = 0; bit < value.length * 8; bit++) {
    const damaged = Buffer.from(value);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeEntry(key, damaged)).toBeUndefined();
  }
  for (let length = 0; length < value.length; length++) {
    expect(decodeEntry(key, value.subarray(0, length))).toBeUndefined();
  }
  expect(decodeEntry(encodeKey(1, entry.id), value)).toBeUndefined();
});

it('keeps keys in order of position, then id', () => {
  const keys = [0, 1, 255, 256, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff].flatMap((position) =>
    [idOf(1), idOf(2)].map((id) => ({ key: encodeKey(position, id), name: chunkName(position, id) })),
  );
  expect(keys.toSorted((a, b) => Buffer.compare(a.key, b.key))).toEqual(keys);
  expect(keys.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(keys);
});

it('reads back a trailer, and notices every damaged byte', () => {
  for (const length of [4097, CHUNK_BYTES_MAX]) {
    const entry = entryOf(length, false);
    const sector = Buffer.alloc(SECTOR_BYTES, 0xff);
    encodeTrailer(sector, entry);
    expect(decodeTrailer(sector)).toEqual(entry);
    for (let offset = 0; offset < SECTOR_BYTES; offset++) {
      sector[offset]! ^= 0x10;
      expect(decodeTrailer(sector)).toBeUndefined();
      sector[offset]! ^= 0x10;
    }
    expect(decodeTrailer(sector.subarray(1))).toBeUndefined();
  }
});

it('makes files of whole sectors', () => {
  expect([1, 4096, 4097, CHUNK_BYTES_MAX].map(chunkFileBytes)).toEqual([
    2 * SECTOR_BYTES,
    2 * SECTOR_BYTES,
    3 * SECTOR_BYTES,
    CHUNK_BYTES_MAX + SECTOR_BYTES,
  ]);
});

it('parses names that it made, and no others', () => {
  expect(parseChunkName(chunkName(10, idOf(3)))).toEqual({ position: 10, id: idOf(3) });
  for (const name of [
    '',
    '0000000a',
    '0000000a-',
    '0000000A-test-0001',
    '0000000a_test-0001',
    '0000000a-../../x',
  ]) {
    expect(parseChunkName(name), name).toBeUndefined();
  }
});
