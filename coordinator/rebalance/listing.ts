import { createHash } from 'node:crypto';
import { formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import type { Interval, ListedChunk, NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { COMPARE_PAGE_CHUNKS } from './limits.ts';

/** Everything a node lists in the interval, in order, fetched page by page. */
export async function* listNode(
  inventory: Pick<NodeInventory, 'list'>,
  node: StorageNode,
  interval: Interval,
  signal: AbortSignal,
): AsyncGenerator<ListedChunk> {
  let after: string | null = null;
  for (;;) {
    const page = await inventory.list(node, interval, { after, limit: COMPARE_PAGE_CHUNKS }, signal);
    yield* page.chunks;
    if (page.nextCursor === null) return;
    if (page.nextCursor === after) throw new Error('the listing does not end');
    after = page.nextCursor;
  }
}

/** Everything that committed manifests name in the interval, in the same order. */
export async function* listManifests(
  objects: Pick<ObjectRepository, 'chunksBetween'>,
  interval: Interval,
): AsyncGenerator<ChunkRef> {
  let after: ChunkRef | null = null;
  for (;;) {
    const page: ChunkRef[] = await objects.chunksBetween(interval, { after, limit: COMPARE_PAGE_CHUNKS });
    yield* page;
    if (page.length < COMPARE_PAGE_CHUNKS) return;
    after = page.at(-1)!;
  }
}

/** What the first listing has and the second lacks, or has with other contents. Both are in order; neither is kept. */
export async function* missingFrom<Chunk extends ChunkRef>(
  wanted: AsyncGenerator<Chunk>,
  present: AsyncGenerator<ChunkRef>,
): AsyncGenerator<Chunk> {
  let candidate = await present.next();
  for await (const chunk of wanted) {
    while (!candidate.done && compare(candidate.value, chunk) < 0) candidate = await present.next();
    const isThere =
      !candidate.done &&
      compare(candidate.value, chunk) === 0 &&
      candidate.value.length === chunk.length &&
      candidate.value.checksum === chunk.checksum;
    if (!isThere) yield chunk;
  }
}

/** By position, then by the bytes of the id, which is plain ASCII. */
function compare(one: ChunkRef, other: ChunkRef): number {
  if (one.position !== other.position) return one.position - other.position;
  return one.id < other.id ? -1 : Number(one.id > other.id);
}

/** The digest that a storage node gives for exactly these chunks; see `rangeDigestSchema`. */
export async function digestOf(chunks: AsyncIterable<ChunkRef> | Iterable<ChunkRef>): Promise<string> {
  const hash = createHash('sha256');
  for await (const { position, id, length, checksum } of chunks) {
    hash.update(`${formatPosition(position)} ${id} ${length} ${formatChecksum(checksum)}\n`);
  }
  return hash.digest('hex');
}
