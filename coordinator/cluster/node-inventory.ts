import { z } from 'zod';
import { chunkEntrySchema } from '../../lib/node-api/schema.ts';
import { chunkTarget, NEXT_CURSOR_HEADER, parsePosition, rangeTarget } from '../../lib/node-api/targets.ts';
import { PROBE_BYTES_MAX, PROBE_TIMEOUT_MS, SWEEP_PAGE_BYTES_MAX } from './limits.ts';
import { type NodeRequests, refused, unreachable } from './node-requests.ts';
import type { StorageNode } from './placement.ts';

export interface ListedChunk {
  readonly id: string;
  readonly position: number;
  readonly length: number;
  /** Milliseconds since the epoch by the node's clock. */
  readonly createdAtMs: number;
}

export interface InventoryPage {
  readonly chunks: readonly ListedChunk[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

/** What lies on a storage node. Rejections are `node_unreachable`, or the signal's reason. */
export interface NodeInventory {
  /** At most `limit` chunks of the whole key space, by position and id, from behind the cursor. */
  list(
    node: StorageNode,
    page: { after: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<InventoryPage>;
  /** Resolves when the chunk is gone from the node, also if it was never there. */
  delete(node: StorageNode, chunk: ListedChunk, signal: AbortSignal): Promise<void>;
}

/** NodeInventory over the storage node's HTTP API. */
export class HttpNodeInventory implements NodeInventory {
  readonly #requests: NodeRequests;

  constructor(requests: NodeRequests) {
    this.#requests = requests;
  }

  async list(
    node: StorageNode,
    page: { after: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<InventoryPage> {
    const query = new URLSearchParams({ limit: String(page.limit) });
    if (page.after !== null) query.set('after', page.after);
    const answer = await this.#requests.send(node.url, {
      method: 'GET',
      target: `${rangeTarget(0, 0xffff_ffff)}?${query}`,
      signed: true,
      timeoutMs: PROBE_TIMEOUT_MS,
      limitBytes: SWEEP_PAGE_BYTES_MAX,
      signal,
    });
    if (answer.status !== 200) throw refused(node.url, answer);
    const lines = answer.text.split('\n').filter((line) => line !== '');
    return {
      chunks: lines.map((line) => parseEntry(node, line)),
      nextCursor: answer.header(NEXT_CURSOR_HEADER) ?? null,
    };
  }

  async delete(node: StorageNode, chunk: ListedChunk, signal: AbortSignal): Promise<void> {
    const answer = await this.#requests.send(node.url, {
      method: 'DELETE',
      target: chunkTarget(chunk.position, chunk.id),
      signed: true,
      timeoutMs: PROBE_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    if (answer.status >= 300 && answer.status !== 404) throw refused(node.url, answer);
  }
}

const lineSchema = z
  .string()
  .transform((line, context): unknown => {
    try {
      return JSON.parse(line);
    } catch {
      context.addIssue({ code: 'custom', message: 'not JSON' });
      return z.NEVER;
    }
  })
  .pipe(chunkEntrySchema);

function parseEntry(node: StorageNode, line: string): ListedChunk {
  const result = lineSchema.safeParse(line);
  if (!result.success) throw unreachable(node.url, 'its listing is not readable', result.error);
  const { id, position, length, createdAt } = result.data;
  return { id, position: parsePosition(position)!, length, createdAtMs: createdAt };
}
