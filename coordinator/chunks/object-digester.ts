import { randomUUID } from 'node:crypto';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { HASHED_CHUNKS_MAX, type HashChunks, type Hashed, hashedSchema } from '../../lib/node-api/schema.ts';
import { digestTarget, formatChecksum, formatPosition } from '../../lib/node-api/targets.ts';
import { codeOf, type NodeRequests } from '../cluster/node-requests.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';

/** Nodes that are tried as the one that computes. */
const NODES_TRIED_MAX = 3;
/** Nodes that a chunk is looked for at: all owners, and some that may have it instead. */
const HOLDERS_MAX = 8;
/** For `HASHED_CHUNKS_MAX` chunks; at 8 MiB each that is 5 MB a second. */
const REQUEST_TIMEOUT_MS = 120_000;
const ANSWER_BYTES_MAX = 16 * 1024;

export interface ObjectDigesterOptions {
  readonly placement: Placement;
  readonly requests: Pick<NodeRequests, 'send'>;
  readonly clock: Clock;
}

/** Has SHA-256 values of objects computed by the storage nodes, so that the bytes pass no coordinator. */
export class ObjectDigester {
  readonly #options: ObjectDigesterOptions;

  constructor(options: ObjectDigesterOptions) {
    this.#options = options;
  }

  /**
   * The SHA-256 of the chunks' bytes in order, 32 bytes. Calls `onProgress` with the bytes done so far; what that rejects
   * with ends it. Rejects with `chunk_unavailable` when a chunk cannot be read now, or with the signal's reason.
   */
  async sha256(
    chunks: readonly ChunkRef[],
    signal: AbortSignal,
    onProgress: (bytes: number) => Promise<void> | void = () => {},
  ): Promise<Uint8Array> {
    const nodes = this.#options.placement.nodes().filter(({ id }) => this.#isUp(id));
    const first = Math.floor(Math.abs((chunks[0]?.position ?? 0) % Math.max(1, nodes.length)));
    let failure: unknown;
    for (let tried = 0; tried < Math.min(NODES_TRIED_MAX, nodes.length); tried++) {
      try {
        return await this.#computeAt(nodes[(first + tried) % nodes.length]!, chunks, signal, onProgress);
      } catch (error) {
        signal.throwIfAborted();
        failure = error;
      }
    }
    throw new AppError<ErrorCode>('chunk_unavailable', 'The bytes cannot be read from the nodes now.', {
      retryable: true,
      cause: failure,
    });
  }

  async #computeAt(
    node: StorageNode,
    chunks: readonly ChunkRef[],
    signal: AbortSignal,
    onProgress: (bytes: number) => Promise<void> | void,
  ): Promise<Uint8Array> {
    const session = randomUUID();
    let hashed: Hashed = { at: 0, sha256: '' };
    for (let start = 0; start < chunks.length; start += HASHED_CHUNKS_MAX) {
      const part = chunks.slice(start, start + HASHED_CHUNKS_MAX);
      const last = start + part.length === chunks.length;
      hashed = await this.#ask(node, session, this.#describe(part, hashed.at, last), signal);
      await onProgress(hashed.at);
    }
    return Uint8Array.from(Buffer.from(hashed.sha256, 'hex'));
  }

  #describe(chunks: readonly ChunkRef[], at: number, last: boolean): HashChunks {
    const { placement } = this.#options;
    const urls = new Map<string, number>();
    const indexOf = ({ url }: StorageNode) => {
      const index = urls.get(url) ?? urls.size;
      urls.set(url, index);
      return index;
    };
    const described = chunks.map(({ id, position, length, checksum }) => {
      const { owners, others } = placement.readSourcesOf(position);
      const sources = [...owners, ...others].filter((node) => placement.healthOf(node.id) !== 'down');
      return {
        position: formatPosition(position),
        id,
        length,
        checksum: formatChecksum(checksum),
        holders: sources.slice(0, HOLDERS_MAX).map(indexOf),
      };
    });
    return { at, nodes: [...urls.keys()], chunks: described, last };
  }

  async #ask(node: StorageNode, session: string, body: HashChunks, signal: AbortSignal): Promise<Hashed> {
    const answer = await this.#options.requests.send(node.url, {
      method: 'POST',
      target: digestTarget(session),
      signed: true,
      body,
      timeoutMs: REQUEST_TIMEOUT_MS,
      limitBytes: ANSWER_BYTES_MAX,
      signal,
    });
    if (answer.status !== 200) {
      throw new AppError(
        'node_failed',
        `Node ${node.id} answered ${answer.status} (${codeOf(answer.text)}).`,
      );
    }
    return hashedSchema.parse(JSON.parse(answer.text));
  }

  #isUp(nodeId: string): boolean {
    return this.#options.placement.healthOf(nodeId) === 'up';
  }
}
