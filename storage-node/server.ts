import { Hono } from 'hono';
import type { ByteClient } from '../lib/byte-client/byte-client.ts';
import type { BufferPool } from '../lib/bytes/buffer-pool.ts';
import type { Clock } from '../lib/clock/clock.ts';
import { AppError } from '../lib/errors/app-error.ts';
import { createDirectHandler } from '../lib/http/direct-routes.ts';
import { GetLane } from '../lib/http/get-lane.ts';
import type { HttpServerOptions } from '../lib/http/http-server.ts';
import { createProblemHandlers } from '../lib/http/problem-handlers.ts';
import { requestId } from '../lib/http/request-id.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { NodeHealth } from '../lib/node-api/schema.ts';
import type { SigningKey } from '../lib/signing/signed-url.ts';
import { type NodeEnv, requireSignature } from './access.ts';
import { ChunkReceiver } from './chunks/chunk-receiver.ts';
import { createChunkRoutes } from './chunks/chunk-routes.ts';
import { ChunkSender } from './chunks/chunk-sender.ts';
import type { ChunkService } from './chunks/chunk-service.ts';
import type { ChunkSource } from './chunks/chunk-source.ts';
import { createDigestRoutes } from './digests/digest-routes.ts';
import { ObjectHashes } from './digests/object-hashes.ts';
import { statusOf } from './errors.ts';
import type { NodeIdentity } from './identity.ts';
import { KEEP_ALIVE_TIMEOUT_MS, SEND_IDLE_TIMEOUT_MS } from './limits.ts';
import type { NodeMetrics } from './metrics.ts';
import { createNodeRoutes } from './node-routes.ts';
import { PartOffers } from './parts/part-offers.ts';
import { allowPartOrigins, createPartRoutes } from './parts/part-routes.ts';
import { PartService } from './parts/part-service.ts';
import { createRangeRoutes } from './ranges/range-routes.ts';
import type { VideoRepository } from './repository/video-repository.ts';
import { createScrubRoutes } from './scrub/scrub-routes.ts';
import type { Scrubber } from './scrub/scrubber.ts';
import { allowSliceOrigins, SliceSender } from './slices/slice-sender.ts';

export interface NodeAppOptions {
  readonly repository: VideoRepository;
  readonly service: ChunkService;
  readonly identity: NodeIdentity;
  readonly metrics: NodeMetrics;
  readonly source: ChunkSource;
  /** Talks to other nodes. */
  readonly client: Pick<ByteClient, 'request'>;
  readonly scrubber: Pick<Scrubber, 'status' | 'control'>;
  /** For parts of direct uploads. */
  readonly partBuffers: BufferPool;
  /** Of web pages that may send such parts; `['*']` for all. */
  readonly corsOrigins: readonly string[];
  /** Signs and verifies requests. */
  readonly key: SigningKey;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The node's HTTP API: chunks go out by `ChunkSender` and come in by `ChunkReceiver`; nearly all else is the app's. */
export function createNodeApp(options: NodeAppOptions): Pick<HttpServerOptions, 'fetch' | 'direct' | 'lane'> {
  const { repository, metrics, clock, logger } = options;
  const app = new Hono<NodeEnv>();
  const problems = createProblemHandlers(logger, statusOf);
  app.onError(problems.onError);
  app.notFound(problems.notFound);
  app.use(requestId());

  app.get('/healthz', (context) => {
    if (repository.stats().disk === 'failing')
      throw new AppError('disk_failing', 'The disk under this node returns errors.');
    const { nodeId, dataId } = options.identity;
    return context.json({ status: 'ok', nodeId, dataId } satisfies NodeHealth);
  });
  app.get('/metrics', async (context) =>
    context.text(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  );

  allowPartOrigins(app, options.corsOrigins);
  allowSliceOrigins(app);
  app.use(requireSignature(options.key, clock));
  app.use(async (context, next) => {
    const startedMs = clock.monotonicMs();
    await next();
    const { outgoing, incoming } = context.env;
    const status = outgoing.headersSent ? outgoing.statusCode : context.res.status;
    metrics.requestSeconds.observe(
      { method: incoming.method ?? '', route: context.req.path.split('/', 2)[1] ?? '', status },
      (clock.monotonicMs() - startedMs) / 1000,
    );
  });
  app.route('/chunks', createChunkRoutes(options));
  const offers = new PartOffers();
  const parts = new PartService({ ...options, buffers: options.partBuffers, offers });
  app.route('/parts', createPartRoutes({ ...options, parts }));
  app.route('/ranges', createRangeRoutes(options));
  app.route('/digests', createDigestRoutes({ hashes: new ObjectHashes(options) }));
  app.route('/', createScrubRoutes(options));
  app.route('/', createNodeRoutes({ ...options, startedAt: new Date(clock.nowMs()).toISOString() }));
  const sender = new ChunkSender({ ...options, problems });
  const receiver = new ChunkReceiver(options);
  const slices = new SliceSender(options);
  const lane = new GetLane({
    target: sender.target,
    answer: (request, answer) => sender.answerPlain(request, answer),
    clock,
    keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT_MS,
    sendIdleTimeoutMs: SEND_IDLE_TIMEOUT_MS,
  });
  return {
    fetch: app.fetch,
    direct: createDirectHandler([sender, receiver, slices, offers], { problems }),
    lane,
  };
}
