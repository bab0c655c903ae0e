import type { ServerResponse } from 'node:http';
import type { Hono } from 'hono';
import { BLOCK_BYTES } from '../../lib/bytes/checksum.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DirectRequest, DirectRoute } from '../../lib/http/direct-routes.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { HotTargetVerifier } from '../../lib/signing/hot-targets.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import { assertSigned, type NodeEnv } from '../access.ts';
import { type ByteRange, parseByteRange } from '../chunks/byte-range.ts';
import { ResponseSink } from '../chunks/response-sink.ts';
import { sendReading } from '../chunks/send-reading.ts';
import { LARGE_PIECE_SLICES_MAX, SEND_IDLE_TIMEOUT_MS, SLICES_MAX } from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import { addressOf } from '../parse-request.ts';
import type { ChunkReading, VideoRepository } from '../repository/video-repository.ts';

export interface SliceSenderOptions {
  readonly repository: Pick<VideoRepository, 'open'>;
  readonly metrics: NodeMetrics;
  readonly key: SigningKey;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A signed address is all the permission there is, and whoever has it may read the bytes; no credentials of a browser count here.
 * After a redirect from another origin browsers do not say which page asks, so scripts of all may read them.
 */
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'accept-ranges, content-length, content-range, etag, x-request-id',
} as const;

/** Answers browsers that ask beforehand; has to stand before the check of signatures, for they have none then. */
export function allowSliceOrigins(app: Hono<NodeEnv>): void {
  app.options('/slices/*', (context) =>
    context.body(null, 204, {
      ...CORS,
      'access-control-allow-methods': 'GET, HEAD, OPTIONS',
      'access-control-allow-headers': 'Authorization, If-None-Match, If-Range, Range, X-Request-Id',
      'access-control-max-age': '86400',
    }),
  );
}

/**
 * Answers `GET` and `HEAD /slices/{position}/{id}/{first}-{last}.m4s`: clients that a coordinator has sent here for a media
 * segment. They get these bytes of the chunk as a file, or ranges of it. Clients may be slow, and the memory for reading is
 * there for coordinators in the first place: only so many are served at a time, few of them in large pieces.
 */
export class SliceSender implements DirectRoute {
  readonly target = /^\/slices\/([^/?]+)\/([^/?]+)\/(\d{1,9})-(\d{1,9})\.m4s\?/;
  readonly #options: SliceSenderOptions;
  readonly #verifier: HotTargetVerifier;
  #underWay = 0;

  constructor(options: SliceSenderOptions) {
    this.#options = options;
    this.#verifier = new HotTargetVerifier([options.key]);
  }

  async answer(request: DirectRequest): Promise<void> {
    const { incoming, outgoing, match } = request;
    const { clock, metrics, repository } = this.#options;
    for (const [name, value] of Object.entries(CORS)) outgoing.setHeader(name, value);
    // HEAD is what a GET would be answered with.
    const asked = { method: 'GET', url: incoming.url ?? '' };
    assertSigned(asked, (method, target, nowS) => this.#verifier.verify(method, target, nowS), clock);
    const startedMs = clock.monotonicMs();
    outgoing.once('close', () => {
      const labels = { method: incoming.method!, route: 'slices', status: outgoing.statusCode };
      metrics.requestSeconds.observe(labels, (clock.monotonicMs() - startedMs) / 1000);
    });
    const { position, id } = addressOf(match[1]!, match[2]!);
    const slice = { first: Number(match[3]), last: Number(match[4]) };
    const reading = await repository.open(position, id);
    if (!reading || slice.first > slice.last || slice.last >= reading.entry.length) {
      throw new AppError('chunk_not_found', 'This node does not have the bytes.');
    }
    await this.#answer(request, reading, slice);
  }

  async #answer({ incoming, outgoing, requestId }: DirectRequest, reading: ChunkReading, slice: ByteRange) {
    const { method, headers } = incoming;
    const length = slice.last - slice.first + 1;
    const etag = etagOf(reading, slice);
    const head = { etag, requestId, length };
    if (headers['if-none-match']?.includes(etag)) {
      outgoing.writeHead(304, headOf(head)).end();
      return;
    }
    const isCurrent = headers['if-range'] === undefined || headers['if-range'] === etag;
    const range = method === 'HEAD' || !isCurrent ? undefined : parseByteRange(headers.range, length);
    const begin = () => writeHead(outgoing, head, range);
    if (method === 'HEAD') {
      begin();
      outgoing.end();
      return;
    }
    if (this.#underWay >= SLICES_MAX) {
      throw new AppError('too_busy', 'Too many clients are served here.', { retryable: true });
    }
    this.#underWay += 1;
    const sink = new ResponseSink(outgoing, {
      clock: this.#options.clock,
      idleTimeoutMs: SEND_IDLE_TIMEOUT_MS,
    });
    try {
      const first = slice.first + (range?.first ?? 0);
      const last = slice.first + (range?.last ?? length - 1);
      const { metrics, logger } = this.#options;
      const nextBytes = (offset: number) => this.#nextBytes(offset);
      await sendReading(sink, { reading, first, last, nextBytes, begin, requestId, metrics, logger });
      outgoing.end();
    } finally {
      this.#underWay -= 1;
      sink.release();
    }
  }

  /** Up to the end of a block, so that none is read twice. */
  #nextBytes(offset: number): number {
    if (this.#underWay <= LARGE_PIECE_SLICES_MAX) return Number.MAX_SAFE_INTEGER;
    return BLOCK_BYTES - (offset % BLOCK_BYTES);
  }
}

interface Head {
  readonly etag: string;
  readonly requestId: string;
  readonly length: number;
}

function writeHead(outgoing: ServerResponse, head: Head, range: ByteRange | undefined): void {
  if (range === undefined) {
    outgoing.writeHead(200, { ...headOf(head), 'content-length': head.length });
    return;
  }
  outgoing.writeHead(206, {
    ...headOf(head),
    'content-length': range.last - range.first + 1,
    'content-range': `bytes ${range.first}-${range.last}/${head.length}`,
  });
}

function headOf({ etag, requestId }: Head) {
  return {
    'content-type': 'video/mp4',
    'accept-ranges': 'bytes',
    // Whoever has it need not ask again; nobody else is to give it away.
    'cache-control': 'private, max-age=31536000, immutable, no-transform',
    'content-security-policy': "default-src 'none'; sandbox",
    'x-content-type-options': 'nosniff',
    etag,
    [REQUEST_ID_HEADER]: requestId,
  };
}

function etagOf({ entry }: ChunkReading, { first, last }: ByteRange): string {
  return `"${entry.id}/${first}-${last}"`;
}
