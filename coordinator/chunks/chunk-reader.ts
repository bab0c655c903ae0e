import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ChunkBody, NodeClient } from './node-client.ts';

export interface ChunkReaderOptions {
  readonly clock: Clock;
  /**
   * A receiver that has not taken a piece for so long keeps no node waiting: the node's answer is given up, and asked
   * for again from that byte once the receiver goes on.
   */
  readonly receiverPauseMs: number;
  readonly placement: Placement;
  readonly client: NodeClient;
  /** How long a node may send nothing before another one takes over; doubled with every further round. */
  readonly stallTimeoutMs: number;
  /** How often the whole list of nodes is tried without a byte from any before the read fails. */
  readonly maxRounds: number;
  /** Called when a node's copy turned out corrupt or missing, for repair and metrics. */
  readonly onBadCopy?: (node: StorageNode, ref: ChunkRef, code: 'chunk_absent' | 'chunk_corrupt') => void;
  /** Called when a read went on at another node after bytes had been sent. */
  readonly onFailover?: (from: StorageNode, ref: ChunkRef) => void;
}

/** Part of one chunk, `first` to `last` inclusive. */
export interface ChunkSlice {
  readonly ref: ChunkRef;
  readonly first: number;
  readonly last: number;
}

/** Reads slices of chunks from whichever nodes have them. */
export class ChunkReader {
  readonly #options: ChunkReaderOptions;
  /** Reads under way per node id; the least busy owner is asked first. */
  readonly #load = new Map<string, number>();

  constructor(options: ChunkReaderOptions) {
    this.#options = options;
  }

  /** Starts to fetch a slice. Resolves when its first byte is at hand; rejects with `chunk_unavailable`. */
  async open(slice: ChunkSlice, signal: AbortSignal | undefined): Promise<SliceReading> {
    const reading = new SliceReading(this.#options, this.#load, slice, signal);
    await reading.openNext();
    return reading;
  }
}

/**
 * One slice on its way. When the node that serves it dies, stalls or finds its copy corrupt, the next node takes
 * over at the byte where it stopped; the consumer sees one uninterrupted run of bytes.
 */
export class SliceReading {
  readonly #options: ChunkReaderOptions;
  readonly #load: Map<string, number>;
  readonly #slice: ChunkSlice;
  readonly #signal: AbortSignal | undefined;
  #next: number;
  #queue: StorageNode[] = [];
  /** Was asked before the round's queue was made. */
  #asked: StorageNode | undefined;
  #round = 0;
  #node: StorageNode | undefined;
  #body: ChunkBody | undefined;

  constructor(
    options: ChunkReaderOptions,
    load: Map<string, number>,
    slice: ChunkSlice,
    signal: AbortSignal | undefined,
  ) {
    this.#options = options;
    this.#load = load;
    this.#slice = slice;
    this.#signal = signal;
    this.#next = slice.first;
  }

  /** Finds a node that serves the slice from the next byte on. */
  async openNext(): Promise<void> {
    for (;;) {
      const node = this.#nextNode();
      this.#enter(node);
      try {
        this.#body = await this.#options.client.open(
          node,
          this.#slice.ref,
          { first: this.#next, last: this.#slice.last },
          { stallTimeoutMs: this.#options.stallTimeoutMs * 2 ** (this.#round - 1), signal: this.#signal },
        );
        return;
      } catch (error) {
        this.#leave();
        this.#note(node, error);
      }
    }
  }

  /**
   * Hands on every byte of the slice in order. What the consumer returns is as for `ChunkBody.pipe`; a rejection of it
   * ends the reading.
   */
  async pipe(consume: (piece: Buffer) => Promise<void> | undefined): Promise<void> {
    for (;;) {
      const body = this.#body!;
      const node = this.#node!;
      const from = this.#next;
      let consuming: Promise<void> | undefined;
      let givenUp = false;
      try {
        await body.pipe((piece) => {
          const taken = consume(piece);
          if (taken === undefined) {
            this.#next += piece.length;
            return undefined;
          }
          const cancelPause = this.#options.clock.after(this.#options.receiverPauseMs, () => {
            givenUp = true;
            this.#leave();
            body.cancel();
          });
          consuming = taken.then(
            () => {
              cancelPause();
              this.#next += piece.length;
            },
            (error) => {
              cancelPause();
              throw error;
            },
          );
          return consuming;
        });
        this.#leave();
        return;
      } catch (error) {
        this.#leave();
        // The connection may have ended while the consumer still took a piece: only then is it known how far
        // the bytes got. If the consumer failed, that is the error to report.
        await consuming;
        if (this.#next > from) {
          this.#round = 0;
          this.#queue = [];
          this.#asked = undefined;
        }
        if (!givenUp) {
          this.#note(node, error);
          this.#options.onFailover?.(node, this.#slice.ref);
        }
        // A connection cut right after its last byte leaves nothing to fetch.
        if (this.#next > this.#slice.last) return;
        await this.openNext();
      }
    }
  }

