import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { Hono } from 'hono';
import { Agent } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import { type Clock, repeat } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { SigningKey } from '../lib/signing/signed-url.ts';
import type { AttachmentRepository } from './attachments/repository.ts';
import { createAttachmentRoutes } from './attachments/routes.ts';
import { AttachmentService } from './attachments/service.ts';
import type { ObjectDigester } from './chunks/object-digester.ts';
import type { ObjectAppender, ObjectStore } from './chunks/object-store.ts';
import type { NodeInventory } from './cluster/node-inventory.ts';
import type { NodeRequests } from './cluster/node-requests.ts';
import type { Placement } from './cluster/placement.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle, Transaction } from './database/database.ts';
import { UPKEEP_INTERVAL_MS } from './direct-uploads/limits.ts';
import { PartInspector } from './direct-uploads/part-inspector.ts';
import { HttpPartNodes } from './direct-uploads/part-nodes.ts';
import { PartUrls } from './direct-uploads/part-urls.ts';
import { DirectUploadRepository } from './direct-uploads/repository.ts';
import { createDirectUploadRoutes } from './direct-uploads/routes.ts';
import { DirectUploadService } from './direct-uploads/service.ts';
import { IdempotencyKeys } from './idempotency/idempotency-keys.ts';
import { KEY_UPKEEP_INTERVAL_MS } from './idempotency/limits.ts';
import { AddressGuard } from './imports/address-guard.ts';
import { CONNECT_TIMEOUT_MS } from './imports/limits.ts';
import { Origin } from './imports/origin.ts';
import { ImportRepository } from './imports/repository.ts';
import { createImportRoutes } from './imports/routes.ts';
import { ImportService } from './imports/service.ts';
import type { SqlObjectRepository } from './objects/sql-object-repository.ts';
import { openUploads } from './uploads/open-uploads.ts';
import { createUploadRoutes } from './uploads/routes.ts';
import type { ContentCors } from './videos/content-cors.ts';
import type { ContentResponder } from './videos/content-response.ts';
import type { Quotas } from './videos/quotas.ts';
import type { VideoService } from './videos/service.ts';
import type { SqlVideoRepository } from './videos/sql-video-repository.ts';
import { StoredVideos } from './videos/stored-videos.ts';
import type { UploadLeases } from './videos/upload-leases.ts';
import type { VideoRecords } from './videos/video-records.ts';

export interface UploadWaysParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly coordinatorId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  readonly requests: NodeRequests;
  readonly inventory: NodeInventory;
  readonly signingKey: SigningKey;
  readonly digester: ObjectDigester;
  readonly placement: Placement;
  readonly store: ObjectStore & ObjectAppender;
  readonly objects: SqlObjectRepository;
  readonly videos: SqlVideoRepository;
  readonly service: VideoService;
  readonly records: VideoRecords;
  readonly attachments: AttachmentRepository;
  readonly quotas: Quotas;
  readonly uploadLeases: UploadLeases;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly announceChange: (transaction: Transaction, id: string) => Promise<void>;
  readonly onSuspicion: (position: number, why: string) => void;
  readonly basePath: string;
}

/** What the rest of the coordinator needs of them. */
export interface UploadWays {
  readonly keys: IdempotencyKeys;
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  routes(answers: { readonly responder: ContentResponder; readonly cors: ContentCors }): readonly Hono<any>[];
  start(): void;
}

/**
 * Puts together how files come in beside `POST /videos`: resumable and direct uploads, imports from URLs, attachments, and
 * the keys by which creations may be repeated. What has to be closed goes on the stack.
 */
export async function openUploadWays(
  stack: AsyncDisposableStack,
  parts: UploadWaysParts,
): Promise<UploadWays> {
  const { config, database, coordinatorId, clock, logger, stopping, requests, inventory, signingKey } = parts;
  const { digester, placement, store, objects, videos, service, records, attachments, quotas } = parts;
  const { uploadLeases, inTransaction, announceChange, onSuspicion, basePath } = parts;
  const { kysely } = database;

  const attachmentService = new AttachmentService({
    ...{ attachments, videos, objects, store, records, quotas, clock, logger, announceChange },
    leases: uploadLeases,
    createId: () => uuidv7(),
    invalidate: (videoId) => service.invalidate(videoId),
  });
  const keys = new IdempotencyKeys({ database: kysely, clock, logger, createId: () => uuidv7() });
  const guard = new AddressGuard({
    resolve: (hostname) => lookup(hostname, { all: true }),
    allowPrivate: config.IMPORT_ALLOW_PRIVATE,
    ports: config.IMPORT_PORTS,
  });
  const origins = stack.adopt(
    new Agent({ connect: { lookup: guard.lookup, timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 }),
    (agent) => agent.destroy(),
  );
  const imports = new ImportService({
    imports: new ImportRepository(kysely, coordinatorId, config.UPLOAD_LEASE),
    ...{ guard, videos, clock, logger, uploads: service },
    origin: new Origin({ guard, dispatcher: origins, clock }),
    createId: () => uuidv7(),
  });
  const stored = new StoredVideos({ videos, objects, store, records, clock, logger });
  const directUploads = stack.use(
    new DirectUploadService({
      uploads: new DirectUploadRepository(kysely),
      ...{ quotas, objects, videos, stored, store, digester, clock, logger },
      inspector: new PartInspector({
        placement,
        nodes: new HttpPartNodes(requests),
        inventory,
        logger,
      }),
      urls: new PartUrls({
        placement,
        key: signingKey,
        publicUrls: config.NODE_PUBLIC_URLS,
        clock,
      }),
      onSuspicion,
      createId: () => uuidv7(),
      randomBytes: (count) => randomBytes(count),
      uploadBytesMax: config.MAX_VIDEO_SIZE,
      partBytes: config.CHUNK_SIZE,
    }),
  );
  const uploads = await openUploads(stack, {
    ...{
      database,
      store,
      objects,
      videos,
      records,
      quotas,
      inTransaction,
      coordinatorId,
      clock,
      logger,
      stopping,
    },
    expiryMs: config.UPLOAD_EXPIRY,
    leaseMs: config.UPLOAD_LEASE,
    uploadBytesMax: config.MAX_VIDEO_SIZE,
  });

  return {
    keys,
    routes: ({ responder, cors }) => [
      createUploadRoutes({ ...uploads, keys, videos: service, basePath }),
      createAttachmentRoutes({
        service: attachmentService,
        videos: service,
        ...{ responder, logger, cors, basePath },
      }),
      createImportRoutes({ service: imports, keys, basePath }),
      createDirectUploadRoutes({ service: directUploads, keys, basePath }),
    ],
    start: () => {
      imports.start();
      stack.use(imports);
      void repeat(clock, KEY_UPKEEP_INTERVAL_MS, stopping, () => keys.runOnce());
      void repeat(clock, UPKEEP_INTERVAL_MS, stopping, () => directUploads.runOnce());
    },
  };
}
