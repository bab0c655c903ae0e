import { BufferPool, type PooledBuffer } from '../../lib/bytes/buffer-pool.ts';

/**
 * Memory that chunks are read into: a few large pieces, and many small ones for when the large ones are taken, so
 * that a handful of slow clients cannot hold up the rest. Both are page-aligned and can hash what they hold.
 */
export class ReadPieces {
  readonly #large: BufferPool;
  readonly #small: BufferPool;

  constructor(options: { largeBytes: number; large: number; smallBytes: number; small: number }) {
    this.#large = new BufferPool({ bufferBytes: options.largeBytes, capacity: options.large, hashing: true });
    this.#small = new BufferPool({ bufferBytes: options.smallBytes, capacity: options.small, hashing: true });
  }

  /** A piece that suits a read of `bytes`; waits only when every piece is taken. */
  async take(bytes: number): Promise<PooledBuffer> {
    const large = bytes > this.#small.bufferBytes ? this.#large.tryTake() : undefined;
    return large ?? this.#small.tryTake() ?? this.#large.tryTake() ?? this.#small.take();
  }
}
