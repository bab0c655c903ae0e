import { systemClock } from '../../lib/clock/clock.ts';
import { type BenchRun, say } from '../bench/bench-run.ts';
import type { LoadTarget } from '../bench/load-plan.ts';
import { startOrbitvids } from '../bench/orbitvids-system.ts';
import { SeededRandom } from '../bench/seeded-random.ts';
import { VideoClient } from '../bench/video-client.ts';
import type { Cluster } from '../cluster.ts';
import { AdminClient, AdminRefusal } from './admin-client.ts';
import type { AdminNode } from './admin-schema.ts';
import { DirectNodes } from './direct-nodes.ts';
import type { LoadRunner } from './load-runner.ts';
import {
  describePlacement,
  isSettled,
  isSound,
  PlacementChecker,
  type PlacementReport,
} from './placement-checker.ts';
import { SourceBytes } from './source-bytes.ts';
import { type StoredVideo, VideoLedger } from './video-ledger.ts';

const CORPUS_UPLOADS = 4;
const POLL_MS = 250;
const JOIN_TIMEOUT_MS = 30_000;
const VIDEOS_PER_PAGE = 100;

export interface TrialOptions {
  readonly nodeCount: number;
  readonly seed: number;
  readonly replicas?: number;
  /** More environment for every process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly chunkBytes?: number;
}

/** What trials have in common beside the environment: impatient sweeps, and room for whole chunks in memory. */
const TRIAL_ENV = {
  SWEEP_INTERVAL: '2s',
  SWEEP_MIN_AGE: '1s',
  // What an upload left behind whose coordinator was killed goes within the patience of a trial.
  UPLOAD_LEASE: '20s',
  UPLOAD_BUFFERS: '256MiB',
};

/** A cluster under trial with a corpus of known bytes, and everything it is looked at with. */
export class TrialCluster {
  readonly cluster: Cluster;
  readonly target: LoadTarget;
  readonly admin: AdminClient;
  readonly nodes: DirectNodes;
  readonly checker: PlacementChecker;
  readonly source: SourceBytes;
  readonly videos: VideoClient;
  readonly corpus = new VideoLedger();
  readonly chunkBytes: number;
  /** Whose videos the checker looks after beside the corpus. */
  load: LoadRunner | undefined;
  readonly #run: BenchRun;
  readonly #random: SeededRandom;
  /** By URL, of nodes that do not answer any more. */
  readonly #lastStoredBytes = new Map<string, number>();

  private constructor(
    run: BenchRun,
    system: { readonly cluster: Cluster; readonly target: LoadTarget },
    options: TrialOptions,
  ) {
    this.#run = run;
    this.cluster = system.cluster;
    this.target = system.target;
    const token = system.target.headers.authorization!.slice('Bearer '.length);
    this.admin = new AdminClient(() => this.cluster.url, token);
    this.nodes = new DirectNodes(system.cluster.secret);
    this.source = new SourceBytes(options.seed);
    this.videos = run.resources.use(new VideoClient(system.target, run.signal, { keepAlive: true }));
    this.chunkBytes = options.chunkBytes ?? 8 * 1024 * 1024;
    this.#random = new SeededRandom(options.seed);
    this.checker = new PlacementChecker(this.admin, this.nodes, async () => [
      ...this.corpus.videos,
      ...((await this.load?.ledger())?.stored ?? []),
    ]);
  }

  static async start(run: BenchRun, options: TrialOptions): Promise<TrialCluster> {
    const { nodeCount, replicas = 3, env, chunkBytes } = options;
    const system = run.resources.use(
      await startOrbitvids(run, {
        nodeCount,
        replicas,
        env: {
          ...TRIAL_ENV,
          ...(chunkBytes !== undefined && { CHUNK_SIZE: `${chunkBytes / 1024 ** 2}MiB` }),
          ...env,
        },
      }),
    );
    return new TrialCluster(run, system, options);
  }

