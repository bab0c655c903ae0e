import { createHash } from 'node:crypto';
import { AppError } from '../../lib/errors/app-error.ts';
import { formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import type { ChunkEntry, RangeDigestResult } from './video-repository.ts';

/** Throws `digest_mismatch` when a range's digest is not the one that was expected. */
export function assertDigest(current: RangeDigestResult, expected: string): void {
  if (current.digest === expected) return;
  throw new AppError('digest_mismatch', 'The range does not hold the chunks of that digest.', {
    details: { ...current },
  });
}

/** Computes a range's digest from its entries, given in listing order. */
export class RangeDigester {
  readonly #hash = createHash('sha256');
  #count = 0;
  #bytes = 0;

  add(entry: ChunkEntry): void {
    const { position, id, length, checksum } = entry;
    this.#hash.update(`${formatPosition(position)} ${id} ${length} ${formatChecksum(checksum)}\n`);
    this.#count++;
    this.#bytes += length;
  }

  result(): RangeDigestResult {
    return { count: this.#count, bytes: this.#bytes, digest: this.#hash.digest('hex') };
  }
}
