import { createCipheriv } from 'node:crypto';
import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';

/** Bytes that look random and are the same for the same seed. */
export function bytesOf(seed: number, length: number): Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed >>> 0);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

export function checksumOf(bytes: Buffer): number {
  const blocks: number[] = [];
  appendBlockChecksums(blocks, bytes);
  return chunkChecksum(blocks);
}

export function idOf(number: number): string {
  return `test-${number.toString(16).padStart(8, '0')}`;
}

/** A chunk that follows from its number alone; some live in the index, most in files. */
export function numberedChunk(number: number): { position: number; id: string; bytes: Buffer } {
  const lengths = [100, 30_000, 700, 250_000, 70_000];
  const position = (number * 0x9e37_79b1) >>> 0;
  return { position, id: idOf(number), bytes: bytesOf(number, lengths[number % lengths.length]!) };
}