  /** Uploads an object of each size, in this order. */
  async uploadCorpus(sizes: readonly number[]): Promise<void> {
    const waiting = sizes.map((size) => this.source.choose(this.#random, size));
    await Promise.all(
      Array.from({ length: CORPUS_UPLOADS }, async () => {
        for (let slice = waiting.shift(); slice !== undefined; slice = waiting.shift()) {
          const id = await this.videos.upload(this.source.bytes(slice));
          this.corpus.add({
            id,
            slice,
            sha256: this.source.sha256(slice),
            firstChunk: this.source.firstChunk(slice, this.chunkBytes),
          });
        }
      }),
    );
  }

  /** Starts a node more and waits until it is registered; it owns nothing yet. */
  async addNode(): Promise<AdminNode> {
    const index = await this.cluster.addNode();
    const { url } = this.cluster.nodes[index]!;
    const deadlineMs = performance.now() + JOIN_TIMEOUT_MS;
    for (;;) {
      const node = (await this.admin.nodes()).find((candidate) => candidate.url === url);
      if (node?.health === 'up') return node;
      if (performance.now() > deadlineMs) throw new Error(`The node at ${url} was not registered.`);
      await systemClock.sleep(POLL_MS, this.#run.signal);
    }
  }

  /** What the coordinator knows of the node that was started as the `index`th. */
  adminNode(index: number): Promise<AdminNode> {
    return this.admin.nodeAt(this.cluster.nodes[index]!.url);
  }

  /** Chunk bytes that the nodes have stored since they were started, copies from other nodes included. */
  async storedBytes(): Promise<number> {
    const each = await Promise.all(
      this.cluster.nodes.map(async (node) => {
        const read = node.running
          ? await this.nodes.metric(node.url, 'orbitvids_node_stored_bytes_total').catch(() => undefined)
          : undefined;
        if (read !== undefined) this.#lastStoredBytes.set(node.url, read);
        return read ?? this.#lastStoredBytes.get(node.url) ?? 0;
      }),
    );
    return each.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Waits for repair's word that nothing is missing; resolves with false where there is no repair. */
  async repairIfPossible(timeoutMs: number): Promise<boolean> {
    try {
      await this.admin.startRepair();
    } catch (error) {
      if (error instanceof AdminRefusal && error.status === 404) return false;
      throw error;
    }
    await this.admin.untilComplete({ timeoutMs, signal: this.#run.signal });
    return true;
  }

  /** Checks again and again until every chunk lies on its owners and nowhere else; then, or at last, the report. */
  async untilSettled(
    timeoutMs: number,
    onUnsound?: (report: PlacementReport) => void,
  ): Promise<PlacementReport> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const report = await this.checker.check({ settled: true, countsHandoffs: true });
      if (!isSound(report)) onUnsound?.(report);
      if (isSettled(report) || performance.now() > deadlineMs) return report;
      await systemClock.sleep(POLL_MS, this.#run.signal);
    }
  }

  /** Reads every video whole; resolves with what is wrong with which. */
  async readAll(): Promise<string[]> {
    const waiting: StoredVideo[] = [...this.corpus.videos, ...((await this.load?.ledger())?.stored ?? [])];
    const wrong: string[] = [];
    await Promise.all(
      Array.from({ length: CORPUS_UPLOADS }, async () => {
        for (let video = waiting.shift(); video !== undefined; video = waiting.shift()) {
          const problem = await this.#readWhole(video).catch((error: unknown) => String(error));
          if (problem !== undefined) wrong.push(`${video.id}: ${problem}`);
        }
      }),
    );
    return wrong;
  }

  async #readWhole({ id, slice }: StoredVideo): Promise<string | undefined> {
    const response = await this.videos.read(id);
    if (response.status !== 200) return `${response.status} ${await response.text(64 * 1024)}`;
    const expected = this.source.bytes(slice);
    let received = 0;
    let isRight = true;
    await response.pipe((piece) => {
      isRight &&= piece.equals(expected.subarray(received, received + piece.length));
      received += piece.length;
    });
    return isRight && received === slice.size ? undefined : `other bytes, ${received} of ${slice.size}`;
  }

  /** Deletes videos that nobody was told of: their upload succeeded, but the answer was lost. */
  async deleteUnknownVideos(): Promise<number> {
    const known = new Set(
      [...this.corpus.videos, ...((await this.load?.ledger())?.stored ?? [])].map(({ id }) => id),
    );
    let deleted = 0;
    for (let cursor: string | null = null; ; ) {
      const query = new URLSearchParams({ limit: String(VIDEOS_PER_PAGE) });
      if (cursor !== null) query.set('cursor', cursor);
      const response = await fetch(`${this.cluster.url}/api/v1/videos?${query}`);
      const page = (await response.json()) as { items: { id: string }[]; nextCursor: string | null };
      for (const { id } of page.items) {
        if (known.has(id)) continue;
        await this.videos.delete(id);
        deleted++;
      }
      cursor = page.nextCursor;
      if (cursor === null) return deleted;
    }
  }

  /** Prints a report, and what is wrong if anything is. */
  tell(what: string, report: PlacementReport): void {
    say(`${what}: ${describePlacement(report)}`);
    for (const { kind, detail } of report.problems) say(`  ${kind}: ${detail}`);
  }
}
