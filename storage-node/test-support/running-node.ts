import { onTestFinished } from 'vitest';
import { ByteClient } from '../../lib/byte-client/byte-client.ts';
import { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { type Clock, systemClock } from '../../lib/clock/clock.ts';
import { HttpServer } from '../../lib/http/http-server.ts';
import { deriveKey, signTarget } from '../../lib/signing/signed-url.ts';
import { ChunkService } from '../chunks/chunk-service.ts';
import { HttpChunkSource } from '../chunks/http-chunk-source.ts';
import { NodeIdentity } from '../identity.ts';
import { CHUNK_BYTES_MAX } from '../limits.ts';
import { createMetrics } from '../metrics.ts';
import { MemoryVideoRepository } from '../repository/memory-video-repository.ts';
import type { VideoRepository } from '../repository/video-repository.ts';
import { scrubLogIn } from '../scrub/scrub-log.ts';
import { Scrubber } from '../scrub/scrubber.ts';
import { createNodeApp } from '../server.ts';
import { recordingLogger } from './disk-repository.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export const TEST_SECRET = 'a secret of the tests, long enough';
export const TEST_KEY = deriveKey(TEST_SECRET, 'storage-node');

export interface TestNode {
  readonly url: string;
  readonly nodeId: string;
  readonly port: number;
  readonly repository: VideoRepository;
  /** What the node logged. */
  readonly lines: Record<string, unknown>[];
  /** As if the process had been told to stop. */
  stop(): void;
  /** Sends a signed request. */
  request(method: string, target: string, init?: RequestInit): Promise<Response>;
}

export interface TestNodeOptions {
  /** Default: one in memory, of 256 MiB. */
  readonly repository?: VideoRepository;
  readonly sourceIdleTimeoutMs?: number;
  readonly writeBuffers?: number;
  readonly partBuffers?: number;
  readonly corsOrigins?: readonly string[];
  readonly clock?: Clock;
  /** Default: the scrub is off. */
  readonly scrubBytesPerSecond?: number;
}

/** A node that serves on a free port of this process until the test ends. */
export async function startTestNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const {
    clock = systemClock,
    repository = new MemoryVideoRepository({ capacityBytes: 256 * 1024 * 1024, clock }),
  } = options;
  const client = new ByteClient({
    clock: systemClock,
    connectTimeoutMs: 2000,
    idleTimeoutMs: options.sourceIdleTimeoutMs ?? 5000,
    maxIdlePerHost: 4,
  });
  onTestFinished(() => client[Symbol.asyncDispose]());
  const source = new HttpChunkSource(client);
  const buffers = new BufferPool({ bufferBytes: CHUNK_BYTES_MAX, capacity: options.writeBuffers ?? 3 });
  const { logger, lines } = recordingLogger();
  const directory = await temporaryDirectory();
  const scrubber = await Scrubber.open({
    repository,
    log: scrubLogIn(directory, logger),
    bytesPerSecond: options.scrubBytesPerSecond ?? 0,
    intervalMs: 3_600_000,
    clock,
    logger,
  });
  onTestFinished(() => scrubber[Symbol.asyncDispose]());
  scrubber.run();
  const stopping = new AbortController();
  const identity = await NodeIdentity.open(directory);
  const app = createNodeApp({
    repository,
    source,
    client,
    partBuffers: new BufferPool({ bufferBytes: CHUNK_BYTES_MAX, capacity: options.partBuffers ?? 2 }),
    corsOrigins: options.corsOrigins ?? [],
    service: new ChunkService({ repository, buffers, source }),
    identity,
    metrics: createMetrics({
      stats: () => repository.stats(),
      indexCommits: () => 0,
      indexReads: () => repository.indexReads,
      scrub: () => scrubber.status,
    }),
    scrubber,
    key: TEST_KEY,
    clock,
    logger,
    stopping: stopping.signal,
  });
  const server = await HttpServer.open({
    ...app,
    host: '127.0.0.1',
    port: 0,
    headersTimeoutMs: 10_000,
    keepAliveTimeoutMs: 10_000,
    maxHeaderBytes: 16 * 1024,
    drainTimeoutMs: 50,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return {
    url: server.url,
    nodeId: identity.nodeId,
    port: server.port,
    repository,
    lines,
    stop: () => stopping.abort(new Error('stopped by a test')),
    request: (method, target, init) => fetch(server.url + signed(method, target), { method, ...init }),
  };
}

/** The target with a signature that is good for a minute. */
export function signed(
  method: string,
  target: string,
  expiresInS = 60,
  claims?: Readonly<Record<string, unknown>>,
): string {
  const expiresAtS = Math.floor(Date.now() / 1000) + expiresInS;
  return signTarget(TEST_KEY, { method, target, expiresAtS, ...(claims && { claims }) });
}

/** The `code` of a problem document, with the status it came with. */
export async function problemOf(response: Response): Promise<{ status: number; code: unknown }> {
  const { code, status } = (await response.json()) as { code: unknown; status: unknown };
  if (status !== response.status)
    throw new Error(`the document says ${status}, the response ${response.status}`);
  return { status: response.status, code };
}
