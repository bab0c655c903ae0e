import { crc32 } from './crc32.ts';

/** Bytes a checksum covers; every block of a chunk but its last is this long. */
export const BLOCK_BYTES = 64 * 1024;

/** Number of blocks of a chunk. */
export function blockCount(lengthBytes: number): number {
  return Math.ceil(lengthBytes / BLOCK_BYTES);
}

/** Appends the CRC-32 of each block of `bytes` to `into`. `bytes` must start on a block border. */
export function appendBlockChecksums(into: number[], bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    into.push(crc32(bytes.subarray(start, start + BLOCK_BYTES)));
  }
}

/**
 * The checksum of a chunk: CRC-32 over its block checksums (each four bytes, big-endian). One pass over the
 * bytes yields both, and a list of block checksums can be checked against it without the bytes.
 */
export function chunkChecksum(blocks: readonly number[] | Uint32Array): number {
  const packed = Buffer.allocUnsafe(blocks.length * 4);
  for (let index = 0; index < blocks.length; index++) packed.writeUInt32BE(blocks[index]! >>> 0, index * 4);
  return crc32(packed);
}
