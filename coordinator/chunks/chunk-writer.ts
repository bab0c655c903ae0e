import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { NodeClient, OutgoingChunk } from './node-client.ts';

export interface ChunkWriterOptions {
  readonly clock: Clock;
  readonly placement: Placement;
  readonly client: NodeClient;
  /** Longest time one copy may take. */
  readonly copyTimeoutMs: number;
  /** Once a quorum has the chunk, how much longer the remaining copies may take. */
  readonly stragglerTimeoutMs: number;
}

/** What became of a chunk when no copy of it is under way any more. */
export interface WriteOutcome {
  /** Nodes that have the chunk on disk. */
  readonly holders: readonly StorageNode[];
  /** Copies short of R; repair has to make them. */
  readonly missing: number;
}

export interface ChunkWrite {
  /** Resolves when a write quorum has the chunk on disk; rejects when that became impossible. */
  readonly acknowledged: Promise<void>;
  /** Resolves when every copy has been made or given up: only then may the chunk's memory be used again. */
  readonly settled: Promise<WriteOutcome>;
}

/**
 * Stores one chunk on R nodes: its owners, and in place of owners that are down, full or too slow the next nodes
 * of the range's preference order, which keep it as a handoff.
 *
 * 1. Candidates: owners that are up, other nodes that are up, then suspect owners, then other suspects.
 * 2. R copies start at once; each that fails or takes too long is replaced by the next candidate.
 * 3. At W copies the chunk is acknowledged. The stragglers get a little longer, then are replaced as well.
 */
export class ChunkWriter {
  readonly #options: ChunkWriterOptions;

  constructor(options: ChunkWriterOptions) {
    this.#options = options;
  }

  /** Never throws; both promises tell. `signal` gives up what is not acknowledged yet. */
  store(chunk: OutgoingChunk, signal: AbortSignal): ChunkWrite {
    return new CopySet(this.#options, chunk, signal).start();
  }
}

interface Copy {
  readonly node: StorageNode;
  readonly abort: AbortController;
  cancelTimer: () => void;
}

/** The copies of one chunk while they are being made. */
class CopySet {
  readonly #options: ChunkWriterOptions;
  readonly #chunk: OutgoingChunk;
  readonly #signal: AbortSignal;
  readonly #running = new Set<Copy>();
  readonly #holders: StorageNode[] = [];
  readonly #failures: unknown[] = [];
  #candidates: StorageNode[] = [];
  #acknowledged = Promise.withResolvers<void>();
  #settled = Promise.withResolvers<WriteOutcome>();
  #isAcknowledged = false;
  #isRejected = false;

  constructor(options: ChunkWriterOptions, chunk: OutgoingChunk, signal: AbortSignal) {
    this.#options = options;
    this.#chunk = chunk;
    this.#signal = signal;
  }

  start(): ChunkWrite {
    this.#signal.addEventListener('abort', this.#onAbort, { once: true });
    try {
      this.#signal.throwIfAborted();
      this.#candidates = orderCandidates(this.#options.placement, this.#chunk.ref.position);
      this.#fillUp();
    } catch (error) {
      this.#failures.push(error);
      this.#isRejected = true;
      this.#acknowledged.reject(error);
    }
    this.#check();
    return { acknowledged: this.#acknowledged.promise, settled: this.#settled.promise };
  }

  /** Starts copies until as many run or are done as there are replicas. */
  #fillUp(): void {
    while (this.#holders.length + this.#running.size < this.#options.placement.replicas) {
      const node = this.#candidates.shift();
      if (!node) return;
      void this.#copyTo(node);
    }
  }

  async #copyTo(node: StorageNode): Promise<void> {
    const { client, placement, copyTimeoutMs, stragglerTimeoutMs } = this.#options;
    const copy: Copy = { node, abort: new AbortController(), cancelTimer: () => {} };
    this.#running.add(copy);
    this.#limit(copy, this.#isAcknowledged ? stragglerTimeoutMs : copyTimeoutMs);
    try {
      await client.store(node, this.#chunk, copy.abort.signal);
      this.#holders.push(node);
    } catch (error) {
      this.#failures.push(error);
      if (!this.#signal.aborted && codeOf(error) === 'node_failed') {
        placement.reportFailure(node.id, error instanceof Error ? error.message : String(error));
      }
    } finally {
      copy.cancelTimer();
      this.#running.delete(copy);
    }
    if (!this.#isRejected && !this.#signal.aborted) this.#fillUp();
    this.#check();
  }

  #limit(copy: Copy, timeoutMs: number): void {
    copy.cancelTimer();
    copy.cancelTimer = this.#options.clock.after(timeoutMs, () =>
      copy.abort.abort(
        new AppError('node_failed', `Node ${copy.node.id} did not store a chunk within ${timeoutMs} ms.`),
      ),
    );
  }

  #check(): void {
    const { writeQuorum, replicas } = this.#options.placement;
    if (!this.#isAcknowledged && !this.#isRejected) {
      if (this.#holders.length >= writeQuorum) {
        this.#isAcknowledged = true;
        this.#acknowledged.resolve();
        for (const copy of this.#running) this.#limit(copy, this.#options.stragglerTimeoutMs);
      } else if (this.#holders.length + this.#running.size + this.#candidates.length < writeQuorum) {
        this.#isRejected = true;
        this.#acknowledged.reject(quorumError(this.#failures, writeQuorum));
        for (const copy of this.#running) copy.abort.abort();
      }
    }
    if (this.#running.size > 0) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#settled.resolve({
      holders: this.#holders,
      missing: Math.max(0, replicas - this.#holders.length),
    });
  }

  readonly #onAbort = () => {
    if (!this.#isAcknowledged && !this.#isRejected) {
      this.#isRejected = true;
      this.#acknowledged.reject(this.#signal.reason);
    }
    for (const copy of this.#running) copy.abort.abort(this.#signal.reason);
  };
}

function orderCandidates(placement: Placement, position: number): StorageNode[] {
  const owners = placement.ownersOf(position);
  const others = placement.fallbacksOf(position);
  const withHealth = (nodes: readonly StorageNode[], health: string) =>
    nodes.filter((node) => placement.healthOf(node.id) === health);
  return [
    ...withHealth(owners, 'up'),
    ...withHealth(others, 'up'),
    ...withHealth(owners, 'suspect'),
    ...withHealth(others, 'suspect'),
  ];
}

function quorumError(failures: readonly unknown[], writeQuorum: number): AppError {
  if (failures.some((failure) => codeOf(failure) === 'node_full')) {
    return new AppError('insufficient_storage', 'The storage nodes have no room for this upload.', {
      retryable: false,
    });
  }
  return new AppError(
    'write_quorum_unavailable',
    `Fewer than ${writeQuorum} storage nodes can take the data now. Nothing was stored.`,
    { retryable: true, cause: failures.at(-1) },
  );
}

function codeOf(error: unknown): string | undefined {
  return isAppError(error) ? error.code : undefined;
}
