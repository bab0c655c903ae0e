import type { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { assert } from '../../lib/errors/app-error.ts';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { assertSame } from '../repository/chunk-summing.ts';
import type { PutResult, VideoRepository } from '../repository/video-repository.ts';
import type { ChunkSource } from './chunk-source.ts';
import { Slots } from './slots.ts';

export interface ChunkAddress {
  readonly position: number;
  readonly id: string;
}

/** What is known of a chunk before its bytes are here. */
export interface AnnouncedChunk extends ChunkAddress {
  readonly length: number;
  readonly checksum: number | undefined;
}

/** Brings chunks into the repository. Concurrent bytes are bounded by the pool: who finds it empty waits in order. */
export class ChunkService {
  readonly #repository: VideoRepository;
  readonly #buffers: BufferPool;
  readonly #source: ChunkSource;
  readonly #receiving: Slots;

  constructor(parts: { repository: VideoRepository; buffers: BufferPool; source: ChunkSource }) {
    this.#repository = parts.repository;
    this.#buffers = parts.buffers;
    this.#source = parts.source;
    this.#receiving = new Slots(Math.max(1, parts.buffers.capacity - 1));
  }

  /**
   * Stores the chunk that a client sends: `fill` puts its bytes into the buffer it is given. Space is claimed
   * before it is called. The signal ends the wait for a buffer; ending `fill` is up to `fill`. Clients may be slow,
   * so together they never hold every buffer: one is left for pulls.
   */
  async receive(
    chunk: AnnouncedChunk,
    fill: (into: Buffer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<PutResult> {
    const leave = await this.#receiving.take(signal);
    try {
      return await this.#store(chunk, fill, signal);
    } finally {
      leave();
    }
  }

  /**
   * Stores a chunk that is small enough to live in the index, and whose bytes are the caller's. It needs no buffer, so
   * it waits for no chunk that is still being written.
   */
  async storeSmall(chunk: AnnouncedChunk, bytes: Buffer): Promise<PutResult> {
    assert(bytes.length <= INLINE_BYTES_MAX, 'longer chunks are written from page-aligned buffers');
    const { position, id, checksum } = chunk;
    const reservation = await this.#repository.reserve(bytes.length);
    try {
      return await this.#repository.put({ position, id, checksum, bytes, reservation });
    } finally {
      reservation.release();
    }
  }

  async #store(
    chunk: AnnouncedChunk,
    fill: (into: Buffer) => Promise<void>,
    signal: AbortSignal,
  ): Promise<PutResult> {
    const { position, id, length, checksum } = chunk;
    const reservation = await this.#repository.reserve(length);
    try {
      const buffer = await this.#buffers.take(signal);
      try {
        const bytes = buffer.bytes.subarray(0, length);
        await fill(bytes);
        return await this.#repository.put({ position, id, checksum, bytes, reservation });
      } finally {
        buffer.release();
      }
    } finally {
      reservation.release();
    }
  }

  /**
   * Whether the chunk is here; throws `chunk_conflict` when one with the same id and other bytes is. For `isUnlikely` see
   * `VideoRepository.stat`.
   */
  async has(
    chunk: AnnouncedChunk & { readonly checksum: number },
    options: { readonly isUnlikely?: boolean } = {},
  ): Promise<boolean> {
    const present = await this.#repository.stat(chunk.position, chunk.id, options);
    if (present) assertSame(present, chunk);
    return present !== undefined;
  }

  /** Fetches the chunk from `url` and stores it, unless it is here. */
  async pull(
    chunk: AnnouncedChunk & { readonly checksum: number },
    url: string,
    signal: AbortSignal,
  ): Promise<PutResult> {
    if (await this.has(chunk, { isUnlikely: true })) return 'exists';
    return this.#store(chunk, (into) => this.#source.fetchInto(url, into, signal), signal);
  }
}
