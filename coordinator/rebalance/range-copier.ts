import { AppError } from '../../lib/errors/app-error.ts';
import type { PullProgress } from '../../lib/node-api/schema.ts';
import { type Interval, type NodeInventory, nodeCodeOf } from '../cluster/node-inventory.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { digestOf, listManifests, listNode, missingFrom } from './listing.ts';

export interface RangeCopierOptions {
  readonly inventory: NodeInventory;
  readonly objects: Pick<ObjectRepository, 'chunksBetween' | 'aliveAmong'>;
  readonly placement: Pick<Placement, 'readSourcesOf' | 'healthOf'>;
  /** Whether an operator has said that the node will not come back: nobody waits for it. */
  readonly isGivenUp: (nodeId: string) => boolean;
}

/** One node that is to get one range. */
export interface RangeCopy {
  readonly interval: Interval;
  readonly target: StorageNode;
  /** Nodes that hold the range and answer, the one to be read from first in front. */
  readonly sources: readonly StorageNode[];
  readonly bytesPerSecond: number | undefined;
  /** Chunks fetched at a time. */
  readonly concurrency: number;
}

export interface CopyResult {
  readonly chunks: number;
  readonly bytes: number;
  /** Chunks that a manifest names and that no node at all has. They were lost before; nothing can be copied. */
  readonly lostChunks: number;
}

/** A page of ids in one question to the database. */
const ALIVE_PAGE = 1000;

/**
 * Makes a node hold all of a range, straight from the nodes that hold it.
 *
 * It does when, after the last write under the old owners alone has ended: every chunk that any of the sources holds
 * and that is alive is there, and every chunk that a manifest names in the range is there, wherever it had to be
 * fetched from. Copying is idempotent; what is there is not sent again.
 */
export class RangeCopier {
  readonly #options: RangeCopierOptions;

  constructor(options: RangeCopierOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the target is complete. `onProgress` is given what has been copied so far. Rejects with
   * `node_unreachable` (see NodeInventory), `copy_incomplete`, or the signal's reason; it may be called again.
   */
  async copy(
    { interval, target, sources, bytesPerSecond, concurrency }: RangeCopy,
    onProgress: (chunks: number, bytes: number) => void,
    signal: AbortSignal,
  ): Promise<CopyResult> {
    const { inventory } = this.#options;
    const done = { chunks: 0, bytes: 0 };
    let digest = await this.#commonDigest([target, ...sources], interval, signal);
    if (digest === null) {
      // 1. From each source what the target lacks. All after the first have little to add: their digest says so.
      for (const [index, source] of sources.entries()) {
        if (index > 0 && (await this.#isEqual(target, source, interval, signal))) continue;
        const before = { ...done };
        const take = ({ copied, copiedBytes }: PullProgress) => {
          done.chunks = before.chunks + copied;
          done.bytes = before.bytes + copiedBytes;
          onProgress(done.chunks, done.bytes);
        };
        const options = { source, bytesPerSecond, concurrency };
        try {
          await inventory.pullRange(target, interval, options, take, signal);
        } catch (error) {
          signal.throwIfAborted();
          // What this source could not give may come from another; in the end all has to be there.
          if (isTargetsFault(error)) throw error;
        }
      }
      // 2. What the sources have beyond that: they may have been written to meanwhile, or one had a damaged chunk.
      digest = await this.#commonDigest([target, ...sources], interval, signal);
      if (digest === null) {
        for (const source of sources) {
          const listing = listNode(inventory, source, interval, signal);
          await this.#fetchMissing(listing, target, interval, done, signal);
        }
      }
    }
    // 3. What manifests name, be it only in a handoff on some other node.
    const { objects } = this.#options;
    let lostChunks = 0;
    if (digest === null || digest !== (await digestOf(listManifests(objects, interval)))) {
      lostChunks = await this.#fetchMissing(listManifests(objects, interval), target, interval, done, signal);
    }
    onProgress(done.chunks, done.bytes);
    return { ...done, lostChunks };
  }

  /** The digest that all these nodes have; null when they differ. */
  async #commonDigest(
    nodes: readonly StorageNode[],
    interval: Interval,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { inventory } = this.#options;
    const digests = await Promise.all(nodes.map((node) => inventory.digest(node, interval, signal)));
    const [first] = digests;
    return digests.every(({ digest }) => digest === first!.digest) ? first!.digest : null;
  }

  async #isEqual(
    one: StorageNode,
    other: StorageNode,
    interval: Interval,
    signal: AbortSignal,
  ): Promise<boolean> {
    return (await this.#commonDigest([one, other], interval, signal)) !== null;
  }

  /** Fetches what of `wanted` the target lacks, as far as it is alive; returns how many of these nobody has. */
  async #fetchMissing(
    wanted: AsyncGenerator<ChunkRef>,
    target: StorageNode,
    interval: Interval,
    done: { chunks: number; bytes: number },
    signal: AbortSignal,
  ): Promise<number> {
    const { inventory, objects } = this.#options;
    const present = listNode(inventory, target, interval, signal);
    let lost = 0;
    let page: ChunkRef[] = [];
    const fetchPage = async () => {
      const alive = await objects.aliveAmong(page.map(({ id }) => id));
      for (const chunk of page.filter(({ id }) => alive.has(id))) {
        const outcome = await this.#fetch(chunk, target, signal);
        if (outcome === 'copied') {
          done.chunks += 1;
          done.bytes += chunk.length;
        } else if ((await objects.aliveAmong([chunk.id])).has(chunk.id)) {
          if (outcome !== 'nowhere') throw outcome;
          lost += 1;
        }
      }
      page = [];
    };
    for await (const chunk of missingFrom(wanted, present)) {
      page.push(chunk);
      if (page.length === ALIVE_PAGE) await fetchPage();
    }
    if (page.length > 0) await fetchPage();
    return lost;
  }

  /**
   * From whichever node has it. `nowhere` when every node answers and none does; an error to be thrown when one that
   * might have it does not answer. It may also have been deleted meanwhile.
   */
  async #fetch(
    chunk: ChunkRef,
    target: StorageNode,
    signal: AbortSignal,
  ): Promise<'copied' | 'nowhere' | AppError> {
    const { inventory, placement, isGivenUp } = this.#options;
    const { owners, others } = placement.readSourcesOf(chunk.position);
    let problem: unknown;
    for (const source of [...owners, ...others]) {
      if (source.id === target.id) continue;
      try {
        if (placement.healthOf(source.id) === 'down') {
          throw new AppError<ErrorCode>('node_unreachable', `Node ${source.id} is down.`);
        }
        if (!(await inventory.has(source, chunk, signal))) continue;
        await inventory.pullChunk(target, chunk, source, signal);
        return 'copied';
      } catch (error) {
        signal.throwIfAborted();
        // The target's own trouble is no reason to ask others.
        if (isTargetsFault(error)) throw error;
        if (!isGivenUp(source.id)) problem = error;
      }
    }
    if (problem === undefined) return 'nowhere';
    return new AppError<ErrorCode>(
      'copy_incomplete',
      `Chunk ${chunk.id} is not on any node that answers; a node that does not may have it.`,
      { cause: problem, retryable: true },
    );
  }
}

function isTargetsFault(error: unknown): boolean {
  return ['insufficient_storage', 'disk_failing'].includes(nodeCodeOf(error) ?? '');
}
