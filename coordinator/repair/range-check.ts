import type { Interval, NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { digestOf, listManifests, listNode, missingFrom } from '../rebalance/listing.ts';

export interface RangeCheckOptions {
  readonly inventory: Pick<NodeInventory, 'list' | 'digest'>;
  readonly objects: Pick<ObjectRepository, 'chunksBetween'>;
}

/** A chunk that a manifest names and that some owners lack. */
export interface ChunkGap {
  readonly chunk: ChunkRef;
  readonly lacking: readonly StorageNode[];
  /** Owners that have it. */
  readonly holders: readonly StorageNode[];
}

export interface RangeFinding {
  readonly chunks: number;
  readonly bytes: number;
  readonly gaps: readonly ChunkGap[];
}

/**
 * Compares what manifests name in a range with what each of its owners lists: every copy is accounted for. Usually
 * one digest an owner says that all is there; only where it differs, listings are read. Rejects when an owner does
 * not answer: then nothing can be said. A copy that is listed was verified when it was last read or scrubbed.
 */
export async function checkRange(
  { inventory, objects }: RangeCheckOptions,
  interval: Interval,
  owners: readonly StorageNode[],
  signal: AbortSignal,
): Promise<RangeFinding> {
  // 1. The nodes first, the manifests after: what was stored between may be on a node only, which is no gap.
  const digests = await Promise.all(owners.map((owner) => inventory.digest(owner, interval, signal)));
  let chunks = 0;
  let bytes = 0;
  const counted = async function* () {
    for await (const chunk of listManifests(objects, interval)) {
      chunks += 1;
      bytes += chunk.length;
      yield chunk;
    }
  };
  const expected = await digestOf(counted());
  const different = owners.filter((_, index) => digests[index]!.digest !== expected);
  // 2. Where they differ, which chunks? A copy that came meanwhile is not missed: the manifests are read first here.
  const gaps = new Map<string, { chunk: ChunkRef; lacking: StorageNode[] }>();
  for (const owner of different) {
    const named = await collect(listManifests(objects, interval));
    const missing = missingFrom(iterate(named), listNode(inventory, owner, interval, signal));
    for await (const chunk of missing) {
      const gap = gaps.get(chunk.id) ?? { chunk, lacking: [] };
      gap.lacking.push(owner);
      gaps.set(chunk.id, gap);
    }
  }
  return {
    chunks,
    bytes,
    gaps: [...gaps.values()].map(({ chunk, lacking }) => ({
      chunk,
      lacking,
      holders: owners.filter((owner) => !lacking.includes(owner)),
    })),
  };
}

async function collect<Item>(items: AsyncGenerator<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function* iterate<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
