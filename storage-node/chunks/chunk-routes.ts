import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { REQUEST_ID_HEADER } from '../../lib/http/request-id.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { pullChunkSchema } from '../../lib/node-api/schema.ts';
import { CHECKSUM_HEADER, formatChecksum, parseChecksum } from '../../lib/node-api/targets.ts';
import type { NodeEnv } from '../access.ts';
import { clientGoneSignal } from '../client-gone.ts';
import { BODY_IDLE_TIMEOUT_MS, BODY_TIMEOUT_MS, CHUNK_BYTES_MAX, SEND_IDLE_TIMEOUT_MS } from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import { invalid, parseAddress, parseContentLength, parseJson } from '../parse-request.ts';
import type { ChunkEntry, ChunkReading, PutResult, VideoRepository } from '../repository/video-repository.ts';
import { type ByteRange, parseByteRange } from './byte-range.ts';
import type { ChunkService } from './chunk-service.ts';
import { receiveBody } from './receive-body.ts';
import { ResponseSink } from './response-sink.ts';

export interface ChunkRoutesOptions {
  readonly repository: VideoRepository;
  readonly service: ChunkService;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** `/chunks/{position}/{id}`. */
export function createChunkRoutes(options: ChunkRoutesOptions): Hono<NodeEnv> {
  const { repository, service, metrics, clock } = options;
  const bodyLimits = { clock, idleTimeoutMs: BODY_IDLE_TIMEOUT_MS, timeoutMs: BODY_TIMEOUT_MS };
  const routes = new Hono<NodeEnv>();

  routes.put('/:position/:id', async (context) => {
    const address = parseAddress(context);
    const length = parseContentLength(context, CHUNK_BYTES_MAX);
    if (length === 0) throw invalid('A chunk has at least one byte.');
    const checksum = parseChecksumHeader(context);
    const result = await service.receive(
      { ...address, length, checksum },
      (into) => receiveBody(context.env.incoming, into, bodyLimits),
      clientGoneSignal(context.env.outgoing),
    );
    metrics.bytesIn.inc(length);
    return stored(context, result);
  });

  routes.post('/:position/:id', async (context) => {
    const address = parseAddress(context);
    const { source, length, checksum } = await parseJson(context, pullChunkSchema);
    if (length > CHUNK_BYTES_MAX) {
      throw new AppError('body_too_large', `A chunk may have ${CHUNK_BYTES_MAX} bytes.`);
    }
    const chunk = { ...address, length, checksum: parseChecksum(checksum)! };
    const result = await service.pull(chunk, source, clientGoneSignal(context.env.outgoing));
    if (result === 'created') metrics.bytesIn.inc(length);
    return stored(context, result);
  });

  // Hono sends HEAD here too.
  routes.get('/:position/:id', async (context) => {
    const { position, id } = parseAddress(context);
    const reading = await repository.open(position, id);
    if (!reading) throw new AppError('chunk_not_found', 'This node does not have the chunk.');
    const range = parseByteRange(context.req.header('range'), reading.entry.length);
    if (context.env.incoming.method === 'HEAD') {
      context.env.outgoing.writeHead(range ? 206 : 200, headersOf(context, reading.entry, range)).end();
    } else {
      await sendChunk(context, reading, range, options);
    }
    return RESPONSE_ALREADY_SENT;
  });

  routes.delete('/:position/:id', async (context) => {
    const { position, id } = parseAddress(context);
    await repository.delete(position, id);
    return context.body(null, 204);
  });

  return routes;
}

function stored(context: Context<NodeEnv>, result: PutResult): Response {
  return context.json({ result }, result === 'created' ? 201 : 200);
}

function parseChecksumHeader(context: Context<NodeEnv>): number | undefined {
  const header = context.req.header(CHECKSUM_HEADER);
  if (header === undefined) return undefined;
  const checksum = parseChecksum(header);
  if (checksum === undefined) throw invalid(`${CHECKSUM_HEADER} is not eight lower-case hex digits.`);
  return checksum;
}

function headersOf(
  context: Context<NodeEnv>,
  entry: ChunkEntry,
  range: ByteRange | undefined,
): Record<string, string | number> {
  const headers: Record<string, string | number> = {
    'content-type': 'application/octet-stream',
    'content-length': range ? range.last - range.first + 1 : entry.length,
    'accept-ranges': 'bytes',
    [CHECKSUM_HEADER]: formatChecksum(entry.checksum),
    [REQUEST_ID_HEADER]: context.get('requestId'),
  };
  if (range) headers['content-range'] = `bytes ${range.first}-${range.last}/${entry.length}`;
  return headers;
}

/**
 * The head goes out with the first verified piece, so what fails before is answered with a problem document; what
 * fails later cuts the connection.
 */
async function sendChunk(
  context: Context<NodeEnv>,
  reading: ChunkReading,
  range: ByteRange | undefined,
  { metrics, clock, logger }: ChunkRoutesOptions,
): Promise<void> {
  const { outgoing } = context.env;
  const sink = new ResponseSink(outgoing, { clock, idleTimeoutMs: SEND_IDLE_TIMEOUT_MS });
  const { first, last } = range ?? { first: 0, last: reading.entry.length - 1 };
  try {
    await reading.send(first, last, (piece) => {
      if (!outgoing.headersSent) {
        outgoing.writeHead(range ? 206 : 200, headersOf(context, reading.entry, range));
      }
      metrics.bytesOut.inc(piece.length);
      return sink.write(piece);
    });
    outgoing.end();
  } catch (error) {
    const gone = isAppError(error) && error.code === 'client_gone';
    if (!outgoing.headersSent && !gone) throw error;
    sink.cut();
    if (gone) return;
    logger.warn({ err: error, requestId: context.get('requestId') }, 'a response was cut');
  }
}
