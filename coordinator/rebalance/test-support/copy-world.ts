import type { Interval } from '../../cluster/node-inventory.ts';
import type { ReadSources } from '../../cluster/placement.ts';
import type { ChunkRef } from '../../objects/manifest.ts';
import { MemoryNodes } from './memory-nodes.ts';

/** Nodes with one range between them, and manifests in memory. */
export function createCopyWorld(
  ids: readonly string[],
  owners: readonly string[],
  nowMs: () => number = Date.now,
) {
  const nodes = new MemoryNodes({ nowMs });
  for (const id of ids) nodes.add(id);
  /** What committed manifests name. */
  const manifests: ChunkRef[] = [];
  /** Ids of chunks whose objects are open. */
  const open = new Set<string>();
  const objects = {
    async aliveAmong(chunkIds: readonly string[]): Promise<Set<string>> {
      return new Set(chunkIds.filter((id) => open.has(id) || manifests.some((chunk) => chunk.id === id)));
    },
    async chunksBetween(
      { first, last }: Interval,
      { after, limit }: { readonly after: ChunkRef | null; readonly limit: number },
    ): Promise<ChunkRef[]> {
      return manifests
        .filter(({ position }) => position >= first && position <= last)
        .sort((one, other) => one.position - other.position)
        .filter(({ position }) => after === null || position > after.position)
        .slice(0, limit);
    },
    async chunksWithin(intervals: readonly Interval[], limit: number): Promise<ChunkRef[] | null> {
      const found = manifests
        .filter(({ position }) => intervals.some(({ first, last }) => first <= position && position <= last))
        .sort((one, other) => one.position - other.position);
      return found.length > limit ? null : found;
    },
  };
  const readSourcesOf = (): ReadSources => ({
    owners: nodes.nodes.filter(({ id }) => owners.includes(id)),
    others: nodes.nodes.filter(({ id }) => !owners.includes(id)),
  });
  return { nodes, manifests, open, objects, readSourcesOf };
}
