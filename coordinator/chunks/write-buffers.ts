import { BufferPool, type PooledBuffer } from '../../lib/bytes/buffer-pool.ts';
import type { Clock } from '../../lib/clock/clock.ts';

/** Size of one page; a multiple of the checksum block, so that no block lies on two pages. */
export const PAGE_BYTES = 1024 * 1024;

/** Someone who gathers pages into a chunk and can be asked to send what it has. */
export interface PageHolder {
  /** Pages that lie in an unfinished chunk. */
  readonly heldPages: number;
  /** When the unfinished chunk got its first page, by the monotonic clock. */
  readonly heldSinceMs: number;
  /** Ends the unfinished chunk early and sends it. */
  cutNow(): void;
}

interface Waiter {
  readonly holder: PageHolder;
  readonly resolve: (page: PooledBuffer) => void;
}

/**
 * The memory of all running uploads: a fixed number of pages. An upload that finds none waits; a page that comes
 * back goes to the waiter with the fullest chunk, so that chunks get finished and stay large.
 *
 * Waiting cannot dead-lock: when every page lies in an unfinished chunk, the fullest chunk is cut short and
 * sent. Nor can slow uploads starve the others: while somebody waits, a chunk that has been filling for longer
 * than `slowAfterMs` is cut as well. Shorter chunks are the price of memory pressure, never a stall.
 */
export class WriteBuffers {
  readonly #clock: Clock;
  readonly #pool: BufferPool;
  readonly #slowAfterMs: number;
  readonly #holders = new Set<PageHolder>();
  readonly #waiters: Waiter[] = [];
  #sending = 0;
  #cancelReliefTimer: (() => void) | undefined;

  constructor(options: { clock: Clock; totalBytes: number; slowAfterMs: number }) {
    this.#clock = options.clock;
    this.#slowAfterMs = options.slowAfterMs;
    this.#pool = new BufferPool({
      bufferBytes: PAGE_BYTES,
      capacity: Math.max(2, Math.floor(options.totalBytes / PAGE_BYTES)),
    });
  }

  get freePages(): number {
    return this.#pool.available;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Pages a single chunk may take: never so many that one upload could fill the memory alone. */
  get maxPagesPerChunk(): number {
    return Math.max(1, Math.floor(this.#pool.capacity / 2));
  }

  join(holder: PageHolder): void {
    this.#holders.add(holder);
  }

  /** Also gives up waiting. */
  leave(holder: PageHolder): void {
    this.#holders.delete(holder);
    const index = this.#waiters.findIndex((waiter) => waiter.holder === holder);
    if (index >= 0) this.#waiters.splice(index, 1);
  }

  tryTake(): PooledBuffer | undefined {
    return this.#waiters.length > 0 ? undefined : this.#pool.tryTake();
  }

  /** Calls `resolve` with a page as soon as it is this holder's turn. */
  wait(holder: PageHolder, resolve: (page: PooledBuffer) => void): void {
    this.#waiters.push({ holder, resolve });
    this.#relieve();
  }

  /** The pages of a finished chunk are on their way to the nodes. */
  beginSending(pages: readonly PooledBuffer[]): void {
    this.#sending += pages.length;
  }

  endSending(pages: readonly PooledBuffer[]): void {
    this.#sending -= pages.length;
    this.release(pages);
  }

  release(pages: readonly PooledBuffer[]): void {
    for (const page of pages) page.release();
    this.#serve();
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      const page = this.#pool.tryTake();
      if (!page) break;
      let fullest = 0;
      for (let index = 1; index < this.#waiters.length; index++) {
        if (this.#waiters[index]!.holder.heldPages > this.#waiters[fullest]!.holder.heldPages)
          fullest = index;
      }
      const [waiter] = this.#waiters.splice(fullest, 1);
      waiter!.resolve(page);
    }
    this.#relieve();
  }

  /** Keeps the promise of the class comment whenever somebody waits. */
  #relieve(): void {
    if (this.#waiters.length === 0) return;
    if (this.#sending === 0 && this.#pool.available === 0) {
      let fullest: PageHolder | undefined;
      for (const holder of this.#holders) {
        if (holder.heldPages > (fullest?.heldPages ?? 0)) fullest = holder;
      }
      fullest?.cutNow();
    }
    if (this.#cancelReliefTimer) return;
    this.#cancelReliefTimer = this.#clock.after(this.#slowAfterMs, () => {
      this.#cancelReliefTimer = undefined;
      this.#cutSlow();
      this.#relieve();
    });
  }

  #cutSlow(): void {
    if (this.#waiters.length === 0) return;
    const before = this.#clock.monotonicMs() - this.#slowAfterMs;
    for (const holder of [...this.#holders]) {
      if (holder.heldPages > 0 && holder.heldSinceMs <= before) holder.cutNow();
    }
  }
}
