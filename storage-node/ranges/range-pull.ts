import type { Clock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { PullProgress, PullRange } from '../../lib/node-api/schema.ts';
import { chunkTarget } from '../../lib/node-api/targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { ChunkService } from '../chunks/chunk-service.ts';
import type { ChunkSource } from '../chunks/chunk-source.ts';
import { Pacer } from '../pacer.ts';
import { type ListedChunk, PeerNode } from './peer-node.ts';

export interface RangePullParts {
  readonly service: ChunkService;
  readonly source: ChunkSource;
  readonly key: SigningKey;
  readonly clock: Clock;
}

/**
 * Copies what another node has in a range and this one lacks.
 *
 * The listing is walked in order by a few workers, each with one chunk at a time. The cursor stands behind the
 * last chunk up to which all are here, so a pull that goes on behind it misses none. Copying is idempotent: a
 * chunk that is here with the same checksum is not fetched again. One that the source deleted in the meantime is
 * passed over.
 */
export class RangePull {
  readonly #parts: RangePullParts;
  readonly #request: PullRange;
  readonly #peer: PeerNode;
  readonly #pacer: Pacer;
  readonly #done = new Set<number>();
  readonly #started: ListedChunk[] = [];
  #finished = 0;
  #copied = 0;
  #copiedBytes = 0;
  #present = 0;
  #cursor: string | null;

  constructor(request: PullRange, parts: RangePullParts) {
    this.#parts = parts;
    this.#request = request;
    this.#peer = new PeerNode(request.source, parts);
    this.#pacer = new Pacer(parts.clock, request.bytesPerSecond);
    this.#cursor = request.after ?? null;
  }

  /** Where the pull stands now. */
  get progress(): PullProgress {
    return {
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      present: this.#present,
      cursor: this.#cursor,
    };
  }

  /**
   * Runs to the end. Rejects with the first failure, after every worker has stopped: `source_failed`,
   * `source_stalled`, `checksum_mismatch` (the source's bytes are not what it lists), `chunk_conflict`,
   * `insufficient_storage`, `disk_failing`, or the signal's reason.
   */
  async run(first: number, last: number, signal: AbortSignal): Promise<void> {
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    const listing = this.#peer.list(first, last, this.#request.after, either);
    const workers = Array.from({ length: this.#request.concurrency }, async () => {
      try {
        await this.#work(listing, either);
      } catch (error) {
        failure.abort(error);
      }
    });
    await Promise.all(workers);
    signal.throwIfAborted();
    failure.signal.throwIfAborted();
  }

  async #work(listing: AsyncGenerator<ListedChunk>, signal: AbortSignal): Promise<void> {
    for (;;) {
      const next = await listing.next();
      if (next.done) return;
      signal.throwIfAborted();
      const sequence = this.#finished + this.#started.push(next.value) - 1;
      await this.#copy(next.value, signal);
      this.#finish(sequence);
    }
  }

  async #copy(chunk: ListedChunk, signal: AbortSignal): Promise<void> {
    const { service } = this.#parts;
    if (await service.has(chunk)) {
      this.#present++;
      return;
    }
    await this.#pacer.admit(chunk.length, signal);
    try {
      const url = this.#peer.urlOf(chunkTarget(chunk.position, chunk.id));
      const result = await service.pull(chunk, url, signal);
      if (result === 'exists') {
        this.#present++;
        return;
      }
    } catch (error) {
      if (isAppError(error) && error.code === 'source_missing') return;
      throw error;
    }
    this.#copied++;
    this.#copiedBytes += chunk.length;
  }

  /** Moves the cursor over every chunk that is done, up to the first that is not. */
  #finish(sequence: number): void {
    this.#done.add(sequence);
    while (this.#done.delete(this.#finished)) {
      this.#cursor = this.#started.shift()!.name;
      this.#finished++;
    }
  }
}
