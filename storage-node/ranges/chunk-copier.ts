import { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import type { AnnouncedChunk, ChunkService } from '../chunks/chunk-service.ts';
import type { ChunkSource } from '../chunks/chunk-source.ts';
import { PULL_SMALL_AT_ONCE, PULL_SMALL_BYTES_MAX } from '../limits.ts';
import type { PutResult, VideoRepository } from '../repository/video-repository.ts';

export type CopiedChunk = AnnouncedChunk & { readonly checksum: number };

/** Copies chunks from other nodes, long ones by way of the chunk service, short ones through buffers of its own. */
export class ChunkCopier {
  readonly #repository: VideoRepository;
  readonly #service: ChunkService;
  readonly #source: ChunkSource;
  readonly #buffers = new BufferPool({ bufferBytes: PULL_SMALL_BYTES_MAX, capacity: PULL_SMALL_AT_ONCE });

  constructor(parts: { repository: VideoRepository; service: ChunkService; source: ChunkSource }) {
    this.#repository = parts.repository;
    this.#service = parts.service;
    this.#source = parts.source;
  }

  /** See `ChunkService.has`. */
  has(chunk: CopiedChunk): Promise<boolean> {
    return this.#service.has(chunk);
  }

  /** Fetches a chunk that is not here and stores it. Rejects as `ChunkService.pull` does. */
  async copy(chunk: CopiedChunk, url: string, signal: AbortSignal): Promise<PutResult> {
    if (chunk.length > PULL_SMALL_BYTES_MAX) return this.#service.pull(chunk, url, signal);
    const { position, id, length, checksum } = chunk;
    const reservation = await this.#repository.reserve(length);
    try {
      const buffer = await this.#buffers.take(signal);
      try {
        const bytes = buffer.bytes.subarray(0, length);
        await this.#source.fetchInto(url, bytes, signal);
        return await this.#repository.put({ position, id, checksum, bytes, reservation });
      } finally {
        buffer.release();
      }
    } finally {
      reservation.release();
    }
  }
}
