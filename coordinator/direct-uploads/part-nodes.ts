import { STATED_CHUNKS_MAX, statedChunksSchema } from '../../lib/node-api/schema.ts';
import { formatPosition, parseChecksum, STAT_TARGET } from '../../lib/node-api/targets.ts';
import { type NodeRequests, refused, unreachable } from '../cluster/node-requests.ts';
import type { StorageNode } from '../cluster/placement.ts';
import { STAT_ANSWER_BYTES_MAX, STAT_TIMEOUT_MS } from './limits.ts';

export interface StatedChunk {
  readonly length: number;
  readonly checksum: number;
}

/** Which chunks nodes have on their disks. */
export interface PartNodes {
  /** One a chunk, in order; null for those that are not there. Rejects with `node_unreachable` or the signal's reason. */
  stat(
    node: StorageNode,
    chunks: readonly { readonly id: string; readonly position: number }[],
    signal: AbortSignal,
  ): Promise<(StatedChunk | null)[]>;
}

/** PartNodes over the storage node's HTTP API. */
export class HttpPartNodes implements PartNodes {
  readonly #requests: Pick<NodeRequests, 'send'>;

  constructor(requests: Pick<NodeRequests, 'send'>) {
    this.#requests = requests;
  }

  async stat(
    node: StorageNode,
    chunks: readonly { readonly id: string; readonly position: number }[],
    signal: AbortSignal,
  ): Promise<(StatedChunk | null)[]> {
    const stated: (StatedChunk | null)[] = [];
    while (stated.length < chunks.length) {
      const part = chunks.slice(stated.length, stated.length + STATED_CHUNKS_MAX);
      const answer = await this.#requests.send(node.url, {
        method: 'POST',
        target: STAT_TARGET,
        signed: true,
        body: { chunks: part.map(({ id, position }) => `${formatPosition(position)}/${id}`) },
        timeoutMs: STAT_TIMEOUT_MS,
        limitBytes: STAT_ANSWER_BYTES_MAX,
        signal,
      });
      if (answer.status !== 200) throw refused(node.url, answer);
      const parsed = statedChunksSchema.safeParse(JSON.parse(answer.text));
      if (parsed.data?.chunks.length !== part.length)
        throw unreachable(node.url, 'its answer is not readable');
      for (const chunk of parsed.data.chunks) {
        stated.push(chunk && { length: chunk[0], checksum: parseChecksum(chunk[1])! });
      }
    }
    return stated;
  }
}
