import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { Agent } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import { repeat, systemClock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey, verifyTarget } from '../lib/signing/signed-url.ts';
import { ensureAdminToken } from './auth/admin-token.ts';
import { createRequireAdmin } from './auth/require-admin.ts';
import { SqlAdminTokenStore } from './auth/sql-admin-token-store.ts';
import { openBytePath } from './byte-path.ts';
import { Cluster } from './cluster/cluster.ts';
import { Membership } from './cluster/membership.ts';
import { HttpNodeInventory } from './cluster/node-inventory.ts';
import { HttpNodeProbe } from './cluster/node-probe.ts';
import { NodeRequests } from './cluster/node-requests.ts';
import { createClusterRoutes } from './cluster/routes.ts';
import { Sweeper } from './cluster/sweeper.ts';
import type { Config } from './config.ts';
import { openDatabase } from './database/database.ts';
import { Leases } from './database/leases.ts';
import { LIMITS } from './limits.ts';
import { SqlObjectRepository } from './objects/sql-object-repository.ts';
import { API_PREFIX, createServerApp } from './server.ts';
import { Metrics } from './system/metrics.ts';
import { createSystemRoutes } from './system/routes.ts';
import { ContentResponder } from './videos/content-response.ts';
import { createContentRoute, createVideoRoutes, type VideoRoutesDeps } from './videos/routes.ts';
import { VideoService } from './videos/service.ts';
import { SqlVideoRepository } from './videos/sql-video-repository.ts';
import { UploadLeases } from './videos/upload-leases.ts';

const VIDEOS_CHANNEL = 'videos';

/** What `main.ts` needs of the assembled coordinator. */
export interface Context {
  readonly app: ReturnType<typeof createServerApp>;
  readonly clusterId: string;
  /** The administrator's token if it was made just now; it is to be shown once. */
  readonly createdAdminToken: string | undefined;
  /** Starts what runs beside requests; to be called once the server listens. */
  start(): void;
}

/**
 * Makes every long-lived object of the coordinator, in the order they depend on each other, and puts what has to be
 * closed on the stack. Nothing else in this process is global.
 */
export async function openContext(
  stack: AsyncDisposableStack,
  config: Config,
  logger: Logger,
  stopping: AbortSignal,
): Promise<Context> {
  const clock = systemClock;
  const metrics = new Metrics();
  const signingKey = deriveKey(config.CLUSTER_SECRET, 'storage-node');
  const dispatcher = stack.adopt(new Agent({ connectTimeout: LIMITS.nodeConnectTimeoutMs }), (agent) =>
    agent.destroy(),
  );

  // 1. The database and what is read from it.
  const database = stack.use(
    await openDatabase({ dataDir: config.DATA_DIR, databaseUrl: config.DATABASE_URL, logger }),
  );
  const objects = new SqlObjectRepository(database.kysely);
  const leases = new Leases(database.kysely, uuidv7());

  // 2. The cluster.
  const requests = new NodeRequests({ dispatcher, signingKey, clock });
  const probe = new HttpNodeProbe(requests);
  const cluster = stack.use(
    await Cluster.open({
      database,
      probe,
      clock,
      logger,
      replicas: config.REPLICAS,
      healthIntervalMs: config.HEALTH_INTERVAL,
      downAfterMs: config.DOWN_AFTER,
    }),
  );
  const membership = new Membership({
    database,
    cluster,
    probe,
    clock,
    logger,
    bootstrapNodes: config.BOOTSTRAP_NODES,
  });
  const sweeper = new Sweeper({
    objects,
    placement: cluster,
    health: cluster.health,
    inventory: new HttpNodeInventory(requests),
    leases,
    clock,
    logger,
    intervalMs: config.SWEEP_INTERVAL,
    minAgeMs: config.SWEEP_MIN_AGE,
    expiryIntervalMs: Math.min(30_000, config.UPLOAD_LEASE / 2, config.SWEEP_INTERVAL),
    leaseMs: config.UPLOAD_LEASE,
  });

  // 3. The byte path and the videos on top of it.
  const store = await openBytePath(stack, {
    config,
    logger,
    metrics,
    placement: cluster,
    dispatcher,
    signingKey,
  });
  const uploadLeases = new UploadLeases({ objects, leaseMs: config.UPLOAD_LEASE, logger });
  const service = stack.use(
    new VideoService({
      videos: new SqlVideoRepository(database.kysely),
      objects,
      store,
      leases: uploadLeases,
      inTransaction: (work) => database.kysely.transaction().execute(work),
      clock,
      logger,
      createId: () => uuidv7(),
      onChanged: (id) => {
        database.notifications
          .publish(VIDEOS_CHANNEL, id)
          .catch((error) =>
            logger.warn({ err: error, videoId: id }, 'other coordinators were not told of a change'),
          );
      },
      uploadBytesMax: config.MAX_VIDEO_SIZE,
      cachedVideosMax: LIMITS.cachedVideosMax,
      cachedChunksMax: LIMITS.cachedChunksMax,
    }),
  );
  stack.defer(await database.notifications.subscribe(VIDEOS_CHANNEL, (id) => service.invalidate(id)));
  stack.defer(database.notifications.onGap(() => service.invalidateAll()));

  // 4. The administrator and the routes.
  const token = await ensureAdminToken(
    new SqlAdminTokenStore(database.kysely),
    randomBytes,
    config.ADMIN_TOKEN,
  );
  const requireAdmin = createRequireAdmin({ tokenHash: token.hash });
  metrics.observe(
    'orbitvids_swept_chunks',
    'Chunks that nobody named and that were removed',
    () => sweeper.counts.removedChunks,
  );
  const responder = new ContentResponder({
    store,
    clientIdleTimeoutMs: LIMITS.clientIdleTimeoutMs,
    answersMax: LIMITS.contentAnswersMax,
    createBoundary: () => randomBytes(18).toString('base64url'),
  });
  const checkDatabase = async () => {
    await sql`select 1`.execute(database.kysely);
  };
  const videoRoutes: VideoRoutesDeps = {
    service,
    responder,
    requireAdmin,
    logger,
    basePath: API_PREFIX,
    bodyIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT,
  };
  const app = createServerApp({
    logger,
    metrics,
    corsOrigins: config.CORS_ORIGINS,
    system: createSystemRoutes({ placement: cluster, metrics, checkDatabase, stopping }),
    features: [
      createVideoRoutes(videoRoutes),
      createClusterRoutes({
        membership,
        cluster,
        requireAdmin,
        verifyNode: ({ req }) => {
          const { pathname, search } = new URL(req.url);
          return verifyTarget(
            [signingKey],
            req.method,
            `${pathname}${search}`,
            Math.floor(clock.nowMs() / 1000),
          );
        },
      }),
    ],
    direct: [createContentRoute(videoRoutes)],
  });

  return {
    app,
    clusterId: cluster.id,
    createdAdminToken: token.created,
    start: () => {
      sweeper.start();
      stack.use(sweeper);
      void membership.registerAll(config.STORAGE_NODES, stopping);
      void repeat(clock, config.UPLOAD_LEASE / 3, stopping, () => uploadLeases.runOnce(stopping));
    },
  };
}
