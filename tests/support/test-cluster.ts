import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { copyMigratedPglite } from '../../coordinator/database/test-support/pglite-template.ts';
import { documentedFetch } from '../../coordinator/openapi/test-support/documented-answers.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import { parseSizeBytes } from '../../lib/config/units.ts';
import {
  type ChunkEntryLine,
  chunkEntrySchema,
  type NodeStats,
  nodeStatsSchema,
} from '../../lib/node-api/schema.ts';
import { chunkTarget, NEXT_CURSOR_HEADER, rangeTarget } from '../../lib/node-api/targets.ts';
import { deriveKey, type SigningKey, signTarget } from '../../lib/signing/signed-url.ts';
import { Cluster, type ClusterOptions } from '../../scripts/cluster.ts';
import { AdminClient } from '../../scripts/trials/admin-client.ts';
import type { AdminNode } from '../../scripts/trials/admin-schema.ts';
import { DirectNodes } from '../../scripts/trials/direct-nodes.ts';
import { describePlacement, isSettled, PlacementChecker } from '../../scripts/trials/placement-checker.ts';
import { firstChunkOf } from '../../scripts/trials/source-bytes.ts';
import { VideoLedger } from '../../scripts/trials/video-ledger.ts';

export const ADMIN_TOKEN = 'test-admin-token-0123456789';
/** Few, so that what each costs does not make up most of a test. */
export const RANGES = 256;
const CHUNK_BYTES_DEFAULT = 8 * 1024 * 1024;
const POLL_MS = 100;

export interface Video {
  readonly id: string;
  readonly size: number;
  readonly sha256: string;
  readonly contentType: string;
}