  cancel(): void {
    this.#body?.cancel();
    this.#leave();
  }

  #nextNode(): StorageNode {
    this.#signal?.throwIfAborted();
    if (this.#asked) {
      this.#queue = this.#candidates().filter((node) => node !== this.#asked);
      this.#asked = undefined;
    }
    if (this.#queue.length === 0) {
      if (this.#round === this.#options.maxRounds) {
        throw new AppError('chunk_unavailable', 'No storage node can serve this data now.', {
          retryable: true,
        });
      }
      this.#round += 1;
      // Nearly always the first one asked has it, and nobody needs the order of the others.
      this.#asked = this.#leastBusyOwner();
      if (this.#asked) return this.#asked;
      this.#queue = this.#candidates();
    }
    return this.#queue.shift()!;
  }

  /** The first of `#candidates`, if it is an owner that is up. */
  #leastBusyOwner(): StorageNode | undefined {
    const { placement } = this.#options;
    let best: StorageNode | undefined;
    for (const node of placement.readSourcesOf(this.#slice.ref.position).owners) {
      if (placement.healthOf(node.id) !== 'up') continue;
      if (!best || this.#loadOf(node) < this.#loadOf(best)) best = node;
    }
    return best;
  }

  /** Owners that are up, least busy first; then other nodes that may hold a handoff; the unhealthy last. */
  #candidates(): StorageNode[] {
    const { placement } = this.#options;
    const { owners, others } = placement.readSourcesOf(this.#slice.ref.position);
    const rank = { up: 0, suspect: 2, down: 4 } as const;
    const scored = [
      ...owners.map((node, order) => ({ node, order, away: 0 })),
      ...others.map((node, order) => ({ node, order, away: 1 })),
    ].map((entry) => ({ ...entry, score: rank[placement.healthOf(entry.node.id)] + entry.away }));
    scored.sort(
      (a, b) =>
        a.score - b.score ||
        (a.away === 0 ? this.#loadOf(a.node) - this.#loadOf(b.node) : 0) ||
        a.order - b.order,
    );
    return scored.map((entry) => entry.node);
  }

  #loadOf(node: StorageNode): number {
    return this.#load.get(node.id) ?? 0;
  }

  #note(node: StorageNode, error: unknown): void {
    this.#signal?.throwIfAborted();
    const code = isAppError(error) ? error.code : 'unknown';
    if (code === 'chunk_absent' || code === 'chunk_corrupt') {
      // A node that never owned the chunk lacks nothing.
      const { owners } = this.#options.placement.readSourcesOf(this.#slice.ref.position);
      if (code === 'chunk_corrupt' || owners.some(({ id }) => id === node.id)) {
        this.#options.onBadCopy?.(node, this.#slice.ref, code);
      }
    } else if (code === 'node_failed') {
      this.#options.placement.reportFailure(node.id, (error as Error).message);
    } else {
      throw error;
    }
  }

  #enter(node: StorageNode): void {
    this.#node = node;
    this.#load.set(node.id, this.#loadOf(node) + 1);
  }

  #leave(): void {
    if (!this.#node) return;
    this.#load.set(this.#node.id, this.#loadOf(this.#node) - 1);
    this.#node = undefined;
    this.#body = undefined;
  }
}
