import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher } from 'undici';
import type { z } from 'zod';
import {
  type Failure,
  heartbeatAnswerSchema,
  type Lease,
  type LeaseRequest,
  leaseSchema,
  outputSchema,
} from '../lib/worker-api/protocol.ts';
import type { TaskResult } from '../lib/worker-api/tasks.ts';
import { ANSWER_TIMEOUT_MS, RETRY_DELAY_MAX_MS, RETRY_DELAY_MIN_MS } from './limits.ts';

/** The coordinator refuses it. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  /** The rest of the problem document. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, details: Readonly<Record<string, unknown>>) {
    super(`${status} ${details.code ?? ''}: ${details.detail ?? 'no details'}`);
    this.name = 'Refused';
    this.status = status;
    this.code = String(details.code ?? '');
    this.details = details;
  }

  /** Whether the same may be accepted later. */
  get isPassing(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 429;
  }
}

export interface LeaseName {
  readonly taskId: string;
  readonly fence: number;
}

export interface CoordinatorClientOptions {
  /** Without a slash at the end. */
  readonly url: string;
  readonly token: string;
}

/**
 * The coordinator's API for workers. Every method rejects with `Refused`, or with the connection's error; both may be asked
 * `isPassing`.
 */
export class CoordinatorClient implements AsyncDisposable {
  readonly #options: CoordinatorClientOptions;
  readonly #agent = new Agent({
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    connections: 64,
  });

  constructor(options: CoordinatorClientOptions) {
    this.#options = options;
  }

  /** Null when there is none within the time that the request allows. */
  async lease(request: LeaseRequest, signal: AbortSignal): Promise<Lease | null> {
    const answer = await this.#post('/lease', request, signal);
    return answer === null ? null : leaseSchema.parse(answer);
  }

  async heartbeat(
    { taskId, fence }: LeaseName,
    progress: number,
    signal: AbortSignal,
  ): Promise<{ readonly sourceUrl: string }> {
    const path = `/tasks/${taskId}/heartbeat`;
    return heartbeatAnswerSchema.parse(await this.#post(path, { fence, progress }, signal));
  }

  /** Returns the bytes that it has, which are none unless it was opened before. */
  async openOutput({ taskId, fence }: LeaseName, name: string, contentType: string): Promise<number> {
    return (await this.#ask(outputSchema, `/tasks/${taskId}/outputs`, { fence, name, contentType })).size;
  }

  /** Returns the bytes that the output has now. */
  async append(
    { taskId, fence }: LeaseName,
    name: string,
    offset: number,
    bytes: Uint8Array,
    signal: AbortSignal,
  ): Promise<number> {
    const path = `/tasks/${taskId}/outputs/${name}?fence=${fence}&offset=${offset}`;
    const answer = await this.#request('PUT', path, 'application/octet-stream', bytes, signal);
    return outputSchema.parse(await jsonOf(answer)).size;
  }

  async complete({ taskId, fence }: LeaseName, result: TaskResult): Promise<void> {
    await this.#post(`/tasks/${taskId}/complete`, { fence, result });
  }

  async fail({ taskId, fence }: LeaseName, failure: Failure): Promise<void> {
    await this.#post(`/tasks/${taskId}/fail`, { fence, ...failure });
  }

  async release({ taskId, fence }: LeaseName): Promise<void> {
    await this.#post(`/tasks/${taskId}/release`, { fence });
  }

  /** Bytes `first` to `last` (inclusive) of what is at the path, all of them. */
  async read(sourceUrl: string, first: number, last: number, signal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.#agent.request({
      ...{ origin: this.#options.url, path: sourceUrl, method: 'GET', signal },
      headers: { range: `bytes=${first}-${last}` },
    });
    if (answer.statusCode !== 206) throw await refusalOf(answer);
    const bytes = new Uint8Array(await answer.body.arrayBuffer());
    const range = answer.headers['content-range'];
    const isWhole = bytes.length === last - first + 1 && String(range).startsWith(`bytes ${first}-${last}/`);
    if (!isWhole) throw new Error(`asked for bytes ${first} to ${last}, got ${bytes.length} (${range})`);
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  async #ask<Schema extends z.ZodType>(
    schema: Schema,
    path: string,
    body: unknown,
  ): Promise<z.infer<Schema>> {
    return schema.parse(await this.#post(path, body));
  }

  /** Null when the answer has no body. */
  async #post(path: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.#request('POST', path, 'application/json', JSON.stringify(body), signal);
    if (answer.statusCode !== 204) return await jsonOf(answer);
    await answer.body.dump();
    return null;
  }

  async #request(
    method: 'POST' | 'PUT',
    path: string,
    type: string,
    body: string | Uint8Array,
    signal?: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const answer = await this.#agent.request({
      ...{ origin: this.#options.url, path: `/api/v1/workers${path}`, method, body },
      headers: { authorization: `Bearer ${this.#options.token}`, 'content-type': type },
      ...(signal && { signal }),
    });
    if (answer.statusCode >= 300) throw await refusalOf(answer);
    return answer;
  }
}

async function jsonOf(answer: Dispatcher.ResponseData): Promise<unknown> {
  return JSON.parse(await answer.body.text());
}

async function refusalOf(answer: Dispatcher.ResponseData): Promise<Refused> {
  const text = await answer.body.text();
  let details: Record<string, unknown> = { detail: text.slice(0, 200) };
  try {
    details = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A proxy's page.
  }
  return new Refused(answer.statusCode, details);
}

/** Whether trying again makes sense: everything that says nothing about the request itself. */
export function isPassing(error: unknown): boolean {
  return error instanceof Refused ? error.isPassing : true;
}

/**
 * Tries again with growing pauses while failures are passing ones, for `maxMs` from the first one on. Rejects with the last
 * failure, or at once when the signal is aborted.
 */
export async function persistently<Result>(
  work: () => Promise<Result>,
  { maxMs, signal }: { readonly maxMs: number; readonly signal: AbortSignal },
): Promise<Result> {
  let failedSinceMs: number | undefined;
  for (let delayMs = RETRY_DELAY_MIN_MS; ; delayMs = Math.min(RETRY_DELAY_MAX_MS, delayMs * 2)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      failedSinceMs ??= performance.now();
      if (!isPassing(error) || performance.now() - failedSinceMs + delayMs > maxMs) throw error;
    }
    await sleep(delayMs, undefined, { signal });
  }
}
