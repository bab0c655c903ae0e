import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Placement, RingPermit, StorageNode, WriteTargets } from '../cluster/placement.ts';
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
  /** Owners without a copy; repair has to make it, whether or not another node keeps a handoff for them. */
  readonly lacking: readonly StorageNode[];
  /** Copies short of the number that there should be. */
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
 * 2. As many copies as there are owners start at once; each that fails or takes too long is replaced by the next candidate.
 * 3. At W copies the chunk is acknowledged; while its range changes hands, at W of the old and W of the new owners.
 *    A handoff counts for whichever set lacks one. The stragglers get a little longer, then are replaced as well.
 *
 * Each write holds a permit of the ring until it is acknowledged or rejected.
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
  #targets: WriteTargets = { owners: [], sets: [], fallbacks: [] };
  #candidates: StorageNode[] = [];
  #permit: RingPermit | undefined;
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
      const { placement } = this.#options;
      this.#permit = placement.enter();
      this.#targets = placement.writeTargetsOf(this.#chunk.ref.position);
      this.#candidates = orderCandidates(placement, this.#targets);
      this.#fillUp();
    } catch (error) {
      this.#failures.push(error);
      this.#reject(error);
    }
    this.#check();
    return { acknowledged: this.#acknowledged.promise, settled: this.#settled.promise };
  }

  /** Starts copies until as many run or are done as there are owners. */
  #fillUp(): void {
    while (this.#holders.length + this.#running.size < this.#targets.owners.length) {
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
    if (!this.#isAcknowledged && !this.#isRejected) {
      if (this.#hasQuorums(this.#holders)) this.#acknowledge();
      else if (!this.#hasQuorums([...this.#holders, ...this.#runningNodes(), ...this.#candidates])) {
        this.#reject(quorumError(this.#failures, this.#options.placement.writeQuorum));
        for (const copy of this.#running) copy.abort.abort();
      }
    }
    if (this.#running.size > 0) return;
    this.#signal.removeEventListener('abort', this.#onAbort);
    const { owners } = this.#targets;
    this.#settled.resolve({
      holders: this.#holders,
      lacking: owners.filter((node) => !this.#holders.includes(node)),
      missing: Math.max(0, owners.length - this.#holders.length),
    });
  }

  /** Whether copies on these nodes make a quorum of every set; those of other nodes count for each. */
  #hasQuorums(nodes: readonly StorageNode[]): boolean {
    const { owners, sets } = this.#targets;
    const { writeQuorum } = this.#options.placement;
    const handoffs = nodes.filter((node) => !owners.includes(node)).length;
    return sets.every((set) => handoffs + nodes.filter((node) => set.includes(node)).length >= writeQuorum);
  }

  #runningNodes(): StorageNode[] {
    return [...this.#running].map(({ node }) => node);
  }

  #acknowledge(): void {
    // Under a view of the ring that no longer counts, the copies may lie where nobody will look for them.
    if (!this.#permit!.isValid()) {
      this.#reject(
        new AppError(
          'write_quorum_unavailable',
          'This coordinator lost touch with the others. Nothing was stored.',
          {
            retryable: true,
          },
        ),
      );
      for (const copy of this.#running) copy.abort.abort();
      return;
    }
    this.#isAcknowledged = true;
    this.#permit!.leave();
    this.#acknowledged.resolve();
    for (const copy of this.#running) this.#limit(copy, this.#options.stragglerTimeoutMs);
  }

  #reject(error: unknown): void {
    this.#isRejected = true;
    this.#permit?.leave();
    this.#acknowledged.reject(error);
  }

  readonly #onAbort = () => {
    if (!this.#isAcknowledged && !this.#isRejected) this.#reject(this.#signal.reason);
    for (const copy of this.#running) copy.abort.abort(this.#signal.reason);
  };
}

function orderCandidates(placement: Placement, { owners, fallbacks: others }: WriteTargets): StorageNode[] {
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
