import type { z } from 'zod';
import { AppError } from '../../lib/errors/app-error.ts';
import { type NodeStats, nodeHealthSchema, nodeStatsSchema } from '../../lib/node-api/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { PROBE_BYTES_MAX, PROBE_TIMEOUT_MS } from './limits.ts';
import { codeOf, type NodeAnswer, type NodeRequests, refused, unreachable } from './node-requests.ts';

/** Older nodes do not name their data. */
const healthSchema = nodeHealthSchema.pick({ nodeId: true, dataId: true }).partial({ dataId: true });
export type NodeIdentity = z.infer<typeof healthSchema>;

/** Questions to a storage node about itself. Rejections are AppErrors; `node_unreachable` unless said otherwise. */
export interface NodeProbe {
  /** Who answers at the URL. Rejects when nobody does in time or the node says that it is not well. */
  health(url: string, timeoutMs: number, signal?: AbortSignal): Promise<NodeIdentity>;
  stats(url: string, signal?: AbortSignal): Promise<NodeStats>;
  /** Resolves when the node belongs to the cluster; `node_foreign_cluster` when it belongs to another. */
  claim(url: string, clusterId: string): Promise<void>;
}

/** NodeProbe over the storage node's HTTP API. */
export class HttpNodeProbe implements NodeProbe {
  readonly #requests: NodeRequests;

  constructor(requests: NodeRequests) {
    this.#requests = requests;
  }

  async health(url: string, timeoutMs: number, signal?: AbortSignal): Promise<NodeIdentity> {
    const answer = await this.#requests.send(url, {
      method: 'GET',
      target: '/healthz',
      signed: false,
      timeoutMs,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    return parse(url, answer, healthSchema);
  }

  async stats(url: string, signal?: AbortSignal): Promise<NodeStats> {
    const answer = await this.#requests.send(url, {
      method: 'GET',
      target: '/stats',
      signed: true,
      timeoutMs: PROBE_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
      signal,
    });
    return parse(url, answer, nodeStatsSchema);
  }

  async claim(url: string, clusterId: string): Promise<void> {
    const answer = await this.#requests.send(url, {
      method: 'POST',
      target: '/identity',
      signed: true,
      body: { clusterId },
      timeoutMs: PROBE_TIMEOUT_MS,
      limitBytes: PROBE_BYTES_MAX,
    });
    if (answer.status === 409 && codeOf(answer.text) === 'foreign_cluster') throw foreignCluster(url);
    if (answer.status >= 300) throw refused(url, answer);
  }
}

export function foreignCluster(url: string): AppError {
  return new AppError<ErrorCode>(
    'node_foreign_cluster',
    `The storage node at ${url} belongs to another cluster. Give it an empty directory to use it in this one.`,
  );
}

function parse<Schema extends z.ZodType>(url: string, answer: NodeAnswer, schema: Schema): z.infer<Schema> {
  if (answer.status !== 200) throw refused(url, answer);
  let value: unknown;
  try {
    value = JSON.parse(answer.text);
  } catch (error) {
    throw unreachable(url, 'it does not speak the protocol of a storage node', error);
  }
  const result = schema.safeParse(value);
  if (!result.success) {
    throw unreachable(url, 'it does not speak the protocol of a storage node', result.error);
  }
  return result.data;
}
