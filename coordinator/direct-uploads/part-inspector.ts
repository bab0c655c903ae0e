import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { PART_NODES_MAX } from '../../lib/node-api/part-claims.ts';
import { forEachLimited } from '../cluster/for-each-limited.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { chunkOf, type DirectUpload, lengthOf, type PartAttempt } from './direct-upload.ts';
import { COPIES_AT_ONCE } from './limits.ts';
import type { PartNodes, StatedChunk } from './part-nodes.ts';

export interface PartInspectorOptions {
  readonly placement: Placement;
  readonly nodes: PartNodes;
  readonly inventory: Pick<NodeInventory, 'pullChunk' | 'delete'>;
  readonly logger: Logger;
}

/** A part, and whether it is stored. */
export interface InspectedPart {
  readonly index: number;
  /** The chunk that a quorum of its owners has on disk; null: the part is missing. */
  readonly chunk: ChunkRef | null;
  /** Whether some owner lacks it, which repair has to see to. */
  readonly isShort: boolean;
}

/** One attempt of a part, and which nodes have it. */
interface Candidate {
  readonly index: number;
  readonly id: string;
  readonly position: number;
  readonly nodeId: string;
  readonly length: number;
  readonly owners: readonly StorageNode[];
  readonly sets: readonly (readonly StorageNode[])[];
  /** Those that took the part in the place of an owner, if any did. */
  readonly fallbacks: readonly StorageNode[];
  readonly copies: Map<StorageNode, StatedChunk>;
}

/**
 * Looks which parts of an upload are stored, under the ring as it is now. A part counts as stored by the same rule as a
 * chunk that a coordinator writes: a quorum of each set of owners has it on disk, and the look was taken under a permit,
 * so that no step of the ring can end between the look and what it is taken for.
 */
export class PartInspector {
  readonly #options: PartInspectorOptions;

  constructor(options: PartInspectorOptions) {
    this.#options = options;
  }

  /**
   * One answer a part, in the order of `indexes`.
   *
   * 1. Asks the owners of every attempt, and the node that was to take it from the client; where these have too few
   *    copies, the nodes that were to stand in for an owner as well.
   * 2. What the bytes are is for that node to say, for everybody else got them from there. While it does not answer, all
   *    copies have to agree. Copies that are anything else do not count, and with `mend` they are deleted.
   * 3. With `mend`, owners that lack a part are told to fetch it where that makes a quorum.
   *
   * Rejects with `write_quorum_unavailable` when this coordinator lost touch with the others meanwhile.
   */
  async inspect(
    upload: DirectUpload,
    indexes: readonly number[],
    attempts: readonly PartAttempt[],
    { mend }: { readonly mend: boolean },
    signal: AbortSignal,
  ): Promise<InspectedPart[]> {
    const permit = this.#options.placement.enter();
    try {
      const candidates = attempts.map((attempt) => this.#candidateOf(upload, attempt));
      await this.#look(candidates, ({ owners, nodeId }) => [...owners, ...this.#nodesOf(nodeId)], signal);
      for (const candidate of candidates) await this.#settleContents(candidate, mend, signal);
      const short = candidates.filter((candidate) => candidate.copies.size > 0 && !this.#isStored(candidate));
      await this.#look(short, ({ fallbacks }) => fallbacks, signal);
      for (const candidate of short) await this.#settleContents(candidate, mend, signal);
      if (mend) {
        const thin = candidates.filter(
          (candidate) => candidate.copies.size > 0 && !this.#isStored(candidate),
        );
        await forEachLimited(thin, COPIES_AT_ONCE, (candidate) => this.#spread(candidate, signal));
      }
      if (!permit.isValid()) {
        throw new AppError<ErrorCode>(
          'write_quorum_unavailable',
          'This coordinator lost touch with the others. Ask again.',
          { retryable: true },
        );
      }
      const stored = new Map<number, Candidate>();
      for (const candidate of candidates) {
        if (this.#isStored(candidate)) stored.set(candidate.index, candidate);
      }
      return indexes.map((index) => describe(index, stored.get(index)));
    } finally {
      permit.leave();
    }
  }

  #candidateOf(upload: DirectUpload, attempt: PartAttempt): Candidate {
    const { index, nodeId } = attempt;
    const { id, position } = chunkOf(upload, attempt);
    const { owners, sets, fallbacks } = this.#options.placement.writeTargetsOf(position);
    return {
      ...{ index, id, position, nodeId, length: lengthOf(upload, index), owners, sets, copies: new Map() },
      fallbacks: fallbacks.slice(0, PART_NODES_MAX),
    };
  }

  #nodesOf(nodeId: string): StorageNode[] {
    return this.#options.placement.nodes().filter(({ id }) => id === nodeId);
  }

  /** Asks of each candidate those of the nodes that were not found to have it. */
  async #look(
    candidates: readonly Candidate[],
    nodesOf: (candidate: Candidate) => readonly StorageNode[],
    signal: AbortSignal,
  ): Promise<void> {
    const { placement, nodes, logger } = this.#options;
    const wanted = new Map<StorageNode, Candidate[]>();
    for (const candidate of candidates) {
      for (const node of new Set(nodesOf(candidate))) {
        if (candidate.copies.has(node)) continue;
        if (placement.healthOf(node.id) === 'down') continue;
        const list = wanted.get(node) ?? [];
        list.push(candidate);
        wanted.set(node, list);
      }
    }
    const ask = async ([node, list]: [StorageNode, Candidate[]]) => {
      try {
        const stated = await nodes.stat(node, list, signal);
        for (const [place, candidate] of list.entries()) {
          const chunk = stated[place];
          if (chunk) candidate.copies.set(node, chunk);
        }
      } catch (error) {
        signal.throwIfAborted();
        logger.debug({ err: error, nodeId: node.id }, 'a node does not say which parts it has');
      }
    };
    await Promise.all([...wanted].map(ask));
  }

  /** Leaves only copies of the same bytes. */
  async #settleContents(candidate: Candidate, mend: boolean, signal: AbortSignal): Promise<void> {
    const { copies, nodeId, length } = candidate;
    const taken = [...copies].find(([node]) => node.id === nodeId)?.[1];
    const [first] = copies.values();
    const isAgreed = [...copies.values()].every((copy) => isSame(copy, first));
    const right = taken ?? (isAgreed ? first : undefined);
    for (const [node, copy] of [...copies]) {
      if (right !== undefined && isSame(copy, right) && copy.length === length) continue;
      copies.delete(node);
      if (mend) await this.#remove(node, candidate, signal);
    }
  }

