import type { Readable } from 'node:stream';
import type { PooledBuffer } from '../../lib/bytes/buffer-pool.ts';
import type { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { PAGE_BYTES, type PageHolder, type WriteBuffers } from './write-buffers.ts';

/** A chunk's bytes before it has a name. Whoever gets it must call `release` once, when no node reads them. */
export interface CutChunk {
  readonly length: number;
  /** The bytes in order; each but the last is a whole page. */
  readonly pages: readonly Buffer[];
  release(): void;
}

export interface CutterOptions {
  readonly clock: Clock;
  readonly buffers: WriteBuffers;
  /** Full length of a chunk; a multiple of the page size. */
  readonly chunkBytes: number;
  /** Of the source. */
  readonly limitBytes: number;
  /** Is given the source's bytes in order, as they are copied. */
  readonly hash: { update(bytes: Buffer): unknown };
  /** Bytes that come before those of the source in the first chunk, shorter than a chunk. */
  readonly prefix?: Buffer | undefined;
  /** A source that breaks off, or is too slow, ends the cut like one that is complete; `interrupted` has the reason. */
  readonly keepsTail?: boolean;
  /** Longest time without a byte from a source that may send. */
  readonly idleTimeoutMs: number;
  /** Told of every piece once it has been copied. */
  readonly garbage: Pick<YoungGarbage, 'add'>;
  /** Takes chunks in order. The source is paused until the promise resolves; a rejection ends the cut. */
  readonly onChunk: (chunk: CutChunk) => Promise<void> | undefined;
}

export interface CutResult {
  /** Bytes of the source that are in the chunks. */
  readonly size: number;
  /** The source's first bytes, at most 4 KiB. */
  readonly head: Buffer;
  /** Why there is not more; absent when the source came to its end. */
  readonly interrupted?: Error;
}

const HEAD_BYTES = 4096;

/**
 * Reads a byte stream into pages, hashing as it goes, and hands them on as chunks. It listens to `data` events
 * and copies: the small buffers that the HTTP parser makes die at once, and memory stays what WriteBuffers allows.
 */
export class ChunkCutter implements PageHolder {
  readonly #source: Readable;
  readonly #options: CutterOptions;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  /** Bytes that came. */
  #size = 0;
  /** Bytes of the source that lie in pages. */
  #filled = 0;
  /** Bytes of the prefix that do not lie in pages yet. */
  #prefixLeft = 0;
  #pages: PooledBuffer[] = [];
  #page: PooledBuffer | undefined;
  #pageFill = 0;
  #rest: Buffer | undefined;
  #waiting = false;
  #holds = 0;
  #ended = false;
  #settled = false;
  #lastDataMs = 0;
  #cancelIdleTimer: (() => void) | undefined;
  #resolve: (result: CutResult) => void = () => {};
  #reject: (error: Error) => void = () => {};
  heldSinceMs = 0;

  constructor(source: Readable, options: CutterOptions) {
    this.#source = source;
    this.#options = options;
  }

  get heldPages(): number {
    return this.#pages.length + (this.#page ? 1 : 0);
  }

  /** Resolves when the source has ended and every chunk was handed on; rejects with the first error that ends the cut. */
  run(signal: AbortSignal): Promise<CutResult> {
    const onAbort = () =>
      this.#breakOff(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    const onData = (piece: Buffer) => this.#onData(piece);
    const onEnd = () => this.#onEnd();
    const onError = (error: Error) => this.#breakOff(incomplete(error));
    const onClose = () => {
      if (!this.#ended) this.#breakOff(incomplete());
    };
    return new Promise<CutResult>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#options.buffers.join(this);
      this.#touch();
      this.#fillPrefix();
      this.#watchIdle(this.#options.idleTimeoutMs);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else if (this.#source.destroyed && !this.#source.readableEnded) onClose();
      this.#source.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    }).finally(() => {
      signal.removeEventListener('abort', onAbort);
      this.#source.off('data', onData).off('end', onEnd).off('close', onClose);
      this.#cancelIdleTimer?.();
      this.#options.buffers.leave(this);
    });
  }

  cutNow(): void {
    if (this.#settled || this.heldPages === 0) return;
    if (this.#page && this.#pageFill > 0) this.#pages.push(this.#page);
    else if (this.#page) this.#options.buffers.release([this.#page]);
    const lastFill = this.#page && this.#pageFill > 0 ? this.#pageFill : PAGE_BYTES;
    this.#page = undefined;
    this.#pageFill = 0;
    if (this.#pages.length > 0) this.#emit(lastFill);
  }

  #onData(piece: Buffer): void {
    if (this.#settled) return;
    this.#touch();
    this.#size += piece.length;
    if (this.#size > this.#options.limitBytes) {
      this.#fail(
        new AppError(
          'body_too_large',
          `The body is longer than the limit of ${this.#options.limitBytes} bytes.`,
          {
            details: { limitBytes: this.#options.limitBytes },
          },
        ),
      );
      return;
    }
    if (this.#headBytes < HEAD_BYTES) {
      const part = Buffer.from(piece.subarray(0, HEAD_BYTES - this.#headBytes));
      this.#head.push(part);
      this.#headBytes += part.length;
    }
    this.#fill(piece);
    this.#options.garbage.add(piece.length);
  }

  /** Copies a piece into pages, cutting chunks as they fill up; keeps what finds no page and pauses. */
  #fill(piece: Buffer): void {
    let offset = 0;
    while (offset < piece.length) {
      if (!this.#page) {
        this.#page = this.#options.buffers.tryTake();
        if (!this.#page) {
          this.#rest = piece.subarray(offset);
          this.#waitForPage();
          return;
        }
        if (this.#pages.length === 0) this.heldSinceMs = this.#options.clock.monotonicMs();
      }
      const copied = piece.copy(this.#page.bytes, this.#pageFill, offset);
      if (this.#prefixLeft > 0) this.#prefixLeft -= copied;
      else {
        this.#options.hash.update(copied === piece.length ? piece : piece.subarray(offset, offset + copied));
        this.#filled += copied;
      }
      offset += copied;
      this.#pageFill += copied;
      if (this.#pageFill === PAGE_BYTES) this.#finishPage();
      if (this.#settled) return;
    }
  }

  /** Before the first byte of the source. */
  #fillPrefix(): void {
    const { prefix } = this.#options;
    if (prefix === undefined || prefix.length === 0) return;
    this.#prefixLeft = prefix.length;
    this.#fill(prefix);
  }

  #finishPage(): void {
    this.#pages.push(this.#page!);
    this.#page = undefined;
    this.#pageFill = 0;
    const maxPages = Math.min(this.#options.chunkBytes / PAGE_BYTES, this.#options.buffers.maxPagesPerChunk);
    if (this.#pages.length >= maxPages) this.#emit(PAGE_BYTES);
  }

  #emit(lastFill: number): void {
    const { buffers } = this.#options;
    const held = this.#pages;
    this.#pages = [];
    const pages = held.map((page, index) =>
      index === held.length - 1 ? page.bytes.subarray(0, lastFill) : page.bytes,
    );
    let released = false;
    buffers.beginSending(held);
    const chunk: CutChunk = {
      length: (held.length - 1) * PAGE_BYTES + lastFill,
      pages,
      release: () => {
        if (released) return;
        released = true;
        buffers.endSending(held);
      },
    };
    const taken = this.#options.onChunk(chunk);
    if (!taken) return;
    this.#hold();
    taken.then(
      () => this.#unhold(),
      (error: Error) => this.#fail(error),
    );
  }

  #waitForPage(): void {
    this.#waiting = true;
    this.#hold();
    this.#options.buffers.wait(this, (page) => {
      this.#waiting = false;
      if (this.#settled) {
        this.#options.buffers.release([page]);
        return;
      }
      this.#page = page;
      if (this.#pages.length === 0) this.heldSinceMs = this.#options.clock.monotonicMs();
      const rest = this.#rest!;
      this.#rest = undefined;
      this.#fill(rest);
      this.#unhold();
    });
  }

  /** The source is paused while there is at least one reason to. */
  #hold(): void {
    this.#holds += 1;
    this.#source.pause();
  }

  #unhold(): void {
    this.#holds -= 1;
    if (this.#settled || this.#holds > 0) return;
    this.#touch();
    if (this.#ended) this.#finish();
    else this.#source.resume();
  }

  #onEnd(): void {
    this.#ended = true;
    if (this.#holds === 0) this.#finish();
  }

  #finish(): void {
    if (this.#settled || this.#waiting) return;
    this.#cutLast();
    if (this.#settled) return;
    this.#settled = true;
    this.#resolve({ size: this.#filled, head: Buffer.concat(this.#head) });
  }

  #touch(): void {
    this.#lastDataMs = this.#options.clock.monotonicMs();
  }

  /** Time spent paused by us does not count against the source. */
  #watchIdle(delayMs: number): void {
    this.#cancelIdleTimer = this.#options.clock.after(delayMs, () => {
      if (this.#holds > 0) this.#touch();
      const idleMs = this.#options.clock.monotonicMs() - this.#lastDataMs;
      if (idleMs >= this.#options.idleTimeoutMs - 1) {
        this.#breakOff(new AppError('request_timeout', `No data came for ${Math.round(idleMs)} ms.`));
      } else {
        this.#watchIdle(this.#options.idleTimeoutMs - idleMs);
      }
    });
  }

  /** What came last and found no page is lost. */
  #breakOff(error: Error): void {
    if (this.#settled) return;
    if (!this.#options.keepsTail) {
      this.#fail(error);
      return;
    }
    this.#cutLast();
    if (this.#settled) return;
    this.#settled = true;
    this.#resolve({ size: this.#filled, head: Buffer.concat(this.#head), interrupted: error });
  }

  /** A prefix alone is nothing new, and is dropped. */
  #cutLast(): void {
    if (this.#filled > 0) this.cutNow();
    this.#dropPages();
  }

  #fail(error: Error): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#dropPages();
    this.#reject(error);
  }

  #dropPages(): void {
    if (this.#page) this.#options.buffers.release([this.#page]);
    this.#options.buffers.release(this.#pages);
    this.#page = undefined;
    this.#pages = [];
  }
}

function incomplete(cause?: Error): AppError<'incomplete_body'> {
  return new AppError('incomplete_body', 'The body ended before it was complete.', cause ? { cause } : {});
}
