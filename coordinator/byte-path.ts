import { randomBytes } from 'node:crypto';
import { ByteClient } from '../lib/byte-client/byte-client.ts';
import { YoungGarbage } from '../lib/bytes/young-garbage.ts';
import { type Clock, systemClock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import type { SigningKey } from '../lib/signing/signed-url.ts';
import { ChunkOutbox } from './chunks/chunk-outbox.ts';
import { ChunkReader } from './chunks/chunk-reader.ts';
import { ChunkWriter } from './chunks/chunk-writer.ts';
import { HttpNodeClient } from './chunks/http-node-client.ts';
import type { RecentLatency } from './chunks/recent-latency.ts';
import { RingObjectStore } from './chunks/ring-object-store.ts';
import { WriteBuffers } from './chunks/write-buffers.ts';
import type { Placement } from './cluster/placement.ts';
import type { Config } from './config.ts';
import { LIMITS } from './limits.ts';
import type { Metrics } from './system/metrics.ts';

export interface BytePathParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly placement: Placement;
  readonly signingKey: SigningKey;
  /** How long reads take to begin is added here. */
  readonly readLatency: RecentLatency;
  /** An owner of the position may lack a good copy of a chunk. Is called often; has to be cheap. */
  readonly onSuspicion: (position: number, why: string) => void;
}

/** Puts the byte path together; what has to be closed goes on the stack. */
export async function openBytePath(
  stack: AsyncDisposableStack,
  parts: BytePathParts,
): Promise<RingObjectStore> {
  const { config, logger, metrics, placement, onSuspicion } = parts;
  const clock: Clock = systemClock;
  const bytes = stack.use(
    new ByteClient({
      clock,
      connectTimeoutMs: LIMITS.nodeConnectTimeoutMs,
      idleTimeoutMs: config.READ_STALL_TIMEOUT,
      maxIdlePerHost: LIMITS.nodeConnectionsIdleMax,
      stageBytes: LIMITS.readStageBytes,
      largeStages: { bytes: LIMITS.readLargeStageBytes, max: LIMITS.readLargeStagesMax },
    }),
  );
  const requests = stack.use(
    new ByteClient({
      clock,
      connectTimeoutMs: LIMITS.nodeConnectTimeoutMs,
      idleTimeoutMs: Math.max(LIMITS.nodeSilenceMaxMs, config.COPY_TIMEOUT),
      maxIdlePerHost: LIMITS.nodeConnectionsIdleMax,
      stageBytes: LIMITS.requestStageBytes,
    }),
  );
  const outbox = stack.use(
    await ChunkOutbox.open({
      host: config.HOST,
      port: config.OUTBOX_PORT,
      advertiseHost: config.ADVERTISE_HOST ?? advertisedHost(config.HOST),
      createToken: () => randomBytes(24).toString('base64url'),
    }),
  );
  const buffers = new WriteBuffers({
    clock,
    totalBytes: config.UPLOAD_BUFFERS,
    slowAfterMs: LIMITS.slowChunkAfterMs,
  });
  metrics.observe(
    'orbitvids_upload_pages_free',
    'Pages of upload memory nobody holds',
    () => buffers.freePages,
  );
  metrics.observe('orbitvids_upload_pages_awaited', 'Uploads that wait for memory', () => buffers.waiting);

  const client = new HttpNodeClient({ clock, bytes, requests, signingKey: parts.signingKey });
  return new RingObjectStore({
    clock,
    logger,
    placement,
    buffers,
    garbage: new YoungGarbage(LIMITS.collectEveryBytes),
    outbox,
    client,
    writer: new ChunkWriter({
      clock,
      placement,
      client,
      copyTimeoutMs: config.COPY_TIMEOUT,
      stragglerTimeoutMs: LIMITS.stragglerTimeoutMs,
    }),
    reader: new ChunkReader({
      clock,
      receiverPauseMs: LIMITS.receiverPauseMs,
      placement,
      client,
      stallTimeoutMs: config.READ_STALL_TIMEOUT,
      maxRounds: LIMITS.readRoundsMax,
      onFailover: (node, ref) => {
        metrics.readFailovers.inc();
        logger.warn({ nodeId: node.id, chunkId: ref.id }, 'a read went on at another node');
      },
      onBadCopy: (node, ref, kind) => {
        metrics.badCopies.inc({ kind });
        logger.warn({ nodeId: node.id, chunkId: ref.id, kind }, 'a node lacks a good copy');
        onSuspicion(
          ref.position,
          `a read found ${kind === 'chunk_corrupt' ? 'a damaged' : 'no'} copy at an owner`,
        );
      },
    }),
    chunkBytes: config.CHUNK_SIZE,
    sourceIdleTimeoutMs: config.UPLOAD_IDLE_TIMEOUT,
    chunksInFlight: LIMITS.chunksInFlightMax,
    randomBytes: (count) => randomBytes(count),
    onReadServed: (milliseconds) => parts.readLatency.add(milliseconds),
    onBytesSent: (bytes) => metrics.sentBytes.inc(bytes),
    onChunkSettled: (ref, { missing, lacking }) => {
      metrics.uploadedBytes.inc(ref.length);
      metrics.chunksWritten.inc({ copies: missing === 0 ? 'all' : 'short' });
      if (missing > 0) logger.warn({ chunkId: ref.id, missing }, 'a chunk has fewer copies than it should');
      if (lacking.length > 0) onSuspicion(ref.position, 'a write did not reach every owner');
    },
  });
}

/** A wildcard address says nothing about how to get here. */
function advertisedHost(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
}
