import type { ByteClient } from '../../lib/byte-client/byte-client.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { isQuorum, type PartClaims } from '../../lib/node-api/part-claims.ts';
import { chunkTarget, formatChecksum } from '../../lib/node-api/targets.ts';
import { type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import { PART_COPY_TIMEOUT_MS, PART_STRAGGLER_TIMEOUT_MS, SIGNATURE_LIFETIME_S } from '../limits.ts';

const ANSWER_BYTES_MAX = 16 * 1024;

export interface CopiedPart {
  readonly position: number;
  readonly id: string;
  readonly length: number;
  readonly checksum: number;
  readonly claims: PartClaims;
  /** Where the others get the bytes. */
  readonly sourceUrl: string;
}

export interface PartCopiesOptions {
  readonly client: Pick<ByteClient, 'request'>;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Copy {
  readonly abort: AbortController;
  cancelTimer: () => void;
}

/**
 * Copies of a part that is on this node's disk already. As many nodes as are to have it are asked at once to fetch it;
 * each that fails is replaced by the next that the claims name.
 */
export class PartCopies {
  /** Resolves with the number of copies when a quorum has one on disk; rejects with `write_quorum_unavailable`. */
  readonly acknowledged: Promise<number>;
  /** Resolves when no copy is under way: then nobody needs the source any more. */
  readonly settled: Promise<void>;
  readonly #options: PartCopiesOptions;
  readonly #part: CopiedPart;
  readonly #candidates: (readonly [string, number])[];
  readonly #running = new Map<Copy, number>();
  readonly #holders: number[];
  readonly #acknowledgement = Promise.withResolvers<number>();
  readonly #end = Promise.withResolvers<void>();
  #isDecided = false;

  constructor(options: PartCopiesOptions, part: CopiedPart) {
    this.#options = options;
    this.#part = part;
    this.#candidates = [...part.claims.others];
    this.#holders = [part.claims.nodeSets];
    this.acknowledged = this.#acknowledgement.promise;
    this.settled = this.#end.promise;
    this.acknowledged.catch(() => {});
    this.#fillUp();
    this.#check();
  }

  #fillUp(): void {
    while (this.#holders.length + this.#running.size < this.#part.claims.copies) {
      const candidate = this.#candidates.shift();
      if (candidate === undefined) return;
      void this.#copyTo(candidate);
    }
  }

  async #copyTo([url, sets]: readonly [string, number]): Promise<void> {
    const copy: Copy = { abort: new AbortController(), cancelTimer: () => {} };
    this.#running.set(copy, sets);
    this.#limit(copy, PART_COPY_TIMEOUT_MS);
    try {
      await this.#askToFetch(url, copy.abort.signal);
      this.#holders.push(sets);
    } catch (error) {
      this.#options.logger.debug({ err: error, chunkId: this.#part.id, url }, 'a part was not copied');
    } finally {
      copy.cancelTimer();
      this.#running.delete(copy);
    }
    this.#fillUp();
    this.#check();
  }

  async #askToFetch(url: string, signal: AbortSignal): Promise<void> {
    const { client, key, clock } = this.#options;
    const { position, id, length, checksum, sourceUrl } = this.#part;
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + SIGNATURE_LIFETIME_S;
    const target = signTarget(key, { method: 'POST', target: chunkTarget(position, id), expiresAtS });
    const response = await client.request({
      method: 'POST',
      url: url + target,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ source: sourceUrl, length, checksum: formatChecksum(checksum) }),
      idleTimeoutMs: PART_COPY_TIMEOUT_MS,
      signal,
    });
    const text = await response.text(ANSWER_BYTES_MAX);
    if (response.status >= 300) throw new Error(`it answered ${response.status}: ${text}`);
  }

  #limit(copy: Copy, timeoutMs: number): void {
    copy.cancelTimer();
    copy.cancelTimer = this.#options.clock.after(timeoutMs, () =>
      copy.abort.abort(new Error(`no copy within ${timeoutMs} ms`)),
    );
  }

  #check(): void {
    const { claims } = this.#part;
    if (!this.#isDecided) {
      const possible = [
        ...this.#holders,
        ...this.#running.values(),
        ...this.#candidates.map(([, sets]) => sets),
      ];
      if (isQuorum(claims, this.#holders)) {
        this.#isDecided = true;
        this.#acknowledgement.resolve(this.#holders.length);
        for (const copy of this.#running.keys()) this.#limit(copy, PART_STRAGGLER_TIMEOUT_MS);
      } else if (!isQuorum(claims, possible)) {
        this.#isDecided = true;
        this.#acknowledgement.reject(
          new AppError('write_quorum_unavailable', 'Too few nodes can take the part now. Send it again.', {
            retryable: true,
          }),
        );
        for (const copy of this.#running.keys()) copy.abort.abort(new Error('too few nodes are left'));
      }
    }
    if (this.#running.size === 0) this.#end.resolve();
  }
}