  async #remove(node: StorageNode, { id, position }: Candidate, signal: AbortSignal): Promise<void> {
    const { inventory, logger } = this.#options;
    logger.warn(
      { nodeId: node.id, chunkId: id },
      'a node has other bytes of a part than the node that took it',
    );
    await inventory.delete(node, { id, position }, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      logger.warn({ err: error, nodeId: node.id }, 'a wrong copy of a part could not be removed');
    });
  }

  async #spread(candidate: Candidate, signal: AbortSignal): Promise<void> {
    const { placement, inventory, logger } = this.#options;
    const chunk = refOf(candidate);
    const lacking = candidate.owners.filter(
      (node) => !candidate.copies.has(node) && placement.healthOf(node.id) === 'up',
    );
    const fetch = async (node: StorageNode) => {
      for (const [source, copy] of [...candidate.copies]) {
        try {
          await inventory.pullChunk(node, chunk, source, signal);
          candidate.copies.set(node, copy);
          return;
        } catch (error) {
          signal.throwIfAborted();
          logger.debug({ err: error, nodeId: node.id, chunkId: chunk.id }, 'a part could not be copied');
        }
      }
    };
    await Promise.all(lacking.map(fetch));
  }

  #isStored({ owners, sets, copies }: Candidate): boolean {
    const { writeQuorum } = this.#options.placement;
    const holders = [...copies.keys()];
    const handoffs = holders.filter((node) => !owners.includes(node)).length;
    return (
      holders.length > 0 &&
      sets.every((set) => handoffs + holders.filter((node) => set.includes(node)).length >= writeQuorum)
    );
  }
}

function describe(index: number, candidate: Candidate | undefined): InspectedPart {
  if (candidate === undefined) return { index, chunk: null, isShort: false };
  const isShort = candidate.owners.some((node) => !candidate.copies.has(node));
  return { index, chunk: refOf(candidate), isShort };
}

function refOf({ id, position, copies }: Candidate): ChunkRef {
  const [{ length, checksum }] = copies.values() as unknown as [StatedChunk];
  return { id, position, length, checksum };
}

function isSame(one: StatedChunk | undefined, other: StatedChunk | undefined): boolean {
  return one?.length === other?.length && one?.checksum === other?.checksum;
}
