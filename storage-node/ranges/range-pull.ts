import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { PullProgress, PullRange } from '../../lib/node-api/schema.ts';
import { chunkTarget } from '../../lib/node-api/targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { ChunkSource } from '../chunks/chunk-source.ts';
import { Slots } from '../chunks/slots.ts';
import {
  PULL_FAILED_NAMED_MAX,
  PULL_FAILURES_IN_A_ROW_MAX,
  PULL_SMALL_AT_ONCE,
  PULL_SMALL_BYTES_MAX,
} from '../limits.ts';
import { Pacer } from '../pacer.ts';
import type { ChunkCopier } from './chunk-copier.ts';
import { type ListedChunk, PeerNode } from './peer-node.ts';

export interface RangePullParts {
  readonly copier: ChunkCopier;
  readonly source: ChunkSource;
  readonly key: SigningKey;
  readonly clock: Clock;
  /** Called with the length of each chunk that was copied. */
  readonly onCopied?: (bytes: number) => void;
}

/** What became of a chunk; an error says why there is no copy of it that could be taken. */
type Outcome = 'copied' | 'present' | 'gone' | AppError;

/**
 * Copies what another node has in a range and this one lacks.
 *
 * The listing is walked in order by workers, each with one chunk at a time. The cursor stands behind the last chunk
 * up to which all are dealt with, so a pull that goes on behind it misses none. Copying is idempotent: a chunk that
 * is here with the same checksum is not fetched again. One that the source deleted in the meantime is passed over, and
 * so is, as a failure, one of which it has no sound copy; that the source itself fails ends the pull.
 */
export class RangePull {
  readonly #parts: RangePullParts;
  readonly #request: PullRange;
  readonly #peer: PeerNode;
  readonly #pacer: Pacer;
  /** Holders of long chunks. */
  readonly #longOnes: Slots;
  readonly #done = new Set<number>();
  readonly #started: ListedChunk[] = [];
  #finished = 0;
  #copied = 0;
  #copiedBytes = 0;
  #present = 0;
  #failed = 0;
  #failuresInARow = 0;
  readonly #failedChunks: string[] = [];
  #cursor: string | null;

  constructor(request: PullRange, parts: RangePullParts) {
    this.#parts = parts;
    this.#request = request;
    this.#peer = new PeerNode(request.source, parts);
    this.#pacer = new Pacer(parts.clock, request.bytesPerSecond);
    this.#longOnes = new Slots(request.concurrency);
    this.#cursor = request.after ?? null;
  }

  /** Where the pull stands now. */
  get progress(): PullProgress {
    return {
      copied: this.#copied,
      copiedBytes: this.#copiedBytes,
      present: this.#present,
      failed: this.#failed,
      failedChunks: [...this.#failedChunks],
      cursor: this.#cursor,
    };
  }

  /**
   * Runs to the end. Rejects with the first failure that is not a single chunk's, after every worker has stopped:
   * `source_failed`, `source_stalled`, `checksum_mismatch` or `chunk_conflict` (chunk after chunk is not what the
   * source lists), `insufficient_storage`, `disk_failing`, or the signal's reason.
   */
  async run(first: number, last: number, signal: AbortSignal): Promise<void> {
    // A failure keeps workers from beginning anything new; what they have begun may still move the cursor.
    const failure = new AbortController();
    const listing = this.#peer.list(
      first,
      last,
      this.#request.after,
      AbortSignal.any([signal, failure.signal]),
    );
    const workers = Array.from({ length: PULL_SMALL_AT_ONCE }, async () => {
      try {
        await this.#work(listing, signal, failure.signal);
      } catch (error) {
        failure.abort(error);
      }
    });
    await Promise.all(workers);
    signal.throwIfAborted();
    failure.signal.throwIfAborted();
  }

  async #work(listing: AsyncGenerator<ListedChunk>, signal: AbortSignal, failed: AbortSignal): Promise<void> {
    for (;;) {
      const next = await listing.next();
      if (next.done || failed.aborted) return;
      signal.throwIfAborted();
      const chunk = next.value;
      const sequence = this.#finished + this.#started.push(chunk) - 1;
      const outcome = await this.#copyOne(chunk, signal);
      this.#count(chunk, outcome);
      this.#finish(sequence);
    }
  }

  async #copyOne(chunk: ListedChunk, signal: AbortSignal): Promise<Outcome> {
    if (chunk.length <= PULL_SMALL_BYTES_MAX) return this.#copy(chunk, signal);
    const leave = await this.#longOnes.take(signal);
    try {
      return await this.#copy(chunk, signal);
    } finally {
      leave();
    }
  }

  async #copy(chunk: ListedChunk, signal: AbortSignal): Promise<Outcome> {
    try {
      if (await this.#parts.copier.has(chunk)) return 'present';
      await this.#pacer.admit(chunk.length, signal);
      return await this.#fetch(chunk, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (isAppError(error) && concernsOneChunk(error)) return error;
      throw naming(chunk, error);
    }
  }

  /**
   * A connection that is cut in the middle of a chunk may mean that its source just found it damaged, or that the
   * source is gone; another attempt tells. It also gives bytes that were garbled on the way a second chance.
   */
  async #fetch(chunk: ListedChunk, signal: AbortSignal): Promise<Outcome> {
    const { copier } = this.#parts;
    const target = chunkTarget(chunk.position, chunk.id);
    let firstFailure: AppError | undefined;
    for (;;) {
      try {
        const result = await copier.copy(chunk, this.#peer.urlOf(target), signal);
        return result === 'created' ? 'copied' : 'present';
      } catch (error) {
        if (signal.aborted || !isAppError(error)) throw error;
        if (error.code === 'source_missing') return firstFailure ?? 'gone';
        if (firstFailure || !isWorthAnotherAttempt(error)) throw error;
        firstFailure = error;
      }
    }
  }

  #count(chunk: ListedChunk, outcome: Outcome): void {
    if (outcome instanceof AppError) {
      this.#failed++;
      if (this.#failedChunks.length < PULL_FAILED_NAMED_MAX) this.#failedChunks.push(chunk.id);
      // That a source finds its copy damaged is honest; that what it lists is not what it sends is another matter.
      const isDishonest = outcome.code === 'checksum_mismatch' || outcome.code === 'chunk_conflict';
      if (isDishonest) this.#failuresInARow++;
      if (this.#failuresInARow >= PULL_FAILURES_IN_A_ROW_MAX) throw naming(chunk, outcome);
      return;
    }
    if (outcome === 'gone') return;
    this.#failuresInARow = 0;
    if (outcome === 'present') {
      this.#present++;
      return;
    }
    this.#copied++;
    this.#copiedBytes += chunk.length;
    this.#parts.onCopied?.(chunk.length);
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

function isWorthAnotherAttempt({ code, details }: AppError): boolean {
  return code === 'checksum_mismatch' || (code === 'source_failed' && details.sourceCode === undefined);
}

/** Whether other chunks of the source may be fine. */
function concernsOneChunk({ code, details }: AppError): boolean {
  if (code === 'checksum_mismatch' || code === 'chunk_conflict') return true;
  return code === 'source_failed' && details.sourceCode === 'chunk_corrupt';
}

function naming({ name }: ListedChunk, error: unknown): unknown {
  if (!isAppError(error)) return error;
  const { code, retryable, details, message } = error;
  return new AppError(code, `${message} It was about chunk ${name}.`, { cause: error, retryable, details });
}
