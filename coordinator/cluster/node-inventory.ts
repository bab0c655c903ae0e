import type { z } from 'zod';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import {
  chunkEntrySchema,
  DIGESTED_RANGES_MAX,
  type DigestRanges,
  type PullProgress,
  pullProgressSchema,
  type RangeDigest,
  rangeDigestSchema,
  rangeDigestsSchema,
} from '../../lib/node-api/schema.ts';
import {
  chunkTarget,
  formatChecksum,
  formatPosition,
  NEXT_CURSOR_HEADER,
  parseChecksum,
  parsePosition,
  RANGE_DIGESTS_TARGET,
  rangeTarget,
} from '../../lib/node-api/targets.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import {
  CHUNK_COPY_TIMEOUT_MS,
  DIGEST_TIMEOUT_MS,
  DROP_TIMEOUT_MS,
  INVENTORY_PAGE_BYTES_MAX,
  PROBE_BYTES_MAX,
  PROBE_TIMEOUT_MS,
  PULL_IDLE_TIMEOUT_MS,
  PULL_LINE_BYTES_MAX,
} from './limits.ts';
import { codeOf, type NodeRequests, refused, unreachable } from './node-requests.ts';
import type { StorageNode } from './placement.ts';

/** Positions from `first` to `last`, both inclusive. */
export interface Interval {
  readonly first: number;
  readonly last: number;
}

export const WHOLE_RING: Interval = { first: 0, last: 0xffff_ffff };

export interface ListedChunk extends ChunkRef {
  /** Milliseconds since the epoch by the node's clock. */
  readonly createdAtMs: number;
}

