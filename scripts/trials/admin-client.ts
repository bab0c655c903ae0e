import { z } from 'zod';
import { systemClock } from '../../lib/clock/clock.ts';
import {
  type AdminNode,
  adminNodeSchema,
  type ClusterEvent,
  type ClusterSummary,
  clusterSummarySchema,
  eventSchema,
  type NodeChange,
  nodeChangeSchema,
  type Plan,
  planSchema,
  problemSchema,
  type Rebalance,
  type RegisteredNode,
  type RepairStatus,
  type Ring,
  rebalanceSchema,
  registeredNodeSchema,
  repairStatusSchema,
  ringSchema,
} from './admin-schema.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const POLL_MS = 200;

/** What a node is to become; what is absent stays. `lost` and `removed` give up what only it holds. */
export interface WantedNode {
  readonly state?: 'active' | 'draining' | 'lost' | 'removed';
  readonly weight?: number;
  readonly zone?: string;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Sees every answer, the last one too. */
  readonly onAnswer?: (answer: Rebalance) => void;
  /** Whether to go on when the coordinator does not answer, because it is being killed. */
  readonly toleratesOutages?: boolean;
  readonly pollMs?: number;
}

/** The admin API refused. */
export class AdminRefusal extends Error {
  override readonly name = 'AdminRefusal';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly body: unknown;

  constructor(what: string, status: number, text: string) {
    const body = parseJson(text);
    const problem = problemSchema.safeParse(body);
    super(`${what} was answered with ${status}: ${text.slice(0, 500)}`);
    this.status = status;
    this.code = problem.data?.code ?? '';
    this.detail = problem.data?.detail ?? '';
    this.body = body;
  }
}

/** How requests are sent; `fetch` is one. */
type Send = (url: string, init: RequestInit) => Promise<Response>;

/** The admin API of a coordinator. Rejections are AdminRefusals, or what fetch rejects with. */
export class AdminClient {
  readonly #url: () => string;
  readonly #token: string;
  readonly #send: Send;

  /** The URL is asked for anew for each request: a coordinator that is started again may have another one. */
  constructor(url: () => string, token: string, send: Send = fetch) {
    this.#url = url;
    this.#token = token;
    this.#send = send;
  }

  async nodes(): Promise<AdminNode[]> {
    return (await this.#ask('GET', '/nodes', z.object({ items: z.array(adminNodeSchema) }))).items;
  }

  async node(id: string): Promise<AdminNode> {
    const node = (await this.nodes()).find((candidate) => candidate.id === id);
    if (!node) throw new Error(`The coordinator does not know the node ${id}.`);
    return node;
  }

  /** The node that is registered at the URL. */
  async nodeAt(url: string): Promise<AdminNode> {
    const node = (await this.nodes()).find(
      (candidate) => candidate.url === url && candidate.state !== 'removed',
    );
    if (!node) throw new Error(`No node is registered at ${url}.`);
    return node;
  }

  addNode(node: {
    url: string;
    zone?: string;
    weight?: number;
    activate?: boolean;
  }): Promise<RegisteredNode> {
    return this.#ask('POST', '/nodes', registeredNodeSchema, node);
  }

  changeNode(id: string, wanted: WantedNode): Promise<NodeChange> {
    return this.#ask('PATCH', `/nodes/${id}`, nodeChangeSchema, wanted);
  }

  removeNode(id: string, options: { readonly lost?: boolean } = {}): Promise<NodeChange> {
    return this.#ask('DELETE', `/nodes/${id}${options.lost ? '?lost=true' : ''}`, nodeChangeSchema);
  }

  plan(changes: readonly (WantedNode & { readonly nodeId: string })[]): Promise<Plan> {
    return this.#ask('POST', '/nodes/plan', planSchema, { changes });
  }

  rebalance(id: string): Promise<Rebalance> {
    return this.#ask('GET', `/rebalances/${id}`, rebalanceSchema);
  }

  async rebalances(): Promise<Rebalance[]> {
    return (await this.#ask('GET', '/rebalances', z.object({ items: z.array(rebalanceSchema) }))).items;
  }

  startRebalance(
    changes: readonly (WantedNode & { readonly nodeId: string })[],
    limits: { readonly bytesPerSecond?: number | null; readonly concurrency?: number | null } = {},
  ): Promise<Rebalance> {
    return this.#ask('POST', '/rebalances', rebalanceSchema, { changes, ...limits });
  }

  limitRebalance(
    id: string,
    limits: { readonly bytesPerSecond?: number | null; readonly concurrency?: number | null },
  ): Promise<Rebalance> {
    return this.#ask('PATCH', `/rebalances/${id}`, rebalanceSchema, limits);
  }

  pause(id: string): Promise<Rebalance> {
    return this.#ask('POST', `/rebalances/${id}/pause`, rebalanceSchema);
  }

  resume(id: string): Promise<Rebalance> {
    return this.#ask('POST', `/rebalances/${id}/resume`, rebalanceSchema);
  }

  cancel(id: string): Promise<Rebalance> {
    return this.#ask('POST', `/rebalances/${id}/cancel`, rebalanceSchema);
  }

  /** What costs the coordinator least to say. */
  clusterSummary(): Promise<ClusterSummary> {
    return this.#ask('GET', '/cluster', clusterSummarySchema);
  }

  /** With its arcs. */
  ring(): Promise<Ring> {
    return this.#ask('GET', '/ring?arcs=1', ringSchema);
  }

  repairStatus(): Promise<RepairStatus> {
    return this.#ask('GET', '/repair', repairStatusSchema);
  }

  /** Starts a census of everything. */
  startRepair(): Promise<RepairStatus> {
    return this.#ask('POST', '/repair', repairStatusSchema);
  }

  /** Polls until the rebalance has ended one way or the other. */
  async untilRebalanceEnds(id: string, options: WaitOptions): Promise<Rebalance> {
    return this.#until(options, `the end of rebalance ${id}`, async () => {
      const report = await this.rebalance(id);
      options.onAnswer?.(report);
      return { value: report, done: hasEnded(report) };
    });
  }

