import { createCipheriv, createHash } from 'node:crypto';
import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';
import { formatChecksum } from '../../lib/node-api/targets.ts';
import type { SeededRandom } from '../bench/seeded-random.ts';

const POOL_BYTES = 64 * 1024 * 1024;

/** Where an object's bytes stand in the pool. */
export interface Slice {
  readonly offset: number;
  readonly size: number;
}

/**
 * One pool of bytes that are the same again for the same seed. Every object of a trial is a slice of it, so that
 * any number of objects can be compared byte for byte and take no memory.
 */
export class SourceBytes {
  readonly #pool: Buffer;

  constructor(seed: number) {
    const key = createHash('sha256').update(`orbitvids trial ${seed}`).digest();
    const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
    this.#pool = cipher.update(Buffer.alloc(POOL_BYTES));
  }

  /** Another place in the pool for each object: two of the same bytes could stand in for one another. */
  choose(random: SeededRandom, size: number): Slice {
    if (size > POOL_BYTES) throw new Error(`An object may have ${POOL_BYTES} bytes at most.`);
    return { offset: random.between(0, POOL_BYTES - size), size };
  }

  bytes({ offset, size }: Slice): Buffer {
    return this.#pool.subarray(offset, offset + size);
  }

  sha256(slice: Slice): string {
    return createHash('sha256').update(this.bytes(slice)).digest('hex');
  }

  firstChunk(slice: Slice, chunkBytes: number): string {
    return firstChunkOf(this.bytes(slice), chunkBytes);
  }
}

/** Length and checksum, as nodes list them, of the chunk that an object begins with. */
export function firstChunkOf(object: Uint8Array, chunkBytes: number): string {
  const bytes = object.subarray(0, chunkBytes);
  const blocks: number[] = [];
  appendBlockChecksums(blocks, bytes);
  return `${bytes.length}:${formatChecksum(chunkChecksum(blocks))}`;
}
