import { blockCount } from '../../lib/bytes/checksum.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { chunkFileBytes, SECTOR_BYTES } from './chunk-trailer.ts';
import type { Reservation } from './video-repository.ts';

/** What an index takes that holds nothing: its log and tables under rewriting, and the directories of chunks. */
export const EMPTY_REPOSITORY_BYTES = 8 * 1024 * 1024;
/** Key, head and checksum of an entry, generously. */
const ENTRY_BYTES = 128;
/** An entry may stand in the index twice while tables are rewritten. */
const INDEX_COPIES = 2;
/** Inode and directory entry of a file, generously. */
const FILE_BYTES = 512;

/** What a chunk of that length takes from the capacity, all told. */
export function storedBytes(lengthBytes: number): number {
  if (lengthBytes <= INLINE_BYTES_MAX) return INDEX_COPIES * (ENTRY_BYTES + lengthBytes);
  return fileBytes(lengthBytes) + INDEX_COPIES * (ENTRY_BYTES + blockCount(lengthBytes) * 4);
}

/** What `storedBytes` said when a chunk was stored whose length is not known any more, but what is left of it is. */
export function storedBytesOfDamaged(fileSizeBytes: number | undefined, bodyBytes: number): number {
  if (fileSizeBytes === undefined) return INDEX_COPIES * (ENTRY_BYTES + bodyBytes);
  // Length and sectors have the same number of blocks, since a block is whole sectors.
  return storedBytes(Math.max(fileSizeBytes - SECTOR_BYTES, INLINE_BYTES_MAX + 1));
}

/** What the file of a chunk of that length takes, all told. */
export function fileBytes(lengthBytes: number): number {
  return chunkFileBytes(lengthBytes) + FILE_BYTES;
}

/** Keeps the sum of what is stored and what is reserved within a limit. */
export class Capacity {
  limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Stored and reserved. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Counts what is there already, even beyond the limit. */
  add(bytes: number): void {
    this.#usedBytes += bytes;
  }

  remove(bytes: number): void {
    this.#usedBytes -= bytes;
  }

  /** Throws `insufficient_storage` when the bytes do not fit. */
  reserve(bytes: number): SpaceReservation {
    if (this.#usedBytes + bytes > this.limitBytes) {
      throw new AppError(
        'insufficient_storage',
        'The chunk does not fit into what is left of the capacity.',
        {
          retryable: true,
        },
      );
    }
    this.#usedBytes += bytes;
    return new SpaceReservation(this, bytes);
  }
}

export class SpaceReservation implements Reservation {
  readonly #capacity: Capacity;
  #bytes: number;

  constructor(capacity: Capacity, bytes: number) {
    this.#capacity = capacity;
    this.#bytes = bytes;
  }

  release(): void {
    this.#capacity.remove(this.#bytes);
    this.#bytes = 0;
  }

  /** Turns the reserved bytes into used ones, of which `bytes` are needed; the rest is given back. */
  use(bytes: number): void {
    this.#capacity.remove(this.#bytes - bytes);
    this.#bytes = 0;
  }
}
