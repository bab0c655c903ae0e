import type { ChunkRef } from '../objects/manifest.ts';

interface Entry {
  readonly ref: ChunkRef;
  isAcknowledged: boolean;
}

/**
 * Of chunks that are acknowledged in any order, notes those that have no gap before them: `persist` is called with them in
 * order, with one batch at a time, and what it was called with is never taken back. After the first failure, of a
 * chunk or of `persist`, nothing more is noted.
 */
export class DurablePrefix {
  readonly #persist: (chunks: readonly ChunkRef[]) => Promise<void>;
  /** The first batch has at least so many bytes. */
  readonly #firstBytesMin: number;
  readonly #queue: Entry[] = [];
  #isOpen: boolean;
  #isPersisting = false;
  #hasFailed = false;
  #failure: unknown;
  #persistedBytes = 0;
  /** Chunks that `persist` was called with, whether it succeeded or not. */
  readonly #named = new Set<string>();
  readonly #waiting = new Set<() => void>();

  /** While it is not `isOpen`, nothing is noted; see `open`. */
  constructor(options: {
    readonly persist: (chunks: readonly ChunkRef[]) => Promise<void>;
    readonly firstBytesMin: number;
    readonly isOpen: boolean;
  }) {
    this.#persist = options.persist;
    this.#firstBytesMin = options.firstBytesMin;
    this.#isOpen = options.isOpen;
  }

  /** Bytes that `persist` has noted. */
  get persistedBytes(): number {
    return this.#persistedBytes;
  }

  /** Whether the chunk was given to `persist`, so that it may be noted. */
  wasNamed({ id }: ChunkRef): boolean {
    return this.#named.has(id);
  }

  /** Notes the chunk once the promise has resolved and its turn has come. */
  add(ref: ChunkRef, acknowledged: Promise<unknown>): void {
    // There is a gap before it.
    if (this.#hasFailed) return;
    const entry: Entry = { ref, isAcknowledged: false };
    this.#queue.push(entry);
    acknowledged.then(
      () => {
        entry.isAcknowledged = true;
        void this.#pump();
      },
      (error: unknown) => {
        // Those before it may still come through.
        const place = this.#queue.indexOf(entry);
        if (place >= 0) this.#queue.splice(place);
        this.#fail(error);
      },
    );
  }

  /** Lets chunks be noted from now on. */
  open(): void {
    this.#isOpen = true;
    void this.#pump();
  }

  /** Resolves when every chunk that was added is noted; rejects when one cannot be, once no batch is under way. */
  async drain(): Promise<void> {
    while (this.#isPersisting || (this.#queue.length > 0 && !this.#hasFailed)) {
      const woken = Promise.withResolvers<void>();
      this.#waiting.add(woken.resolve);
      await woken.promise;
      this.#waiting.delete(woken.resolve);
    }
    if (this.#hasFailed) throw this.#failure;
  }

  async #pump(): Promise<void> {
    if (this.#isPersisting || !this.#isOpen) return;
    this.#isPersisting = true;
    try {
      for (let batch = this.#nextBatch(); batch.length > 0; batch = this.#nextBatch()) {
        for (const { id } of batch) this.#named.add(id);
        await this.#persist(batch);
        this.#persistedBytes += bytesOf(batch);
        this.#queue.splice(0, batch.length);
      }
    } catch (error) {
      this.#queue.length = 0;
      this.#fail(error);
    } finally {
      this.#isPersisting = false;
      for (const wake of this.#waiting) wake();
    }
  }

  #nextBatch(): ChunkRef[] {
    const end = this.#queue.findIndex(({ isAcknowledged }) => !isAcknowledged);
    const batch = (end < 0 ? this.#queue : this.#queue.slice(0, end)).map(({ ref }) => ref);
    return this.#persistedBytes === 0 && bytesOf(batch) < this.#firstBytesMin ? [] : batch;
  }

  #fail(error: unknown): void {
    if (!this.#hasFailed) this.#failure = error;
    this.#hasFailed = true;
    for (const wake of this.#waiting) wake();
  }
}

function bytesOf(chunks: readonly ChunkRef[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}
