import { createHash } from 'node:crypto';
import { formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import type { ChunkEntry, RangeDigestResult } from './video-repository.ts';

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
