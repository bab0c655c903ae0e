import type { CoordinatorClient } from './coordinator-client.ts';
import { persistently, Refused } from './coordinator-client.ts';
import { READ_AHEAD_BYTES, READ_BYTES_MIN, READ_CACHE_BYTES, TRANSFER_RETRY_MS } from './limits.ts';
import type { SourceReader } from './task-context.ts';

interface Span {
  readonly first: number;
  /** Behind the last. */
  readonly end: number;
  readonly bytes: Promise<Uint8Array>;
}

/**
 * The bytes of a video over HTTP, by ranges. Who reads on where it has read before gets larger ranges, and the next one is
 * fetched ahead; several places may be read by turns. Memory is bounded.
 */
export class HttpSource implements SourceReader {
  readonly sizeBytes: number;
  readonly #client: Pick<CoordinatorClient, 'read'>;
  readonly #url: () => string;
  readonly #signal: AbortSignal;
  /** Used last at the end. */
  #spans: Span[] = [];

  /** `url` says where the bytes are now: addresses expire. */
  constructor(options: {
    readonly client: Pick<CoordinatorClient, 'read'>;
    readonly sizeBytes: number;
    readonly url: () => string;
    readonly signal: AbortSignal;
  }) {
    this.#client = options.client;
    this.sizeBytes = options.sizeBytes;
    this.#url = options.url;
    this.#signal = options.signal;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(offset + length, this.sizeBytes);
    const pieces: Uint8Array[] = [];
    for (let at = offset; at < end; ) {
      const span = this.#spanAt(at, end - at);
      const bytes = await span.bytes;
      const piece = bytes.subarray(at - span.first, Math.min(end, span.end) - span.first);
      pieces.push(piece);
      at += piece.length;
    }
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  }

  #spanAt(offset: number, wanted: number): Span {
    const known = this.#spans.find((span) => span.first <= offset && offset < span.end);
    if (known !== undefined) {
      this.#touch(known);
      const isNearEnd = offset + wanted > known.end - (known.end - known.first) / 2;
      if (isNearEnd && known.end - known.first >= READ_AHEAD_BYTES) this.#fetchAhead(known.end);
      return known;
    }
    const follows = this.#spans.some((span) => span.end === offset);
    const bytes = Math.max(wanted, follows ? READ_AHEAD_BYTES : READ_BYTES_MIN);
    // One read may be as long as it likes; it is asked for in pieces that fit.
    return this.#fetch(offset, Math.min(bytes, READ_AHEAD_BYTES));
  }

  #fetchAhead(offset: number): void {
    if (offset >= this.sizeBytes) return;
    if (this.#spans.some((span) => span.first <= offset && offset < span.end)) return;
    this.#fetch(offset, READ_AHEAD_BYTES);
  }

  #fetch(first: number, length: number): Span {
    const end = Math.min(first + length, this.sizeBytes);
    const span: Span = { first, end, bytes: this.#load(first, end - 1) };
    // What nobody waits for yet may fail unheard, and is asked for again.
    span.bytes.catch(() => this.#forget(span));
    this.#spans.push(span);
    let kept = this.#spans.reduce((sum, one) => sum + one.end - one.first, 0);
    while (kept > READ_CACHE_BYTES && this.#spans.length > 1) {
      const oldest = this.#spans.shift()!;
      kept -= oldest.end - oldest.first;
    }
    return span;
  }

  #load(first: number, last: number): Promise<Uint8Array> {
    const work = async () => {
      try {
        return await this.#client.read(this.#url(), first, last, this.#signal);
      } catch (error) {
        // A new address comes with the next heartbeat.
        if (error instanceof Refused && (error.status === 401 || error.status === 403)) {
          throw new Error('the address of the source has expired', { cause: error });
        }
        throw error;
      }
    };
    return persistently(work, { maxMs: TRANSFER_RETRY_MS, signal: this.#signal });
  }

  #touch(span: Span): void {
    this.#spans.push(...this.#spans.splice(this.#spans.indexOf(span), 1));
  }

  #forget(span: Span): void {
    this.#spans = this.#spans.filter((one) => one !== span);
  }
}