export interface InventoryPage {
  readonly chunks: readonly ListedChunk[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

export interface RangePullOptions {
  /** Where to copy from. */
  readonly source: StorageNode;
  /** Go on behind this cursor of an earlier pull. */
  readonly after?: string | null | undefined;
  readonly bytesPerSecond?: number | undefined;
  readonly concurrency?: number | undefined;
}

/**
 * What lies on a storage node, and what is to be done with it. Rejections are `node_unreachable` (with the node's own
 * code as `details.nodeCode`, when it gave one), or the signal's reason.
 */
export interface NodeInventory {
  /** At most `limit` chunks of the interval, by position and id, from behind the cursor. */
  list(
    node: StorageNode,
    interval: Interval,
    page: { after: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<InventoryPage>;
  /** Number, bytes and a digest of what `list` would give. */
  digest(node: StorageNode, interval: Interval, signal: AbortSignal): Promise<RangeDigest>;
  /** The digests of many intervals, in their order. */
  digests(node: StorageNode, intervals: readonly Interval[], signal: AbortSignal): Promise<RangeDigest[]>;
  /** Resolves when the chunk is gone from the node, also if it was never there. */
  delete(node: StorageNode, chunk: Pick<ChunkRef, 'id' | 'position'>, signal: AbortSignal): Promise<void>;
  /** Whether the node has the chunk: in its index, its bytes unread. */
  has(node: StorageNode, chunk: Pick<ChunkRef, 'id' | 'position'>, signal: AbortSignal): Promise<boolean>;
  /**
   * Drops exactly the chunks whose digest that is; nothing, and false, when the node has other ones by now. The
   * request is worthless after `expiresAtMs`, wall clock.
   */
  drop(
    node: StorageNode,
    interval: Interval,
    options: { readonly digest: string; readonly expiresAtMs: number },
    signal: AbortSignal,
  ): Promise<boolean>;
  /**
   * Makes the node copy from another what that one has in the interval and it lacks. Resolves with the last progress;
   * rejects when the node says that it failed, after `onProgress` got its last word.
   */
  pullRange(
    node: StorageNode,
    interval: Interval,
    options: RangePullOptions,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<PullProgress>;
  /** Makes the node copy one chunk from another; resolves when it has it on disk. */
  pullChunk(node: StorageNode, chunk: ChunkRef, source: StorageNode, signal: AbortSignal): Promise<void>;
}

/** NodeInventory over the storage node's HTTP API. */
export class HttpNodeInventory implements NodeInventory {
  readonly #requests: NodeRequests;

  constructor(requests: NodeRequests) {
    this.#requests = requests;
  }

  async list(
    node: StorageNode,
    { first, last }: Interval,
    page: { after: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<InventoryPage> {
    const query = new URLSearchParams({ limit: String(page.limit) });
    if (page.after !== null) query.set('after', page.after);
    const answer = await this.#requests.send(node.url, {
      method: 'GET',
      target: `${rangeTarget(first, last)}?${query}`,
      signed: true,
      timeoutMs: DIGEST_TIMEOUT_MS,
      limitBytes: INVENTORY_PAGE_BYTES_MAX,
      signal,
    });
    if (answer.status !== 200) throw refused(node.url, answer);
    const lines = answer.text.split('\n').filter((line) => line !== '');
    return {
      chunks: lines.map((line) => parseEntry(node, line)),
      nextCursor: answer.header(NEXT_CURSOR_HEADER) ?? null,
    };
  }

  async digest(node: StorageNode, { first, last }: Interval, signal: AbortSignal): Promise<RangeDigest> {
    const answer = await this.#requests.send(node.url, {
      method: 'GET',
      target: `${rangeTarget(first, last)}?digest=1`,
      signed: true,
      timeoutMs: DIGEST_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    if (answer.status !== 200) throw refused(node.url, answer);
    return parseJson(node, answer.text, rangeDigestSchema);
  }

  async digests(
    node: StorageNode,
    intervals: readonly Interval[],
    signal: AbortSignal,
  ): Promise<RangeDigest[]> {
    const digests: RangeDigest[] = [];
    while (digests.length < intervals.length) {
      const part = intervals.slice(digests.length, digests.length + DIGESTED_RANGES_MAX);
      const body: DigestRanges = {
        ranges: part.map(({ first, last }) => `${formatPosition(first)}-${formatPosition(last)}`),
      };
      const answer = await this.#requests.send(node.url, {
        method: 'POST',
        target: RANGE_DIGESTS_TARGET,
        signed: true,
        body,
        timeoutMs: DIGEST_TIMEOUT_MS,
        limitBytes: PROBE_BYTES_MAX,
        signal,
      });
      if (answer.status !== 200) throw refused(node.url, answer);
      const parsed = parseJson(node, answer.text, rangeDigestsSchema);
      if (parsed.digests.length !== part.length) throw unreachable(node.url, 'its answer is incomplete');
      digests.push(...parsed.digests);
    }
    return digests;
  }

  async delete(
    node: StorageNode,
    chunk: Pick<ChunkRef, 'id' | 'position'>,
    signal: AbortSignal,
  ): Promise<void> {
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

  async has(
    node: StorageNode,
    chunk: Pick<ChunkRef, 'id' | 'position'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const answer = await this.#requests.send(node.url, {
      method: 'HEAD',
      target: chunkTarget(chunk.position, chunk.id),
      signed: true,
      timeoutMs: PROBE_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    if (answer.status === 404) return false;
    if (answer.status !== 200) throw refused(node.url, answer);
    return true;
  }

  async drop(
    node: StorageNode,
    { first, last }: Interval,
    options: { readonly digest: string; readonly expiresAtMs: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const answer = await this.#requests.send(node.url, {
      method: 'DELETE',
      target: `${rangeTarget(first, last)}?digest=${options.digest}`,
      signed: true,
      expiresAtMs: options.expiresAtMs,
      timeoutMs: DROP_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    if (answer.status === 409 && codeOf(answer.text) === 'digest_mismatch') return false;
    if (answer.status >= 300) throw refused(node.url, answer);
    return true;
  }

  async pullRange(
    node: StorageNode,
    { first, last }: Interval,
    options: RangePullOptions,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<PullProgress> {
    const { source, after, bytesPerSecond, concurrency } = options;
    let latest: PullProgress | undefined;
    const refusal = await this.#requests.lines(
      node.url,
      {
        method: 'POST',
        target: `${rangeTarget(first, last)}/pull`,
        signed: true,
        body: {
          source: source.url,
          ...(after != null && { after }),
          ...(bytesPerSecond !== undefined && { bytesPerSecond: Math.max(1, Math.round(bytesPerSecond)) }),
          ...(concurrency !== undefined && { concurrency }),
        },
        idleTimeoutMs: PULL_IDLE_TIMEOUT_MS,
        lineBytesMax: PULL_LINE_BYTES_MAX,
        signal,
      },
      (line) => {
        if (line === '') return;
        latest = parseJson(node, line, pullProgressSchema);
        onProgress(latest);
      },
    );
    if (refusal !== undefined) throw refused(node.url, refusal);
    if (latest?.error !== undefined) throw failed(node, latest.error.code, latest.error.detail);
    if (latest?.done !== true) throw unreachable(node.url, 'its progress broke off');
    return latest;
  }

  async pullChunk(
    node: StorageNode,
    { id, position, length, checksum }: ChunkRef,
    source: StorageNode,
    signal: AbortSignal,
  ): Promise<void> {
    const target = chunkTarget(position, id);
    const answer = await this.#requests.send(node.url, {
      method: 'POST',
      target,
      signed: true,
      body: {
        source: this.#requests.urlOf(source.url, target),
        length,
        checksum: formatChecksum(checksum),
      },
      timeoutMs: CHUNK_COPY_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    if (answer.status >= 300) throw failed(node, codeOf(answer.text), `it answered ${answer.status}`);
  }
}

/** The code that a storage node gave for its failure; undefined when the error is none of a node, or it gave none. */
export function nodeCodeOf(error: unknown): string | undefined {
  if (!isAppError(error)) return undefined;
  const code = error.details?.nodeCode;
  return typeof code === 'string' && code !== '' ? code : undefined;
}

function failed(node: StorageNode, nodeCode: string, detail: string): AppError {
  return new AppError<ErrorCode>(
    'node_unreachable',
    `The storage node at ${node.url} could not copy: ${detail}${nodeCode === '' ? '' : ` (${nodeCode})`}.`,
    { details: { nodeCode } },
  );
}

function parseJson<Schema extends z.ZodType>(
  node: StorageNode,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreachable(node.url, 'its answer is not JSON', error);
  }
  const result = schema.safeParse(value);
  if (!result.success) throw unreachable(node.url, 'its answer is not readable', result.error);
  return result.data;
}

function parseEntry(node: StorageNode, line: string): ListedChunk {
  const { id, position, length, checksum, createdAt } = parseJson(node, line, chunkEntrySchema);
  return {
    id,
    position: parsePosition(position)!,
    length,
    checksum: parseChecksum(checksum)!,
    createdAtMs: createdAt,
  };
}
