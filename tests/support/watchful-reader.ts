import { randomInt } from 'node:crypto';
import { systemClock } from '../../lib/clock/clock.ts';
import type { TestCluster } from './test-cluster.ts';

const READERS = 3;
const PAUSE_MS = 20;
const RANGE_BYTES_MAX = 300_000;

export interface KnownVideo {
  readonly id: string;
  readonly body: Buffer;
}

/** Reads random ranges of known videos until it is stopped, and remembers whatever was not right. */
export class WatchfulReader implements AsyncDisposable {
  readonly problems: string[] = [];
  reads = 0;
  readonly #cluster: TestCluster;
  readonly #videos: readonly KnownVideo[];
  readonly #toleratesOutages: boolean;
  readonly #stop = new AbortController();
  readonly #running: Promise<unknown>;

  /** With `toleratesOutages` refused and cut connections, and 503, are no problem: somebody kills the coordinator. */
  constructor(
    cluster: TestCluster,
    videos: readonly KnownVideo[],
    options: { readonly toleratesOutages?: boolean } = {},
  ) {
    this.#cluster = cluster;
    this.#videos = videos;
    this.#toleratesOutages = options.toleratesOutages ?? false;
    this.#running = Promise.all(Array.from({ length: READERS }, () => this.#read()));
  }

  async #read(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const { id, body } = this.#videos[randomInt(this.#videos.length)]!;
      const first = randomInt(body.length);
      const end = Math.min(body.length, first + randomInt(1, RANGE_BYTES_MAX));
      const what = `${id} bytes ${first}-${end - 1}`;
      try {
        const response = await this.#cluster.api(`/videos/${id}/content`, {
          headers: { range: `bytes=${first}-${end - 1}` },
        });
        const bytes = Buffer.from(await response.arrayBuffer());
        if (response.status !== 503 || !this.#toleratesOutages) {
          if (response.status !== 206) this.problems.push(`${what}: ${response.status} ${bytes}`);
          else if (!bytes.equals(body.subarray(first, end))) this.problems.push(`${what}: wrong bytes`);
          this.reads++;
        }
      } catch (error) {
        if (!this.#toleratesOutages) this.problems.push(`${what}: ${error}`);
      }
      await systemClock.sleep(PAUSE_MS);
    }
  }

  /** Resolves with everything that was wrong. */
  async stop(): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#running;
    return this.problems;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
