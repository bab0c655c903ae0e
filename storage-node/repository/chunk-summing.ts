import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';
import { AppError, assert } from '../../lib/errors/app-error.ts';
import { CHUNK_ID_PATTERN } from '../../lib/node-api/targets.ts';
import { CHUNK_BYTES_MAX } from '../limits.ts';
import type { ChunkEntry, NewChunk } from './video-repository.ts';

export interface ChunkSums {
  readonly checksum: number;
  readonly blocks: Uint32Array;
}

/** Sums a chunk that is to be stored; throws `checksum_mismatch` when it is not the one that was announced. */
export function sumChunk(chunk: NewChunk): ChunkSums {
  const { position, id, bytes, checksum: expected } = chunk;
  assert(
    position >>> 0 === position && CHUNK_ID_PATTERN.test(id),
    'positions and ids are checked by the caller',
  );
  assert(bytes.length > 0 && bytes.length <= CHUNK_BYTES_MAX, 'lengths are checked by the caller');
  const sums: number[] = [];
  appendBlockChecksums(sums, bytes);
  const blocks = Uint32Array.from(sums);
  const checksum = chunkChecksum(blocks);
  if (expected !== undefined && expected !== checksum) {
    throw new AppError('checksum_mismatch', 'The bytes do not have the checksum that was announced.');
  }
  return { checksum, blocks };
}

/** Whether the stored chunk is the one that is to be stored; throws `chunk_conflict` when it is another one. */
export function assertSame(stored: ChunkEntry, given: { length: number; checksum: number }): void {
  if (stored.length === given.length && stored.checksum === given.checksum) return;
  throw new AppError('chunk_conflict', 'A chunk with this id and other bytes is stored already.');
}
