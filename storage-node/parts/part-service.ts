import type { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { PartClaims } from '../../lib/node-api/part-claims.ts';
import type { StoredPart } from '../../lib/node-api/schema.ts';
import { chunkTarget, formatChecksum } from '../../lib/node-api/targets.ts';
import { signTarget } from '../../lib/signing/signed-url.ts';
import { PARTS_WAITING_MAX, SIGNATURE_LIFETIME_S } from '../limits.ts';
import type { VideoRepository } from '../repository/video-repository.ts';
import { PartCopies, type PartCopiesOptions } from './part-copies.ts';
import type { PartOffers } from './part-offers.ts';

export interface PartServiceOptions extends PartCopiesOptions {
  readonly repository: VideoRepository;
  /** Memory of the parts that are here and not yet with the others. */
  readonly buffers: BufferPool;
  readonly offers: PartOffers;
}

export interface IncomingPart {
  readonly position: number;
  readonly id: string;
  readonly claims: PartClaims;
  readonly checksum: number | undefined;
  /** Fills a buffer of exactly the claimed length, and rejects when the bytes are not what the client says. */
  readonly fill: (into: Buffer) => Promise<void>;
}

/** Takes parts of direct uploads from clients, and hands them on to the chunk's other owners. */
export class PartService {
  readonly #options: PartServiceOptions;
  #waiting = 0;

  constructor(options: PartServiceOptions) {
    this.#options = options;
  }

  /**
   * 1. Claims the room, and waits for a buffer. Nothing is read before.
   * 2. Stores the part here. A chunk is written once: other bytes with its id are refused with `chunk_conflict`.
   * 3. Has the other owners fetch it: from memory what was just stored, and from the disk what had been stored before,
   *    which alone is known to be what this node has.
   *
   * Resolves when a quorum has it on disk. Whatever it rejects with, sending the part again is right.
   */
  async receive(part: IncomingPart, signal: AbortSignal): Promise<StoredPart> {
    const { repository, offers } = this.#options;
    const { position, id, claims, fill } = part;
    const reservation = await repository.reserve(claims.length);
    try {
      const buffer = await this.#takeBuffer(signal);
      let held: Promise<void> = Promise.resolve();
      try {
        const bytes = buffer.bytes.subarray(0, claims.length);
        await fill(bytes);
        const result = await repository.put({ position, id, checksum: part.checksum, bytes, reservation });
        const { length, checksum } = (await repository.stat(position, id)) ?? gone();
        const offer = result === 'created' ? offers.offer(bytes) : undefined;
        const sourceUrl = claims.nodeUrl + (offer?.target ?? this.#storedTarget(position, id));
        const chunk = { position, id, length, checksum, claims, sourceUrl };
        const copies = new PartCopies(this.#options, chunk);
        held = copies.settled.then(() => offer?.withdraw());
        return { result, copies: await copies.acknowledged, checksum: formatChecksum(checksum) };
      } finally {
        void held.then(() => buffer.release());
      }
    } finally {
      reservation.release();
    }
  }

  async #takeBuffer(signal: AbortSignal) {
    const { buffers } = this.#options;
    const free = buffers.tryTake();
    if (free !== undefined) return free;
    if (this.#waiting >= PARTS_WAITING_MAX) {
      throw new AppError('too_busy', 'This node receives as many parts as it can.', { retryable: true });
    }
    this.#waiting += 1;
    try {
      return await buffers.take(signal);
    } finally {
      this.#waiting -= 1;
    }
  }

  #storedTarget(position: number, id: string): string {
    const { key, clock } = this.#options;
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + SIGNATURE_LIFETIME_S;
    return signTarget(key, { method: 'GET', target: chunkTarget(position, id), expiresAtS });
  }
}

function gone(): never {
  throw new AppError('chunk_not_found', 'The upload was removed meanwhile.', { retryable: false });
}
