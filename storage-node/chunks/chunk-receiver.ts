import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DirectRequest, DirectRoute } from '../../lib/http/direct-routes.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import { pullChunkSchema } from '../../lib/node-api/schema.ts';
import { CHECKSUM_HEADER, parseChecksum } from '../../lib/node-api/targets.ts';
import { type SigningKey, verifyTarget } from '../../lib/signing/signed-url.ts';
import { assertSigned, type VerifySignature } from '../access.ts';
import { clientGoneSignal } from '../client-gone.ts';
import {
  BODY_IDLE_TIMEOUT_MS,
  BODY_TIMEOUT_MS,
  CHUNK_BYTES_MAX,
  INLINE_BYTES_MAX,
  JSON_BYTES_MAX,
} from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import { addressOf, readChecksum, readContentLength, readJson } from '../parse-request.ts';
import type { PutResult } from '../repository/video-repository.ts';
import type { ChunkAddress, ChunkService } from './chunk-service.ts';
import { receiveBody } from './receive-body.ts';

export interface ChunkReceiverOptions {
  readonly service: ChunkService;
  readonly metrics: NodeMetrics;
  readonly key: SigningKey;
  readonly clock: Clock;
}

/**
 * Answers the two requests that an upload consists of: `POST /chunks/{position}/{id}`, which has this node fetch a
 * chunk, and `PUT` of a chunk so small that it lives in the index, as records of videos do. Their bodies are short and
 * read whole. A longer PUT, or one of unknown length, is the app's.
 */
export class ChunkReceiver implements DirectRoute {
  readonly target = /^\/chunks\/([^/?]+)\/([^/?]+)(?:\?|$)/;
  readonly #options: ChunkReceiverOptions;
  readonly #verify: VerifySignature;

  constructor(options: ChunkReceiverOptions) {
    this.#options = options;
    this.#verify = (method, target, nowS) => verifyTarget([options.key], method, target, nowS);
  }

  takes({ method, headers }: IncomingMessage): boolean {
    if (method === 'POST') return true;
    const length = Number(headers['content-length'] ?? 0);
    return method === 'PUT' && 0 < length && length <= INLINE_BYTES_MAX;
  }

  async answer(request: DirectRequest): Promise<void> {
    const { incoming, outgoing, requestId } = request;
    try {
      const result = await this.#receive(request);
      const body = JSON.stringify({ result });
      outgoing
        .writeHead(result === 'created' ? 201 : 200, {
          'content-type': 'application/json',
          'content-length': body.length,
          [REQUEST_ID_HEADER]: requestId,
        })
        .end(body);
    } catch (error) {
      // Nobody reads the rest, behind which the next request would begin.
      if (!incoming.complete) outgoing.shouldKeepAlive = false;
      throw error;
    }
  }

  async #receive(request: DirectRequest): Promise<PutResult> {
    const { incoming, outgoing, match } = request;
    const { clock, metrics } = this.#options;
    assertSigned(incoming, this.#verify, clock);
    const startedMs = clock.monotonicMs();
    const method = incoming.method!;
    outgoing.once('close', () =>
      metrics.requestSeconds.observe(
        { method, route: 'chunks', status: outgoing.statusCode },
        (clock.monotonicMs() - startedMs) / 1000,
      ),
    );
    const address = addressOf(match[1]!, match[2]!);
    return method === 'POST' ? this.#pull(address, request) : this.#put(address, request);
  }

  async #pull(address: ChunkAddress, { incoming, outgoing }: DirectRequest): Promise<PutResult> {
    const { service, metrics } = this.#options;
    const body = await this.#bodyOf(incoming, JSON_BYTES_MAX);
    const { source, length, checksum } = readJson(body.toString(), pullChunkSchema);
    if (length > CHUNK_BYTES_MAX) {
      throw new AppError('body_too_large', `A chunk may have ${CHUNK_BYTES_MAX} bytes.`);
    }
    const chunk = { ...address, length, checksum: parseChecksum(checksum)! };
    const result = await service.pull(chunk, source, clientGoneSignal(outgoing));
    if (result === 'created') metrics.bytesIn.inc(length);
    return result;
  }

  async #put(address: ChunkAddress, { incoming }: DirectRequest): Promise<PutResult> {
    const { service, metrics } = this.#options;
    const checksum = readChecksum(incoming.headers[CHECKSUM_HEADER]);
    const bytes = await this.#bodyOf(incoming, INLINE_BYTES_MAX);
    const result = await service.storeSmall({ ...address, length: bytes.length, checksum }, bytes);
    metrics.bytesIn.inc(bytes.length);
    return result;
  }

  async #bodyOf(incoming: IncomingMessage, limitBytes: number): Promise<Buffer> {
    const body = Buffer.allocUnsafe(readContentLength(incoming.headers['content-length'], limitBytes));
    const { clock } = this.#options;
    await receiveBody(incoming, body, {
      clock,
      idleTimeoutMs: BODY_IDLE_TIMEOUT_MS,
      timeoutMs: BODY_TIMEOUT_MS,
    });
    return body;
  }
}
