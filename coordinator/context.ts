import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { Agent } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import { repeat, systemClock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey } from '../lib/signing/signed-url.ts';
import { type Accounts, openAccounts } from './accounts.ts';
import { AttachmentRepository } from './attachments/repository.ts';
import { openBytePath } from './byte-path.ts';
import { openCatalog } from './catalog.ts';
import { ObjectDigester } from './chunks/object-digester.ts';
import { RecentLatency } from './chunks/recent-latency.ts';
import { Cluster } from './cluster/cluster.ts';
import { createEventRoutes } from './cluster/event-routes.ts';
import { ClusterEvents } from './cluster/events.ts';
import { Membership } from './cluster/membership.ts';
import { HttpNodeInventory } from './cluster/node-inventory.ts';
import { HttpNodeProbe } from './cluster/node-probe.ts';
import { NodeRequests } from './cluster/node-requests.ts';
import { createClusterRoutes } from './cluster/routes.ts';
import { Sweeper } from './cluster/sweeper.ts';
import type { Config } from './config.ts';
import { openDatabase, type Transaction } from './database/database.ts';
import { Leases } from './database/leases.ts';
import { LIMITS } from './limits.ts';
import { openLive } from './live.ts';
import { SqlObjectRepository } from './objects/sql-object-repository.ts';
import { createOpenapiRoutes } from './openapi/routes.ts';
import { openPlayback, RENDITIONS_CHANNEL } from './playback.ts';
import { RebalanceEngine } from './rebalance/rebalance-engine.ts';
import { RebalanceService } from './rebalance/rebalance-service.ts';
import { createRebalanceRoutes } from './rebalance/routes.ts';
import { SqlRenditionRepository } from './renditions/sql-rendition-repository.ts';
import { NodeWatch } from './repair/node-watch.ts';
import { HttpQuarantineReader } from './repair/quarantine-reader.ts';
import { RepairRepository } from './repair/repair-repository.ts';
import { RepairService } from './repair/repair-service.ts';
import { Repairer } from './repair/repairer.ts';
import { createRepairRoutes } from './repair/routes.ts';
import { Suspicions } from './repair/suspicions.ts';
import { API_PREFIX, createServerApp } from './server.ts';
import { Metrics } from './system/metrics.ts';
import { createSystemRoutes } from './system/routes.ts';
import { openTranscoding } from './transcoding.ts';
import { UPLOAD_HEADERS, uploadDiscovery } from './uploads/routes.ts';
import { openUploadWays } from './uploads.ts';
import { ContentCors } from './videos/content-cors.ts';
import { ContentResponder } from './videos/content-response.ts';
import { Quotas } from './videos/quotas.ts';
import { RecordBackfill } from './videos/record-backfill.ts';
import { createContentRoute, createVideoRoutes, type VideoRoutesDeps } from './videos/routes.ts';
import { VideoService } from './videos/service.ts';
import { Sha256Backfill } from './videos/sha256-backfill.ts';
import { SourceDrops } from './videos/source-drops.ts';
import { SqlVideoRepository } from './videos/sql-video-repository.ts';
import { UploadLeases } from './videos/upload-leases.ts';
import { VideoRecords } from './videos/video-records.ts';
import { readBuiltPage } from './web-files/built-files.ts';
import { createWebRoutes } from './web-files/routes.ts';
import { openWebhooks } from './webhooks.ts';

const VIDEOS_CHANNEL = 'videos';
/** What `npm run build:web` makes. */
const BUILT_PAGE = fileURLToPath(new URL('web/dist', import.meta.url));

/** What `main.ts` needs of the assembled coordinator. */
export interface Context {
  readonly app: ReturnType<typeof createServerApp>;
  readonly clusterId: string;
  /** The admin token and the administrator's account, as far as they were made just now; to be shown once. */
  readonly created: Accounts['created'];
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
  const coordinatorId = uuidv7();
  const leases = new Leases(database.kysely, coordinatorId);
  const webhooks = await openWebhooks(stack, {
    ...{ config, database, coordinatorId, metrics, clock, logger },
    basePath: API_PREFIX,
  });
  const { onVideoEvent, onNodeState } = webhooks;

