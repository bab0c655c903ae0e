import { type ListedChunk, type NodeInventory, WHOLE_RING } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import { SCAN_PAGE_CHUNKS } from './limits.ts';

/** A copy that a node lists. */
export interface FoundCopy {
  /** Index into the nodes that are scanned. */
  readonly node: number;
  readonly length: number;
  readonly checksum: number;
}

/** All that any node has between two positions. */
export interface ScanWindow {
  /** Inclusive; windows follow each other without a gap, from 0 to 2^32 - 1. */
  readonly first: number;
  readonly last: number;
  /** By chunk id. */
  readonly chunks: ReadonlyMap<string, FoundChunk>;
}

export interface FoundChunk {
  readonly position: number;
  readonly copies: FoundCopy[];
}

/**
 * Lists all nodes at the same time and merges the lists: every list is ordered by position, so a few pages of each are
 * all that is ever in memory, and a window has every copy of its chunks. Rejects when a node does not answer.
 */
export async function* scanNodes(
  nodes: readonly StorageNode[],
  inventory: Pick<NodeInventory, 'list'>,
  signal: AbortSignal,
  pageChunks = SCAN_PAGE_CHUNKS,
): AsyncGenerator<ScanWindow> {
  const lists = nodes.map((node) => new NodeList(node, inventory, pageChunks));
  for (let first = 0; first <= WHOLE_RING.last; ) {
    // Behind the end of a page there may be more at the same position.
    await Promise.all(lists.map((list) => list.reach(first, signal)));
    const last = Math.min(...lists.map(({ knownTo }) => knownTo));
    const chunks = new Map<string, FoundChunk>();
    for (const [node, list] of lists.entries()) {
      for (const { id, position, length, checksum } of list.takeTo(last)) {
        const found = chunks.get(id) ?? { position, copies: [] };
        found.copies.push({ node, length, checksum });
        chunks.set(id, found);
      }
    }
    yield { first, last, chunks };
    first = last + 1;
  }
}

class NodeList {
  readonly #node: StorageNode;
  readonly #inventory: Pick<NodeInventory, 'list'>;
  readonly #pageChunks: number;
  #buffer: ListedChunk[] = [];
  #cursor: string | null = null;
  #ended = false;

  constructor(node: StorageNode, inventory: Pick<NodeInventory, 'list'>, pageChunks: number) {
    this.#node = node;
    this.#inventory = inventory;
    this.#pageChunks = pageChunks;
  }

  /** Up to this position, inclusive, everything is known. */
  get knownTo(): number {
    return this.#ended ? WHOLE_RING.last : (this.#buffer.at(-1)?.position ?? 0) - 1;
  }

  /** Reads on until everything at the position is known. */
  async reach(position: number, signal: AbortSignal): Promise<void> {
    while (!this.#ended && this.knownTo < position) {
      const page = await this.#inventory.list(
        this.#node,
        WHOLE_RING,
        { after: this.#cursor, limit: this.#pageChunks },
        signal,
      );
      if (page.nextCursor !== null && page.nextCursor === this.#cursor) {
        throw new Error(`The listing of ${this.#node.url} does not end.`);
      }
      this.#buffer = [...this.#buffer, ...page.chunks];
      this.#cursor = page.nextCursor;
      this.#ended = page.nextCursor === null;
    }
  }

  takeTo(position: number): ListedChunk[] {
    const end = this.#buffer.findIndex((chunk) => chunk.position > position);
    return this.#buffer.splice(0, end < 0 ? this.#buffer.length : end);
  }
}