  /** Polls until the rebalance is as `isSo` wants it. */
  async untilRebalance(
    id: string,
    isSo: (report: Rebalance) => boolean,
    options: WaitOptions,
  ): Promise<Rebalance> {
    return this.#until(options, `progress of rebalance ${id}`, async () => {
      const report = await this.rebalance(id);
      options.onAnswer?.(report);
      if (!isSo(report) && hasEnded(report))
        throw new Error(`Rebalance ${id} is ${report.state} before it was as wanted.`);
      return { value: report, done: isSo(report) };
    });
  }

  /** Polls until the ring has no rebalance under way. */
  async untilStable(options: WaitOptions): Promise<Ring> {
    return this.#until(options, 'a stable ring', async () => {
      const ring = await this.ring();
      return { value: ring, done: ring.rebalanceId === null && ring.targetEpoch === null };
    });
  }

  /** Polls until every chunk has been seen to have all its copies. */
  async untilComplete(options: WaitOptions): Promise<RepairStatus> {
    return this.#until(options, 'all copies', async () => {
      const status = await this.repairStatus();
      return { value: status, done: status.complete };
    });
  }

  /** Events from now on, or from behind the id, until the signal aborts or the coordinator ends the stream. */
  async *events(signal: AbortSignal, lastEventId?: number): AsyncGenerator<ClusterEvent> {
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (lastEventId !== undefined) headers['last-event-id'] = String(lastEventId);
    const response = await fetch(`${this.#url()}/api/v1/admin/events`, { headers, signal });
    if (!response.ok) throw new AdminRefusal('GET /events', response.status, await response.text());
    let text = '';
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      text += piece;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const event = parseEvent(text.slice(0, end));
        text = text.slice(end + 2);
        if (event) yield event;
      }
    }
  }

  async #until<Value>(
    options: WaitOptions,
    what: string,
    look: () => Promise<{ value: Value; done: boolean }>,
  ): Promise<Value> {
    const deadlineMs = performance.now() + options.timeoutMs;
    let last: unknown;
    for (;;) {
      options.signal?.throwIfAborted();
      try {
        const { value, done } = await look();
        if (done) return value;
        last = value;
      } catch (error) {
        if (!options.toleratesOutages || !isOutage(error)) throw error;
        last = error;
      }
      if (performance.now() > deadlineMs)
        throw new Error(`${what} did not come in ${options.timeoutMs} ms: ${describe(last)}`);
      await systemClock.sleep(options.pollMs ?? POLL_MS, options.signal);
    }
  }

  async #ask<Schema extends z.ZodType>(
    method: string,
    path: string,
    schema: Schema,
    body?: unknown,
  ): Promise<z.infer<Schema>> {
    const response = await this.#send(`${this.#url()}/api/v1/admin${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new AdminRefusal(`${method} /admin${path}`, response.status, text);
    const result = schema.safeParse(parseJson(text));
    if (result.success) return result.data;
    throw new Error(
      `${method} /admin${path}: ${z.prettifyError(result.error)}\nanswered: ${text.slice(0, 1000)}`,
    );
  }
}

export function hasEnded({ state }: Rebalance): boolean {
  return state === 'finished' || state === 'cancelled' || state === 'superseded';
}

/** No coordinator there, or one that only starts: asking again may help. */
export function isOutage(error: unknown): boolean {
  if (error instanceof AdminRefusal) return error.status === 503;
  return error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');
}

function parseEvent(block: string): ClusterEvent | undefined {
  const data = block
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trimStart())
    .join('\n');
  return data === '' ? undefined : eventSchema.parse(JSON.parse(data));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function describe(value: unknown): string {
  return value instanceof Error ? value.message : (JSON.stringify(value) ?? 'nothing').slice(0, 1500);
}
