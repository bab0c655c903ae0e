import type { PooledBuffer } from '../../lib/bytes/buffer-pool.ts';
import { BLOCK_BYTES } from '../../lib/bytes/checksum.ts';
import { crc32 } from '../../lib/bytes/crc32.ts';
import { HASHED_BYTES } from '../../lib/bytes/xxh64-wasm.ts';
import { assert } from '../../lib/errors/app-error.ts';
import type { IndexEntry } from './index-entry.ts';

/** What is on the disk is not what was stored. Handled inside the repository, which quarantines the chunk. */
export class CorruptChunkError extends Error {}

/** Stands for a hash, lower half first, where a block was verified once: hashing what is never read again is no use. */
const SEEN_ONCE = 1;

/**
 * Verifies blocks that were read. CRC-32, the checksum of the disk's format, is what counts, and takes more time than
 * XXH64, three times as much where Node computes it. So blocks that are read again and again are remembered by an XXH64
 * of bytes that had just passed their CRC-32; whoever has the same 64 bits has the same bytes. Other bytes get their
 * CRC-32 computed.
 *
 * What is remembered lives as long as the entry's place in the cache of the index.
 */
export class BlockVerifier {
  /** Two numbers a block, the halves of its hash; both 0 when nothing is known. */
  readonly #hashes = new WeakMap<IndexEntry, Int32Array>();

  /**
   * Verifies the first `length` bytes of the piece, which begin at `offset` of the chunk, a block border, and end at
   * one or at the chunk's end. Throws CorruptChunkError.
   */
  verify(entry: IndexEntry, piece: PooledBuffer, offset: number, length: number): void {
    const { bytes, hasher } = piece;
    assert(offset % BLOCK_BYTES === 0 && HASHED_BYTES === BLOCK_BYTES, 'blocks are verified whole');
    const hashes = this.#hashesOf(entry);
    for (let start = 0; start < length; start += BLOCK_BYTES) {
      const block = (offset + start) / BLOCK_BYTES;
      const end = Math.min(start + BLOCK_BYTES, length);
      const known = 2 * block;
      const seen = hashes[known] !== 0 || hashes[known + 1] !== 0;
      if (!hasher || !seen || end - start < HASHED_BYTES) {
        verifyChecksum(entry, block, bytes.subarray(start, end));
        hashes[known] = seen ? hashes[known]! : SEEN_ONCE;
        continue;
      }
      const lower = hasher.hash(bytes.byteOffset + start);
      const upper = hasher.upperHalf();
      if (lower === hashes[known] && upper === hashes[known + 1]) continue;
      verifyChecksum(entry, block, bytes.subarray(start, end));
      hashes[known] = lower;
      hashes[known + 1] = upper;
    }
  }

  /** Whether all these bytes were read at least twice lately. */
  isHot(entry: IndexEntry, offset: number, length: number): boolean {
    const hashes = this.#hashes.get(entry);
    if (!hashes) return false;
    const end = Math.floor((offset + length) / BLOCK_BYTES);
    for (let block = Math.ceil(offset / BLOCK_BYTES); block < end; block++) {
      if (hashes[2 * block + 1] === 0 && (hashes[2 * block] === 0 || hashes[2 * block] === SEEN_ONCE))
        return false;
    }
    return true;
  }

  #hashesOf(entry: IndexEntry): Int32Array {
    let hashes = this.#hashes.get(entry);
    if (!hashes) {
      hashes = new Int32Array(2 * entry.blocks.length);
      this.#hashes.set(entry, hashes);
    }
    return hashes;
  }
}

/** Throws CorruptChunkError unless the bytes have the checksum of the entry's block. */
export function verifyChecksum(entry: IndexEntry, block: number, bytes: Uint8Array): void {
  if (crc32(bytes) !== entry.blocks[block]) {
    throw new CorruptChunkError(`block ${block} does not have its checksum`);
  }
}
