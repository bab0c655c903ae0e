import { Hono } from 'hono';
import type { Clock } from '../../lib/clock/clock.ts';
import { type StatedChunks, statChunksSchema } from '../../lib/node-api/schema.ts';
import { CHECKSUM_HEADER, formatChecksum } from '../../lib/node-api/targets.ts';
import type { NodeEnv } from '../access.ts';
import { clientGoneSignal } from '../client-gone.ts';
import { BODY_IDLE_TIMEOUT_MS, BODY_TIMEOUT_MS, CHUNK_BYTES_MAX } from '../limits.ts';
import type { NodeMetrics } from '../metrics.ts';
import {
  addressOf,
  invalid,
  parseAddress,
  parseContentLength,
  parseJson,
  readChecksum,
} from '../parse-request.ts';
import type { VideoRepository } from '../repository/video-repository.ts';
import type { ChunkService } from './chunk-service.ts';
import { receiveBody } from './receive-body.ts';

export interface ChunkRoutesOptions {
  readonly repository: VideoRepository;
  readonly service: ChunkService;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
}

/** `/chunks/{position}/{id}`, apart from what `ChunkSender` and `ChunkReceiver` answer. */
export function createChunkRoutes(options: ChunkRoutesOptions): Hono<NodeEnv> {
  const { repository, service, metrics, clock } = options;
  const bodyLimits = { clock, idleTimeoutMs: BODY_IDLE_TIMEOUT_MS, timeoutMs: BODY_TIMEOUT_MS };
  const routes = new Hono<NodeEnv>();

  routes.put('/:position/:id', async (context) => {
    const address = parseAddress(context);
    const length = parseContentLength(context, CHUNK_BYTES_MAX);
    if (length === 0) throw invalid('A chunk has at least one byte.');
    const checksum = readChecksum(context.req.header(CHECKSUM_HEADER));
    const result = await service.receive(
      { ...address, length, checksum },
      (into) => receiveBody(context.env.incoming, into, bodyLimits),
      clientGoneSignal(context.env.outgoing),
    );
    metrics.bytesIn.inc(length);
    return context.json({ result }, result === 'created' ? 201 : 200);
  });

  routes.post('/stat', async (context) => {
    const { chunks } = await parseJson(context, statChunksSchema);
    const stated = await Promise.all(
      chunks.map(async (name): Promise<StatedChunks['chunks'][number]> => {
        const { position, id } = addressOf(name.slice(0, 8), name.slice(9));
        const entry = await repository.stat(position, id);
        return entry === undefined ? null : [entry.length, formatChecksum(entry.checksum)];
      }),
    );
    return context.json({ chunks: stated } satisfies StatedChunks);
  });

  routes.delete('/:position/:id', async (context) => {
    const { position, id } = parseAddress(context);
    await repository.delete(position, id);
    return context.body(null, 204);
  });

  return routes;
}