  // 2. The cluster.
  const readLatency = new RecentLatency(clock, {
    windowMs: LIMITS.latencyWindowMs,
    samplesMax: LIMITS.latencySamplesMax,
  });
  const requests = new NodeRequests({ dispatcher, signingKey, clock });
  const probe = new HttpNodeProbe(requests);
  const cluster = stack.use(
    await Cluster.open({
      database,
      probe,
      clock,
      logger,
      replicas: config.REPLICAS,
      rangeCount: config.RANGES,
      coordinatorId,
      readP99Ms: () => readLatency.p99(LIMITS.latencySamplesMin, LIMITS.latencySamplesEnough),
      healthIntervalMs: config.HEALTH_INTERVAL,
      downAfterMs: config.DOWN_AFTER,
    }),
  );
  const events = stack.use(await ClusterEvents.open(database, logger));
  stack.defer(
    cluster.health.onChange(({ nodeId, from, to, reason }) =>
      events.record(`node_${to}`, nodeId, { from, reason, coordinatorId }),
    ),
  );
  const membership = new Membership({
    database,
    cluster,
    probe,
    clock,
    logger,
    onRegistered: ({ id, url, state }) => events.record('node_registered', id, { url, state }),
    onNodeState,
    bootstrapNodes: config.BOOTSTRAP_NODES,
  });
  const sweeper = new Sweeper({
    objects,
    placement: cluster,
    isInvolved: (nodeId, position) => cluster.isInvolved(nodeId, position),
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

  const inventory = new HttpNodeInventory(requests);
  const repairs = new RepairRepository(database.kysely);
  const suspicions = stack.use(
    new Suspicions({
      repository: repairs,
      rangeOf: (position) => cluster.rangeOf(position),
      clock,
      logger,
    }),
  );
  const engine = new RebalanceEngine({
    database,
    cluster,
    objects,
    inventory,
    leases,
    clock,
    logger,
    onMoved: (ranges, transaction) => repairs.suspect(ranges, 'the range changed hands', transaction),
    onEvent: (kind, details, isProgress) => {
      events[isProgress ? 'announce' : 'record'](kind, null, details);
    },
    onNodeState,
  });
  // What the way back, or a change of direction, left behind. Which coordinator sweeps is not for this one to know.
  const stopListening = events.listen(({ kind }) => {
    if (kind === 'rebalance_finished' || kind === 'rebalance_cancelled') sweeper.sweepSoon();
  });
  stack.defer(stopListening);
  const rebalances = new RebalanceService({
    database,
    cluster,
    probe,
    objects,
    engine,
    logger,
    createId: () => uuidv7(),
    onEvent: (kind, details) => events.record(kind, null, details),
    onNodeState,
  });

  const nodeWatch = new NodeWatch({
    database: database.kysely,
    cluster,
    probe,
    quarantine: new HttpQuarantineReader(requests),
    repository: repairs,
    clock,
    logger,
    onEvent: (kind, nodeId, details) => events.record(kind, nodeId, details),
    declareLost: async ({ id, url }) => {
      await rebalances.start([{ nodeId: id, state: 'lost' }], {
        reason: `${url} has been down for too long`,
      });
    },
    replicateAfterMs: config.REPLICATE_AFTER,
    intervalMs: config.NODE_WATCH_INTERVAL,
  });
  stack.defer(
    cluster.health.onChange(({ nodeId, from, to }) => {
      if (from !== 'down' || to !== 'up') return;
      nodeWatch
        .suspectNode(nodeId, `node ${nodeId} was away`)
        .catch((error) =>
          logger.warn({ err: error, nodeId }, 'the ranges of a node that is back are not suspected'),
        );
    }),
  );
  const repairer = new Repairer({
    repository: repairs,
    cluster,
    inventory,
    objects,
    leases,
    clock,
    logger,
    onEvent: (kind, details) => events.record(kind, null, details),
    onRound: (signal) => nodeWatch.runOnce(signal),
    censusIntervalMs: config.CENSUS_INTERVAL,
    retryMs: config.REPAIR_RETRY_AFTER,
  });
  const repairService = new RepairService({
    database: database.kysely,
    cluster,
    probe,
    repository: repairs,
    suspicions,
    counts: () => repairer.counts,
  });

  // 3. The byte path and the videos on top of it.
  const store = await openBytePath(stack, {
    config,
    logger,
    metrics,
    placement: cluster,
    signingKey,
    readLatency,
    onSuspicion: (position, why) => suspicions.add(position, why),
  });
  const quotas = new Quotas(database.kysely, { bytes: config.QUOTA_BYTES, videos: config.QUOTA_VIDEOS });
  const uploadLeases = new UploadLeases({ objects, leaseMs: config.UPLOAD_LEASE, logger });
  const accounts = await openAccounts(stack, {
    config,
    database,
    logger,
    clusterId: cluster.id,
    nodeKey: signingKey,
    clock,
    usageOf: (userId) => quotas.usageOf(userId),
  });
  const videos = new SqlVideoRepository(database.kysely, {
    onEvent: async (transaction, event) => {
      await transcoding.onVideoEvent(transaction, event);
      await onVideoEvent(transaction, event);
    },
  });
  const renditions = new SqlRenditionRepository({
    database: database.kysely,
    announceChange: (transaction, videoId) =>
      database.notifications.publish(RENDITIONS_CHANNEL, videoId, transaction),
  });
  const transcoding = await openTranscoding(stack, {
    ...{ config, database, leases, store, renditions, videos, clock, logger, stopping },
    onVideoEvent,
    grants: accounts.grants,
    basePath: API_PREFIX,
  });
  const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
    database.kysely.transaction().execute(work);
  const attachments = new AttachmentRepository(database.kysely);
  const announceChange = (transaction: Transaction, id: string) =>
    database.notifications.publish(VIDEOS_CHANNEL, id, transaction);
  const { replicas, rangeCount: ranges } = cluster.record;
  const records = stack.use(
    new VideoRecords({
      cluster: { id: cluster.id, replicas, ranges },
      objects,
      attachments,
      store,
      inTransaction,
      createId: () => uuidv7(),
      clock,
      logger,
    }),
  );
  const backfill = new RecordBackfill({ videos, records, leases, clock, logger });
  const service = stack.use(
    new VideoService({
      videos,
      objects,
      store,
      records,
      attachments,
      derived: renditions,
      leases: uploadLeases,
      quotas,
      inTransaction,
      clock,
      logger,
      createId: () => uuidv7(),
      announceChange,
      uploadBytesMax: config.MAX_VIDEO_SIZE,
      cachedVideosMax: LIMITS.cachedVideosMax,
      cachedChunksMax: LIMITS.cachedChunksMax,
    }),
  );
  const digester = new ObjectDigester({ placement: cluster, requests, clock });
  const sha256Backfill = new Sha256Backfill({ videos, service, objects, digester, leases, clock, logger });
  const sourceDrops = new SourceDrops({ videos, service, clock, logger });
  stack.defer(await database.notifications.subscribe(VIDEOS_CHANNEL, (id) => service.invalidate(id)));
  stack.defer(database.notifications.onGap(() => service.invalidateAll()));

  const uploadWays = await openUploadWays(stack, {
    ...{
      config,
      database,
      coordinatorId,
      clock,
      logger,
      stopping,
      requests,
      inventory,
      signingKey,
      digester,
    },
    ...{ placement: cluster, store, objects, videos, service, records, attachments, quotas, uploadLeases },
    ...{ inTransaction, announceChange, basePath: API_PREFIX },
    onSuspicion: (position, why) => suspicions.add(position, why),
  });

  // 4. The catalog and the routes.
  const catalog = await openCatalog(stack, {
    config,
    database,
    leases,
    gate: accounts.gate,
    metrics,
    logger,
    basePath: API_PREFIX,
    clock,
  });
  metrics.observe(
    'orbitvids_swept_chunks',
    'Chunks that nobody named and that were removed',
    () => sweeper.counts.removedChunks,
  );
  metrics.observe(
    'orbitvids_homed_chunks',
    'Chunks that lay on a node that does not own them and are with their owners now',
    () => sweeper.counts.homedChunks,
  );
  metrics.observe(
    'orbitvids_repaired_chunks',
    'Copies that owners lacked and that were made',
    () => repairer.counts.copiedChunks,
  );
  metrics.observe(
    'orbitvids_checked_ranges',
    'Ranges whose copies were all accounted for',
    () => repairer.counts.checkedRanges,
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
    media: transcoding.media,
    keys: uploadWays.keys,
    responder,
    gate: accounts.gate,
    cors: new ContentCors(config.CORS_ORIGINS),
    logger,
    basePath: API_PREFIX,
    bodyIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT,
  };
  const playback = await openPlayback(stack, {
    ...{ config, database, renditions, store, placement: cluster, signingKey, clock, logger, responder },
    ...{ videos: service, accounts, cors: videoRoutes.cors, basePath: API_PREFIX },
  });
  const live = await openLive(stack, {
    ...{ config, database, videos, media: transcoding.media, accounts, clock, logger, stopping },
    ...{ editsChannel: VIDEOS_CHANNEL, basePath: API_PREFIX },
  });
  metrics.observe('orbitvids_event_streams', 'Clients that follow how videos are', () => live.streams);
  const page = await readBuiltPage(BUILT_PAGE);
  if (page === null) logger.warn('the web page is not built (npm run build:web): only the API is served');
  const nodeOrigins = () =>
    cluster.registeredNodes().flatMap(({ url }) => {
      const origin = URL.parse(config.NODE_PUBLIC_URLS.get(url) ?? url)?.origin;
      return origin === undefined ? [] : [origin];
    });
  const app = createServerApp({
    logger,
    metrics,
    gate: accounts.gate,
    corsOrigins: config.CORS_ORIGINS,
    exposedHeaders: UPLOAD_HEADERS,
    discovery: { '/uploads': uploadDiscovery(config.MAX_VIDEO_SIZE) },
    system: [
      createSystemRoutes({ placement: cluster, metrics, checkDatabase, stopping }),
      accounts.keySet,
      createOpenapiRoutes(),
      ...(page === null ? [] : [createWebRoutes({ page, nodeOrigins })]),
    ],
    features: [
      ...accounts.routes,
      // Before those that would take its last word for an id.
      live.routes,
      createVideoRoutes(videoRoutes),
      playback.routes,
      ...uploadWays.routes({ responder, cors: videoRoutes.cors }),
      ...transcoding.routes(service),
      catalog.routes,
      webhooks.routes,
      createRepairRoutes({ repair: repairService }),
      createRebalanceRoutes({ rebalances, membership, cluster }),
      createEventRoutes({ events, isRevoked: accounts.isRevoked, stopping }),
      createClusterRoutes({
        membership,
        cluster,
        objects,
        activate: ({ id, url }) =>
          rebalances.start([{ nodeId: id, state: 'active' }], { reason: `join of ${url}` }),
      }),
    ],
    direct: [createContentRoute(videoRoutes), ...playback.direct, catalog.direct],
  });

  return {
    app,
    clusterId: cluster.id,
    created: accounts.created,
    start: () => {
      accounts.start();
      catalog.start();
      webhooks.start({
        cluster,
        onDisabled: (webhookId, reason) => events.record('webhook_disabled', null, { webhookId, reason }),
      });
      sweeper.start();
      stack.use(sweeper);
      engine.start();
      stack.use(engine);
      repairer.start();
      stack.use(repairer);
      backfill.start();
      stack.use(backfill);
      uploadWays.start();
      transcoding.start();
      sha256Backfill.start();
      stack.use(sha256Backfill);
      sourceDrops.start();
      stack.use(sourceDrops);
      void membership.registerAll(config.STORAGE_NODES, stopping);
      void repeat(clock, config.UPLOAD_LEASE / 3, stopping, () => uploadLeases.runOnce(stopping));
    },
  };
}
