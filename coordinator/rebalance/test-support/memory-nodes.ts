import { createHash } from 'node:crypto';
import { AppError } from '../../../lib/errors/app-error.ts';
import { positionOf } from '../../../lib/hashring/index.ts';
import type { NodeStats, PullProgress, RangeDigest } from '../../../lib/node-api/schema.ts';
import { formatChecksum, formatPosition } from '../../../lib/node-api/targets.ts';
import type { ChunkBody, NodeClient, OutgoingChunk } from '../../chunks/node-client.ts';
import type {
  Interval,
  InventoryPage,
  ListedChunk,
  NodeInventory,
  RangePullOptions,
} from '../../cluster/node-inventory.ts';
import type { NodeIdentity, NodeProbe } from '../../cluster/node-probe.ts';
import type { StorageNode } from '../../cluster/placement.ts';
import type { ChunkRef } from '../../objects/manifest.ts';

export type NodeFault = 'none' | 'dead' | 'hang' | 'full';

export interface MemoryNode extends StorageNode {
  readonly chunks: Map<string, ListedChunk>;
  /** Chunks whose bytes are not what the index says; found out, and set aside, when they are read. */
  readonly corrupt: Set<string>;
  fault: NodeFault;
  /** Answers that are to be wrong: the next digest is none, the next listing lacks its first chunk. */
  lies: { digests: number; listings: number };
  capacityBytes: number;
  weight: number;
}

export interface MemoryNodesOptions {
  /** How long the next request or answer is on its way. Default: no time at all. */
  readonly latencyMs?: () => number;
  /** How much longer the next chunk to be stored takes until it arrives. Default: nothing. */
  readonly storeDelayMs?: () => number;
  /** How long a request to a node that hangs waits for an answer. */
  readonly timeoutMs?: number;
  /** The nodes' wall clock. Default: the machine's. */
  readonly nowMs?: () => number;
}

/**
 * Storage nodes in memory, with faults and delays, as coordinators see them. A request that is given up may take effect
 * all the same, as it would in a network; a drop does not once its lifetime is over.
 */
export class MemoryNodes implements NodeInventory, NodeProbe, NodeClient {
  readonly nodes: MemoryNode[] = [];
  /** Pairs of nodes, `from to`, that cannot reach each other. */
  readonly cuts = new Set<string>();
  /** What happened, in words. */
  readonly calls: string[] = [];
  onDrop: (node: MemoryNode, chunks: readonly ListedChunk[]) => void = () => {};
  readonly #options: MemoryNodesOptions;

  constructor(options: MemoryNodesOptions = {}) {
    this.#options = options;
  }

  add(id: string, options: Partial<Pick<MemoryNode, 'zone' | 'capacityBytes' | 'weight'>> = {}): MemoryNode {
    const node: MemoryNode = {
      id,
      url: `http://${id}:7000`,
      zone: options.zone ?? 'default',
      chunks: new Map(),
      corrupt: new Set(),
      fault: 'none',
      lies: { digests: 0, listings: 0 },
      capacityBytes: options.capacityBytes ?? 1e12,
      weight: options.weight ?? 1,
    };
    this.nodes.push(node);
    return node;
  }

  at(id: string): MemoryNode {
    return this.nodes.find((node) => node.id === id)!;
  }

  /** Puts chunks on the nodes, as if they had been stored there. */
  put(ids: readonly string[], ...chunks: readonly ChunkRef[]): void {
    for (const id of ids) for (const chunk of chunks) this.#add(this.at(id), chunk);
  }

  /** Ids of the nodes that have a sound copy. */
  holdersOf(chunkId: string): string[] {
    return this.nodes.filter((node) => node.chunks.has(chunkId) && !node.corrupt.has(chunkId)).map(idOf);
  }

  cut(one: string, other: string): void {
    this.cuts.add(`${one} ${other}`).add(`${other} ${one}`);
  }

  // NodeProbe

  async health(url: string): Promise<NodeIdentity> {
    const node = await this.#meet({ url }, undefined);
    return { nodeId: node.id };
  }

  async stats(url: string): Promise<NodeStats> {
    const node = await this.#meet({ url }, undefined);
    return {
      nodeId: node.id,
      clusterId: null,
      startedAt: new Date(0).toISOString(),
      capacityBytes: node.capacityBytes,
      usedBytes: usedBytes(node),
      chunkCount: node.chunks.size,
      quarantinedCount: 0,
      disk: 'ok',
    };
  }

