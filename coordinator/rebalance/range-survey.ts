import type { RangeDigest } from '../../lib/node-api/schema.ts';
import type { Interval, NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { SURVEY_CHUNKS_MAX } from './limits.ts';
import { digestOf } from './listing.ts';

/** A range, and the nodes whose copies of it matter. Intervals of one survey do not overlap. */
export interface SurveyedRange {
  readonly interval: Interval;
  readonly nodes: readonly StorageNode[];
}

export interface Survey {
  /** By node, in the order of `nodes`; null for one that did not answer. */
  readonly digests: readonly (RangeDigest | null)[];
  /** What manifests name there; null when it was not asked for or is too much to be looked at together. */
  readonly named: RangeDigest | null;
}

export interface RangeSurveyOptions {
  readonly inventory: Pick<NodeInventory, 'digests'>;
  readonly objects: Pick<ObjectRepository, 'chunksWithin'>;
}

/**
 * Looks at many ranges for the price of a few requests: one a node, one for the database. Most ranges hold little, or
 * are as they should be, and need no other look. The nodes are asked first and the manifests after: what was stored
 * between may be on a node only. Rejects with the signal's reason, or when the database fails.
 */
export async function surveyRanges(
  { inventory, objects }: RangeSurveyOptions,
  ranges: readonly SurveyedRange[],
  signal: AbortSignal,
): Promise<Survey[]> {
  const digests = await digestsOf(inventory, ranges, signal);
  signal.throwIfAborted();
  const named = await manifestDigests(objects, ranges, digests);
  return ranges.map((_, index) => ({ digests: digests[index]!, named: named[index]! }));
}

/** Whether all the nodes answered, and hold exactly what manifests name. */
export function isComplete({ digests, named }: Survey): boolean {
  return named !== null && digests.every((digest) => digest?.digest === named.digest);
}

/** One request a node. Null where it failed. */
export async function digestsOf(
  inventory: Pick<NodeInventory, 'digests'>,
  ranges: readonly SurveyedRange[],
  signal: AbortSignal,
): Promise<(RangeDigest | null)[][]> {
  const asked = new Map<string, { node: StorageNode; intervals: Interval[] }>();
  for (const { interval, nodes } of ranges) {
    for (const node of nodes) {
      const question = asked.get(node.id) ?? { node, intervals: [] };
      question.intervals.push(interval);
      asked.set(node.id, question);
    }
  }
  const answers = new Map<string, Map<Interval, RangeDigest>>();
  await Promise.all(
    [...asked.values()].map(async ({ node, intervals }) => {
      // Whoever needs this node's answer asks again, and says what is wrong.
      const digests = await inventory.digests(node, intervals, signal).catch(() => []);
      answers.set(node.id, new Map(digests.map((digest, index) => [intervals[index]!, digest])));
    }),
  );
  return ranges.map(({ interval, nodes }) => nodes.map(({ id }) => answers.get(id)!.get(interval) ?? null));
}

async function manifestDigests(
  objects: Pick<ObjectRepository, 'chunksWithin'>,
  ranges: readonly SurveyedRange[],
  digests: readonly (readonly (RangeDigest | null)[])[],
): Promise<(RangeDigest | null)[]> {
  const results: (RangeDigest | null)[] = ranges.map(() => null);
  // What the nodes hold says about how much there is.
  let room = SURVEY_CHUNKS_MAX;
  const looked = ranges.flatMap(({ interval }, index) => {
    const held = digests[index]!.filter((digest) => digest !== null);
    const count = Math.max(0, ...held.map((digest) => digest.count));
    if (held.length < digests[index]!.length || count > room) return [];
    room -= count;
    return [{ interval, index }];
  });
  if (looked.length === 0) return results;
  const chunks = await objects.chunksWithin(
    looked.map(({ interval }) => interval),
    2 * SURVEY_CHUNKS_MAX,
  );
  if (chunks === null) return results;
  looked.sort((a, b) => a.interval.first - b.interval.first);
  let next = 0;
  for (const { interval, index } of looked) {
    const from = next;
    while (next < chunks.length && chunks[next]!.position <= interval.last) next++;
    results[index] = await digestOfList(chunks.slice(from, next));
  }
  return results;
}

async function digestOfList(chunks: readonly ChunkRef[]): Promise<RangeDigest> {
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  return { count: chunks.length, bytes, digest: await digestOf(chunks) };
}