/** A real cluster with impatient timers, and eyes for a test: through the public API and straight into a node. */
export class TestCluster implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly admin: AdminClient;
  readonly direct: DirectNodes;
  /** Looks after every video that was uploaded by `upload` and not deleted by `deleteVideo`. */
  readonly checker: PlacementChecker;
  readonly #ledger = new VideoLedger();
  readonly #chunkBytes: number;
  readonly #key: SigningKey;

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
    this.admin = new AdminClient(() => cluster.url, ADMIN_TOKEN, documentedFetch);
    this.direct = new DirectNodes(cluster.secret);
    this.checker = new PlacementChecker(this.admin, this.direct, async () => this.#ledger.videos);
    const chunkSize = cluster.options.coordinatorEnv?.CHUNK_SIZE;
    this.#chunkBytes = (chunkSize && parseSizeBytes(chunkSize)) || CHUNK_BYTES_DEFAULT;
    this.#key = deriveKey(cluster.secret, 'storage-node');
  }

  static async start(options: Partial<ClusterOptions> = {}): Promise<TestCluster> {
    const dataDir = await mkdtemp(join(tmpdir(), 'orbitvids-test-'));
    // What a first start does is tested by itself (`run-app.test.ts`).
    if (options.databaseUrl === undefined) await copyMigratedPglite(join(dataDir, 'coordinator'));
    const cluster = await Cluster.start({
      dataDir,
      nodeCount: 5,
      replicas: 3,
      adminToken: ADMIN_TOKEN,
      logLevel: 'info',
      ...options,
      coordinatorEnv: {
        RANGES: String(RANGES),
        HEALTH_INTERVAL: '200ms',
        DOWN_AFTER: '600ms',
        SWEEP_INTERVAL: '500ms',
        SWEEP_MIN_AGE: '0ms',
        UPLOAD_LEASE: '2s',
        NODE_WATCH_INTERVAL: '1s',
        REPAIR_RETRY_AFTER: '3s',
        ...options.coordinatorEnv,
      },
    });
    return new TestCluster(cluster);
  }

  get url(): string {
    return this.cluster.url;
  }

  get dataDir(): string {
    return this.cluster.options.dataDir;
  }

  /** Sends a request with the admin token to the public API, and holds the answer to its document. */
  api(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${ADMIN_TOKEN}`);
    return documentedFetch(`${this.url}/api/v1${path}`, { ...init, headers });
  }

  async upload(body: Uint8Array<ArrayBuffer>, query = ''): Promise<Video> {
    const response = await this.api(`/videos${query}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/octet-stream' },
    });
    if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`);
    const video = (await response.json()) as Video;
    this.#ledger.add({
      id: video.id,
      slice: { offset: 0, size: body.length },
      sha256: video.sha256,
      firstChunk: firstChunkOf(body, this.#chunkBytes),
    });
    return video;
  }

  async deleteVideo(id: string): Promise<void> {
    this.#ledger.remove(id);
    const response = await this.api(`/videos/${id}`, { method: 'DELETE' });
    if (response.status !== 204) throw new Error(`delete: ${response.status} ${await response.text()}`);
  }

  /** Starts one node more; resolves with its index when it is registered. It owns nothing yet. */
  async addNode(): Promise<number> {
    const index = await this.cluster.addNode();
    await this.#until(20_000, 'the new node is up', async () => {
      const node = await this.adminNode(index).catch(() => undefined);
      return node?.health === 'up';
    });
    return index;
  }

  /** What the coordinator knows of a node. */
  adminNode(index: number): Promise<AdminNode> {
    return this.admin.nodeAt(this.cluster.nodes[index]!.url);
  }

  /** Polls until every chunk lies on its owners, and nothing lies anywhere else. */
  async untilSettled(timeoutMs = 30_000): Promise<void> {
    let last = '';
    await this.#until(
      timeoutMs,
      () => `every chunk lies where it shall (${last})`,
      async () => {
        const report = await this.checker.check({ settled: true, countsHandoffs: true });
        last = `${describePlacement(report)} ${report.problems.map(({ detail }) => detail).join('; ')}`;
        return isSettled(report);
      },
    );
  }

  async #until(
    timeoutMs: number,
    what: string | (() => string),
    isSo: () => Promise<boolean>,
  ): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    while (!(await isSo())) {
      if (performance.now() > deadlineMs)
        throw new Error(`Not in ${timeoutMs} ms: ${typeof what === 'string' ? what : what()}.`);
      await systemClock.sleep(POLL_MS);
    }
  }

  async download(id: string, range?: string): Promise<Buffer> {
    const response = await this.api(
      `/videos/${id}/content`,
      range === undefined ? {} : { headers: { range } },
    );
    if (!response.ok) throw new Error(`download: ${response.status} ${await response.text()}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async videoIds(): Promise<string[]> {
    const response = await this.api('/videos?limit=100');
    const body = (await response.json()) as { items: Video[] };
    return body.items.map((video) => video.id);
  }

  /** A signed request straight to a node. */
  node(index: number, method: string, target: string, init: RequestInit = {}): Promise<Response> {
    const signed = signTarget(this.#key, { method, target, expiresAtS: Math.floor(Date.now() / 1000) + 60 });
    return fetch(`${this.cluster.nodes[index]!.url}${signed}`, { ...init, method });
  }

  async nodeStats(index: number): Promise<NodeStats> {
    return nodeStatsSchema.parse(await (await this.node(index, 'GET', '/stats')).json());
  }

  /** Everything a node holds, asked from the node itself. */
  async chunksOf(index: number): Promise<ChunkEntryLine[]> {
    const entries: ChunkEntryLine[] = [];
    let after = '';
    for (;;) {
      const query = after === '' ? '' : `?after=${encodeURIComponent(after)}`;
      const response = await this.node(index, 'GET', `${rangeTarget(0, 0xffff_ffff)}${query}`);
      for (const line of (await response.text()).split('\n')) {
        if (line !== '') entries.push(chunkEntrySchema.parse(JSON.parse(line)));
      }
      const next = response.headers.get(NEXT_CURSOR_HEADER);
      if (next === null) return entries;
      after = next;
    }
  }

  /** For each chunk id, the indices of the running nodes that hold it. */
  async holders(): Promise<Map<string, number[]>> {
    const holders = new Map<string, number[]>();
    for (const [index, node] of this.cluster.nodes.entries()) {
      if (!node.running) continue;
      for (const { id } of await this.chunksOf(index)) holders.set(id, [...(holders.get(id) ?? []), index]);
    }
    return holders;
  }

  /** The bytes a node serves for one of its chunks. */
  async chunkBytes(index: number, entry: ChunkEntryLine): Promise<Buffer> {
    const response = await this.node(
      index,
      'GET',
      chunkTarget(Number.parseInt(entry.position, 16), entry.id),
    );
    if (!response.ok) throw new Error(`chunk: ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