  async claim(url: string): Promise<void> {
    await this.#meet({ url }, undefined);
  }

  // NodeClient

  async store(at: StorageNode, chunk: OutgoingChunk, signal: AbortSignal): Promise<void> {
    const stored = this.#store(at, chunk.ref);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    aborted.catch(() => {});
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    try {
      await Promise.race([stored, aborted]);
      await this.#travel(signal);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #store(at: StorageNode, chunk: ChunkRef): Promise<void> {
    await wait(this.#options.storeDelayMs?.() ?? 0, undefined);
    const node = await this.#meet(at, undefined, 'node_failed');
    if (node.fault === 'full') throw new AppError('node_full', `${node.id} is full`);
    this.#add(node, chunk);
  }

  open(): Promise<ChunkBody> {
    throw new Error('not used');
  }

  // NodeInventory

  async list(
    at: StorageNode,
    interval: Interval,
    page: { after: string | null; limit: number },
    signal: AbortSignal,
  ): Promise<InventoryPage> {
    const node = await this.#meet(at, signal);
    let all = listOf(node, interval);
    if (node.lies.listings > 0 && all.length > 0) {
      node.lies.listings--;
      all = all.slice(1);
    }
    const behind = page.after === null ? all : all.filter((chunk) => nameOf(chunk) > page.after!);
    const chunks = behind.slice(0, page.limit);
    await this.#travel(signal);
    return { chunks, nextCursor: behind.length > page.limit ? nameOf(chunks.at(-1)!) : null };
  }

  async digest(at: StorageNode, interval: Interval, signal: AbortSignal): Promise<RangeDigest> {
    const node = await this.#meet(at, signal);
    const result = digestOfList(listOf(node, interval));
    await this.#travel(signal);
    if (node.lies.digests > 0) {
      node.lies.digests--;
      return { ...result, digest: createHash('sha256').update(`a lie of ${node.id}`).digest('hex') };
    }
    return result;
  }

  async digests(
    at: StorageNode,
    intervals: readonly Interval[],
    signal: AbortSignal,
  ): Promise<RangeDigest[]> {
    const node = await this.#meet(at, signal);
    const results = intervals.map((interval) => digestOfList(listOf(node, interval)));
    await this.#travel(signal);
    if (node.lies.digests === 0) return results;
    node.lies.digests--;
    const digest = createHash('sha256').update(`a lie of ${node.id}`).digest('hex');
    return results.map((result) => ({ ...result, digest }));
  }

  async delete(
    at: StorageNode,
    { id }: Pick<ChunkRef, 'id' | 'position'>,
    signal?: AbortSignal,
  ): Promise<void> {
    const node = await this.#meet(at, signal);
    remove(node, id);
    await this.#travel(signal);
  }

  async has(
    at: StorageNode,
    { id }: Pick<ChunkRef, 'id' | 'position'>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const node = await this.#meet(at, signal);
    const isThere = node.chunks.has(id);
    await this.#travel(signal);
    return isThere;
  }

  async drop(
    at: StorageNode,
    interval: Interval,
    { digest, expiresAtMs }: { readonly digest: string; readonly expiresAtMs: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    this.calls.push(`drop ${at.id}`);
    const node = await this.#meet(at, signal);
    if ((this.#options.nowMs ?? Date.now)() > expiresAtMs) throw refusal(node, 'signature_expired');
    const chunks = listOf(node, interval);
    const isSame = digestOfList(chunks).digest === digest;
    if (isSame) {
      if (chunks.length > 0) this.onDrop(node, chunks);
      for (const { id } of chunks) remove(node, id);
    }
    await this.#travel(signal);
    return isSame;
  }

  async pullRange(
    at: StorageNode,
    interval: Interval,
    { source: from }: RangePullOptions,
    onProgress: (progress: PullProgress) => void,
    signal: AbortSignal,
  ): Promise<PullProgress> {
    this.calls.push(`pull ${at.id} from ${from.id}`);
    const node = await this.#meet(at, signal);
    const none = { failed: 0, failedChunks: [], cursor: null };
    const progress = { copied: 0, copiedBytes: 0, present: 0, ...none };
    let isDone = false;
    try {
      for (const chunk of listOf(await this.#meetFrom(node, from, signal), interval)) {
        if (node.chunks.has(chunk.id)) progress.present++;
        else if (await this.#copy(node, from, chunk, signal)) {
          progress.copied++;
          progress.copiedBytes += chunk.length;
        }
        onProgress({ ...progress });
      }
      isDone = true;
    } finally {
      if (!isDone) onProgress({ ...progress });
    }
    return { ...progress, done: true };
  }

  async pullChunk(at: StorageNode, chunk: ChunkRef, from: StorageNode, signal: AbortSignal): Promise<void> {
    const node = await this.#meet(at, signal);
    if (!node.chunks.has(chunk.id) && !(await this.#copy(node, from, chunk, signal))) {
      throw refusal(node, 'source_missing');
    }
  }

  /** False when the source does not have the chunk any more. */
  async #copy(node: MemoryNode, from: StorageNode, chunk: ChunkRef, signal: AbortSignal): Promise<boolean> {
    const source = await this.#meetFrom(node, from, signal);
    if (!source.chunks.has(chunk.id)) return false;
    if (source.corrupt.has(chunk.id)) {
      remove(source, chunk.id);
      throw refusal(node, 'checksum_mismatch');
    }
    await this.#travel(signal);
    if (node.fault === 'dead' || node.fault === 'hang') throw refusal(node, '');
    if (node.fault === 'full' || usedBytes(node) + chunk.length > node.capacityBytes) {
      throw refusal(node, 'insufficient_storage');
    }
    this.#add(node, chunk);
    return true;
  }

  /** The other node as this one reaches it. */
  async #meetFrom(node: MemoryNode, from: StorageNode, signal: AbortSignal): Promise<MemoryNode> {
    if (this.cuts.has(`${node.id} ${from.id}`)) throw refusal(node, 'source_failed');
    return this.#meet(from, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw error instanceof AppError ? refusal(node, 'source_failed') : error;
    });
  }

  /** The request arrives, or does not. */
  async #meet(
    { url }: { readonly url: string },
    signal: AbortSignal | undefined,
    code = 'node_unreachable',
  ): Promise<MemoryNode> {
    signal?.throwIfAborted();
    await this.#delay();
    const node = this.nodes.find((candidate) => candidate.url === url);
    if (node === undefined || node.fault === 'dead') {
      throw new AppError(code, `${url}: connection refused`);
    }
    if (node.fault === 'hang') {
      await wait(this.#options.timeoutMs ?? 50, signal);
      throw new AppError(code, `${url}: no answer`);
    }
    return node;
  }

  /** An answer on its way. */
  async #travel(signal: AbortSignal | undefined): Promise<void> {
    await this.#delay();
    signal?.throwIfAborted();
  }

  async #delay(): Promise<void> {
    await wait(this.#options.latencyMs?.() ?? 0, undefined);
  }

  #add(node: MemoryNode, { id, position, length, checksum }: ChunkRef): void {
    if (!node.chunks.has(id)) node.chunks.set(id, { id, position, length, checksum, createdAtMs: 0 });
  }
}

/** A chunk of any id and contents, where its id puts it. */
export function chunkOf(id: string, length = 1000): ChunkRef {
  return { id, position: positionOf(id), length, checksum: positionOf(`bytes of ${id}`) };
}

/** The interval's chunks in the order of a listing. */
function listOf(node: MemoryNode, { first, last }: Interval): ListedChunk[] {
  return [...node.chunks.values()]
    .filter(({ position }) => position >= first && position <= last)
    .sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

function nameOf({ position, id }: ChunkRef): string {
  return formatPosition(position) + id;
}

function digestOfList(chunks: readonly ListedChunk[]): RangeDigest {
  const hash = createHash('sha256');
  for (const { position, id, length, checksum } of chunks) {
    hash.update(`${formatPosition(position)} ${id} ${length} ${formatChecksum(checksum)}\n`);
  }
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  return { count: chunks.length, bytes, digest: hash.digest('hex') };
}

function usedBytes(node: MemoryNode): number {
  return [...node.chunks.values()].reduce((sum, { length }) => sum + length, 0);
}

function remove(node: MemoryNode, id: string): void {
  node.chunks.delete(id);
  node.corrupt.delete(id);
}

function idOf({ id }: MemoryNode): string {
  return id;
}

function refusal(node: MemoryNode, nodeCode: string): AppError {
  return new AppError('node_unreachable', `${node.id} refused (${nodeCode})`, { details: { nodeCode } });
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  if (ms <= 0) return;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
