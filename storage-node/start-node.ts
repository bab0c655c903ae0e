import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { ByteClient } from '../lib/byte-client/byte-client.ts';
import { BufferPool } from '../lib/bytes/buffer-pool.ts';
import type { Clock } from '../lib/clock/clock.ts';
import { HttpServer } from '../lib/http/http-server.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey } from '../lib/signing/signed-url.ts';
import { ChunkService } from './chunks/chunk-service.ts';
import { HttpChunkSource } from './chunks/http-chunk-source.ts';
import type { NodeConfig } from './config.ts';
import { settleDataId } from './data-id.ts';
import { DirectoryLock } from './directory-lock.ts';
import { NodeIdentity } from './identity.ts';
import {
  CHUNK_BYTES_MAX,
  DRAIN_TIMEOUT_MS,
  HEADER_BYTES_MAX,
  HEADERS_TIMEOUT_MS,
  KEEP_ALIVE_TIMEOUT_MS,
  PART_BUFFERS,
  SOURCE_CONNECT_TIMEOUT_MS,
  SOURCE_IDLE_CONNECTIONS,
  SOURCE_IDLE_TIMEOUT_MS,
  WRITE_BUFFERS,
} from './limits.ts';
import { createMetrics } from './metrics.ts';
import { Registration } from './registration.ts';
import { DiskVideoRepository } from './repository/disk-video-repository.ts';
import { scrubLogIn } from './scrub/scrub-log.ts';
import { Scrubber } from './scrub/scrubber.ts';
import { createNodeApp } from './server.ts';

export interface StartedNode {
  readonly url: string;
  readonly nodeId: string;
}

/** Bodies are short listings and problem documents; chunks land in the write buffers. */
const STAGE_BYTES = 64 * 1024;

/**
 * Starts a storage node; resolves when it serves. Everything it holds is put on the stack in the order of
 * dependence: disposing the stack stops accepting, lets requests end, and closes the repository and the lock.
 */
export async function startNode(
  config: NodeConfig,
  parts: { clock: Clock; logger: Logger; stack: AsyncDisposableStack; signal: AbortSignal },
): Promise<StartedNode> {
  const { clock, logger, stack, signal } = parts;
  const directory = config.STORAGE_DIR;
  await mkdir(directory, { recursive: true });
  stack.use(await DirectoryLock.acquire(directory));
  const identity = await NodeIdentity.open(directory);
  const repository = stack.use(
    await DiskVideoRepository.open({
      directory,
      capacityBytes: config.CAPACITY,
      clock,
      logger,
      onLoss: () => identity.setDataId(randomUUID()),
    }),
  );
  await settleDataId(identity, repository, logger);
  const { repaired } = repository;
  logger.info({ repaired, stats: repository.stats() }, 'the data directory is open');

  const scrubber = stack.use(
    await Scrubber.open({
      repository,
      log: scrubLogIn(directory, logger),
      bytesPerSecond: config.SCRUB_RATE,
      intervalMs: config.SCRUB_INTERVAL,
      clock,
      logger,
    }),
  );
  const client = stack.use(
    new ByteClient({
      clock,
      connectTimeoutMs: SOURCE_CONNECT_TIMEOUT_MS,
      idleTimeoutMs: SOURCE_IDLE_TIMEOUT_MS,
      maxIdlePerHost: SOURCE_IDLE_CONNECTIONS,
      stageBytes: STAGE_BYTES,
    }),
  );
  const key = deriveKey(config.CLUSTER_SECRET, 'storage-node');
  const source = new HttpChunkSource(client);
  const buffers = new BufferPool({ bufferBytes: CHUNK_BYTES_MAX, capacity: WRITE_BUFFERS });
  const app = createNodeApp({
    repository,
    service: new ChunkService({ repository, buffers, source }),
    identity,
    metrics: createMetrics({
      stats: () => repository.stats(),
      indexCommits: () => repository.indexCommits,
      indexReads: () => repository.indexReads,
      scrub: () => scrubber.status,
    }),
    source,
    client,
    scrubber,
    partBuffers: new BufferPool({ bufferBytes: CHUNK_BYTES_MAX, capacity: PART_BUFFERS }),
    corsOrigins: config.CORS_ORIGINS,
    key,
    stopping: signal,
    clock,
    logger,
  });
  const server = stack.use(
    await HttpServer.open({
      ...app,
      host: config.HOST,
      port: config.PORT,
      headersTimeoutMs: HEADERS_TIMEOUT_MS,
      keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderBytes: HEADER_BYTES_MAX,
      drainTimeoutMs: DRAIN_TIMEOUT_MS,
    }),
  );
  const url = config.ADVERTISE_URL ?? server.url;
  if (config.JOIN !== undefined) {
    const { JOIN: coordinator, ZONE: zone, WEIGHT: weight } = config;
    if (config.ADVERTISE_URL === undefined && ['0.0.0.0', '::'].includes(config.HOST)) {
      logger.warn(
        { url },
        'ADVERTISE_URL is not set: only this machine can reach the node at the address it gives',
      );
    }
    const registration = new Registration({
      coordinator,
      node: { url, zone, weight },
      key,
      client,
      clock,
      logger,
    });
    void registration.runUntilAccepted(signal);
  }
  scrubber.run();
  return { url, nodeId: identity.nodeId };
}
