import { AppError } from '../../../lib/errors/app-error.ts';
import type {
  NodeHealth,
  Placement,
  ReadSources,
  RingPermit,
  StorageNode,
  WriteTargets,
} from '../../cluster/placement.ts';
import type { ChunkRef } from '../../objects/manifest.ts';
import type { ChunkBody, NodeClient, OutgoingChunk } from '../node-client.ts';

export type Fault = 'none' | 'dead' | 'full' | 'hang';

/** Storage nodes in memory, with faults, for tests of the byte path. Owners are the first R nodes. */
export class FakeNodes implements NodeClient, Placement {
  readonly ready = true;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly stored = new Map<string, Map<string, Buffer>>();
  readonly faults = new Map<string, Fault>();
  readonly health = new Map<string, NodeHealth>();
  readonly failures: string[] = [];
  /** Indices of the old and the new owners while the range changes hands. */
  moving: readonly [readonly number[], readonly number[]] | undefined;
  /** Permits that were not given back. */
  permits = 0;
  permitsValid = true;
  /** Answers given up by the reader while bytes were still to come. */
  cancelled = 0;
  /** Bytes a node may still send before its connection breaks; Infinity when absent. */
  readonly breakAfter = new Map<string, number>();
  readonly #nodes: StorageNode[];

  constructor(count: number, replicas = 3) {
    this.replicas = replicas;
    this.writeQuorum = Math.floor(replicas / 2) + 1;
    this.#nodes = Array.from({ length: count }, (_, index) => ({
      id: `n${index}`,
      url: `http://n${index}`,
      zone: 'z',
    }));
    for (const node of this.#nodes) this.stored.set(node.id, new Map());
  }

  rangeOf(): number {
    return 0;
  }

  writeTargetsOf(): WriteTargets {
    if (this.moving !== undefined) {
      const [from, to] = this.moving.map((indices) => indices.map((index) => this.#nodes[index]!)) as [
        StorageNode[],
        StorageNode[],
      ];
      const owners = [...new Set([...from, ...to])];
      return { owners, sets: [from, to], fallbacks: this.#nodes.filter((node) => !owners.includes(node)) };
    }
    const owners = this.#nodes.slice(0, this.replicas);
    return { owners, sets: [owners], fallbacks: this.#nodes.slice(this.replicas) };
  }

  readSourcesOf(): ReadSources {
    return { owners: this.#nodes.slice(0, this.replicas), others: this.#nodes.slice(this.replicas) };
  }

  enter(): RingPermit {
    this.permits += 1;
    let left = false;
    return {
      isValid: () => this.permitsValid,
      leave: () => {
        if (!left) this.permits -= 1;
        left = true;
      },
    };
  }

  nodes(): readonly StorageNode[] {
    return this.#nodes;
  }

  healthOf(nodeId: string): NodeHealth {
    return this.health.get(nodeId) ?? 'up';
  }

  reportFailure(nodeId: string): void {
    this.failures.push(nodeId);
  }

  holdersOf(chunkId: string): string[] {
    return this.#nodes.filter((node) => this.stored.get(node.id)!.has(chunkId)).map((node) => node.id);
  }

  async store(node: StorageNode, chunk: OutgoingChunk, signal: AbortSignal): Promise<void> {
    await this.#meet(node, signal);
    this.stored.get(node.id)!.set(chunk.ref.id, Buffer.concat(chunk.pages));
  }

  async open(
    node: StorageNode,
    ref: ChunkRef,
    range: { first: number; last: number },
    options: { stallTimeoutMs: number; signal: AbortSignal },
  ): Promise<ChunkBody> {
    await this.#meet(node, options.signal);
    const bytes = this.stored.get(node.id)!.get(ref.id);
    if (!bytes) throw new AppError('chunk_absent', 'absent');
    const part = bytes.subarray(range.first, range.last + 1);
    const given = Promise.withResolvers<never>();
    given.promise.catch(() => {});
    let done = false;
    return {
      pipe: async (consume) => {
        for (let start = 0; start < part.length; ) {
          const left = this.breakAfter.get(node.id) ?? Number.POSITIVE_INFINITY;
          const piece = part.subarray(start, start + Math.min(1000, left));
          if (piece.length > 0) await Promise.race([consume(Buffer.from(piece)), given.promise]);
          start += piece.length;
          this.breakAfter.set(node.id, left - piece.length);
          if (left - piece.length <= 0 && start < part.length)
            throw new AppError('node_failed', 'connection broke');
        }
        done = true;
      },
      cancel: () => {
        if (done) return;
        this.cancelled += 1;
        given.reject(new AppError('node_failed', 'given up'));
      },
    };
  }

  async delete(node: StorageNode, ref: ChunkRef): Promise<void> {
    this.stored.get(node.id)!.delete(ref.id);
  }

  async #meet(node: StorageNode, signal: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const fault = this.faults.get(node.id) ?? 'none';
    if (fault === 'dead') throw new AppError('node_failed', 'dead');
    if (fault === 'full') throw new AppError('node_full', 'full');
    if (fault === 'hang') {
      await new Promise((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
  }
}
