import type { ByteClient, ByteResponse } from '../../lib/byte-client/byte-client.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { CHECKSUM_HEADER, chunkTarget, formatChecksum } from '../../lib/node-api/targets.ts';
import { HotTargetSigner } from '../../lib/signing/hot-targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ChunkBody, NodeClient, NodeErrorCode, OutgoingChunk } from './node-client.ts';

/** Up to this length a chunk is sent along with the request; a longer one is pulled by the node. */
const PUT_LIMIT_BYTES = 256 * 1024;
const SIGNATURE_LIFETIME_S = 300;
const PROBLEM_LIMIT_BYTES = 16 * 1024;
const DELETE_TIMEOUT_MS = 5000;
/** What a node answers that could not fetch a chunk from this coordinator. */
const SOURCE_FAILURES: ReadonlySet<string> = new Set(['source_failed', 'source_missing']);

export interface HttpNodeClientOptions {
  readonly clock: Clock;
  /** Reads chunk bytes. */
  readonly bytes: Pick<ByteClient, 'request'>;
  /**
   * Carries the requests that store and delete; its buffers may be small. A node says nothing while it fetches and writes a
   * chunk, so the client has to allow a longer silence than the signals do that stores are given.
   */
  readonly requests: Pick<ByteClient, 'request'>;
  readonly signingKey: SigningKey;
}

/** NodeClient over the storage node's HTTP API. */
export class HttpNodeClient implements NodeClient {
  readonly #options: HttpNodeClientOptions;
  readonly #signer: HotTargetSigner;
  /** Signed targets of GETs by the chunk, for the chunks of manifests that are in memory. */
  readonly #signedGets = new WeakMap<ChunkRef, { readonly minute: number; readonly target: string }>();

  constructor(options: HttpNodeClientOptions) {
    this.#options = options;
    this.#signer = new HotTargetSigner(options.signingKey, SIGNATURE_LIFETIME_S);
  }

  async store(node: StorageNode, chunk: OutgoingChunk, signal: AbortSignal): Promise<void> {
    if (chunk.ref.length <= PUT_LIMIT_BYTES) {
      await this.#put(node, chunk, signal);
      return;
    }
    const body = JSON.stringify({
      source: chunk.sourceUrl,
      length: chunk.ref.length,
      checksum: formatChecksum(chunk.ref.checksum),
    });
    const headers = { 'content-type': 'application/json' };
    const answer = await this.#call(node, 'POST', chunk.ref, { headers, body, signal });
    if (answer.status < 300) return;
    // A node that cannot reach this coordinator can still be reached by it.
    if (SOURCE_FAILURES.has(answer.code)) await this.#put(node, chunk, signal);
    else throw nodeError(node, answer.status, answer.code);
  }

  async delete(node: StorageNode, ref: ChunkRef): Promise<void> {
    const answer = await this.#call(node, 'DELETE', ref, { timeoutMs: DELETE_TIMEOUT_MS });
    if (answer.status >= 300 && answer.status !== 404) throw nodeError(node, answer.status, answer.code);
  }

  async open(
    node: StorageNode,
    ref: ChunkRef,
    range: { first: number; last: number },
    options: { stallTimeoutMs: number; signal: AbortSignal | undefined },
  ): Promise<ChunkBody> {
    const whole = range.first === 0 && range.last === ref.length - 1;
    let response: ByteResponse;
    try {
      response = await this.#options.bytes.request({
        method: 'GET',
        url: `${node.url}${this.#signGet(ref)}`,
        headers: whole ? {} : { range: `bytes=${range.first}-${range.last}` },
        ...(options.signal && { signal: options.signal }),
        idleTimeoutMs: options.stallTimeoutMs,
      });
    } catch (error) {
      throw transportError(node, error, options.signal);
    }
    const expected = range.last - range.first + 1;
    if (response.status !== (whole ? 200 : 206) || response.contentLength !== expected) {
      const problem = await response.text(PROBLEM_LIMIT_BYTES).catch(() => '');
      throw nodeError(node, response.status, codeOf(problem));
    }
    // A copy with another checksum is sound, but it is not this chunk.
    if (response.headers.get(CHECKSUM_HEADER) !== formatChecksum(ref.checksum)) {
      response.destroy();
      throw new AppError('chunk_corrupt', `Node ${node.id} has other bytes as chunk ${ref.id}.`);
    }
    return {
      async pipe(consume) {
        try {
          await response.pipe(consume);
        } catch (error) {
          throw transportError(node, error, options.signal);
        }
      },
      cancel: () => response.destroy(),
    };
  }

  async #put(node: StorageNode, chunk: OutgoingChunk, signal: AbortSignal): Promise<void> {
    const headers = {
      'content-type': 'application/octet-stream',
      [CHECKSUM_HEADER]: formatChecksum(chunk.ref.checksum),
    };
    const answer = await this.#call(node, 'PUT', chunk.ref, {
      headers,
      body: chunk.pages.length === 1 ? chunk.pages[0]! : Buffer.concat(chunk.pages),
      signal,
    });
    if (answer.status >= 300) throw nodeError(node, answer.status, answer.code);
  }

  async #call(
    node: StorageNode,
    method: 'PUT' | 'POST' | 'DELETE',
    ref: ChunkRef,
    options: {
      headers?: Record<string, string>;
      body?: string | Buffer;
      signal?: AbortSignal;
      timeoutMs?: number;
    },
  ): Promise<{ status: number; code: string }> {
    try {
      const { timeoutMs, ...rest } = options;
      const url = `${node.url}${this.#sign(method, ref)}`;
      const response = await this.#options.requests.request({
        ...rest,
        ...{ method, url },
        ...(timeoutMs !== undefined && { idleTimeoutMs: timeoutMs }),
      });
      const { status } = response;
      if (status >= 300) return { status, code: codeOf(await response.text(PROBLEM_LIMIT_BYTES)) };
      await response.pipe(ignore);
      return { status, code: '' };
    } catch (error) {
      throw transportError(node, error, options.signal);
    }
  }

  /** Even a look into the signer's memory costs, for it begins with putting the target together. */
  #signGet(ref: ChunkRef): string {
    const minute = Math.floor(this.#options.clock.nowMs() / 60_000);
    const known = this.#signedGets.get(ref);
    if (known?.minute === minute) return known.target;
    const target = this.#sign('GET', ref);
    this.#signedGets.set(ref, { minute, target });
    return target;
  }

  #sign(method: string, ref: ChunkRef): string {
    const nowS = Math.floor(this.#options.clock.nowMs() / 1000);
    return this.#signer.sign(method, chunkTarget(ref.position, ref.id), nowS);
  }
}

const ignore = () => {};

/** The `code` of a problem document; empty when there is none. */
function codeOf(problem: string): string {
  try {
    const code: unknown = JSON.parse(problem).code;
    return typeof code === 'string' ? code : '';
  } catch {
    return '';
  }
}

function nodeError(node: StorageNode, status: number, code: string): AppError<NodeErrorCode> {
  const what = `Node ${node.id} answered ${status}${code === '' ? '' : ` (${code})`}.`;
  if (status === 404) return new AppError('chunk_absent', what);
  if (status === 507) return new AppError('node_full', what, { retryable: true });
  if (status === 409) return new AppError('node_conflict', what);
  if (code === 'chunk_corrupt') return new AppError('chunk_corrupt', what);
  return new AppError('node_failed', what, { retryable: true, details: { status, code } });
}

function transportError(node: StorageNode, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  const detail = error instanceof Error ? error.message : String(error);
  return new AppError('node_failed', `Node ${node.id} failed: ${detail}`, { cause: error, retryable: true });
}
