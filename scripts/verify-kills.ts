/**
 * Downloads videos while storage nodes are killed and come back, one at a time:
 * `node scripts/verify-kills.ts [--downloads 1000] [--kills 20] [--connections 8] [--seed N] [--minutes 30] [--dir DIRECTORY]`.
 *
 * Goes on until there were as many downloads and as many kills. Every download must end with the right bytes;
 * exits with 1 when one failed or was wrong.
 */
import { createHash, randomFillSync, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { VideoClient } from './bench/video-client.ts';
import type { Cluster } from './cluster.ts';

const MIB = 1024 * 1024;
const SIZES = [1, 1000, 64 * 1024 + 1, MIB, 8 * MIB, 8 * MIB + 1, 20 * MIB + 77, 64 * MIB];
const SHOWN_MAX = 20;
/** Every other client takes its time, so that kills find downloads in the middle of a chunk. */
const PIECE_PAUSE_MS = 10;

interface Options {
  readonly downloads: number;
  readonly kills: number;
  readonly connections: number;
  readonly seed: number;
  readonly minutes: number;
  readonly directory: string;
}

interface Tally {
  downloads: number;
  bytes: number;
  failed: number;
  wrong: number;
  kills: number;
}

interface Stored {
  readonly id: string;
  readonly source: Buffer;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      downloads: { type: 'string', default: '1000' },
      kills: { type: 'string', default: '20' },
      connections: { type: 'string', default: '8' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      minutes: { type: 'string', default: '30' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    downloads: positive('downloads', values.downloads),
    kills: positive('kills', values.kills),
    connections: positive('connections', values.connections),
    seed: positive('seed', values.seed),
    minutes: positive('minutes', values.minutes),
    directory: values.dir,
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** One download, whole or a range, of a size and place that `random` chooses. */
async function download(
  client: VideoClient,
  videos: readonly Stored[],
  random: SeededRandom,
  tally: Tally,
): Promise<void> {
  const { id, source } = random.pick(videos);
  const whole = random.below(2) === 0;
  const first = whole ? 0 : random.below(source.length);
  const end = whole ? source.length : random.between(first + 1, source.length);
  const slow = random.below(2) === 0;
  const what = `${id} bytes ${first}-${end - 1} of ${source.length}`;
  try {
    const response = await client.read(id, whole ? undefined : `bytes=${first}-${end - 1}`);
    if (response.status !== (whole ? 200 : 206)) {
      const text = await response.text(MIB);
      throw new Error(`status ${response.status}: ${text}`);
    }
    const hash = createHash('sha256');
    let bytes = 0;
    await response.pipe((piece) => {
      hash.update(piece);
      bytes += piece.length;
      return slow ? systemClock.sleep(PIECE_PAUSE_MS) : undefined;
    });
    tally.bytes += bytes;
    if (bytes === end - first && hash.digest('hex') === sha256(source.subarray(first, end))) return;
    if (tally.wrong++ < SHOWN_MAX) say(`wrong: ${what} (${bytes} bytes came)`);
  } catch (error) {
    if (tally.failed++ < SHOWN_MAX)
      say(`failed: ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Kills one node after another, each only after the one before is up again. */
async function killNodes(
  cluster: Cluster,
  random: SeededRandom,
  tally: Tally,
  over: AbortSignal,
): Promise<void> {
  while (!over.aborted) {
    const index = random.below(cluster.nodes.length);
    await cluster.nodes[index]!.kill();
    tally.kills++;
    // Sometimes back before anybody noticed, sometimes long after.
    await systemClock.sleep(random.pick([0, 100, 500, 1500, 3000]));
    await cluster.restartNode(index);
    await cluster.untilReady(cluster.nodes.length);
    await systemClock.sleep(random.between(0, 500));
  }
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  const { cluster, target } = run.resources.use(await startOrbitvids(run));
  const client = run.resources.use(new VideoClient(target, run.signal, { keepAlive: false }));
  const videos: Stored[] = [];
  for (const size of SIZES) {
    const source = randomFillSync(Buffer.alloc(size));
    videos.push({ id: await client.upload(source), source });
  }
  say(`${options.downloads} downloads, ${options.kills} kills at least, seed ${options.seed}`);
  const tally: Tally = { downloads: 0, bytes: 0, failed: 0, wrong: 0, kills: 0 };
  const over = new AbortController();
  const killing = killNodes(cluster, new SeededRandom(options.seed + 1), tally, over.signal);
  // Whoever waits for it hears of its failure; until then it must not end the process.
  killing.catch(() => over.abort());
  const random = new SeededRandom(options.seed);
  const startMs = performance.now();
  const deadlineMs = startMs + options.minutes * 60_000;
  const connection = async () => {
    while (
      (tally.downloads < options.downloads || tally.kills < options.kills) &&
      performance.now() < deadlineMs &&
      !over.signal.aborted
    ) {
      run.signal.throwIfAborted();
      tally.downloads++;
      await download(client, videos, random, tally);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.connections }, connection));
  } finally {
    over.abort();
    await killing;
  }
  const seconds = (performance.now() - startMs) / 1000;
  const failovers = await client.metric('orbitvids_read_failovers_total');
  say(
    `${tally.downloads} downloads (${(tally.bytes / 1e9).toFixed(2)} GB in ${seconds.toFixed(0)} s), ${tally.kills} kills: ` +
      `${tally.failed} failed, ${tally.wrong} wrong, ${failovers} failovers`,
  );
  const enough = tally.downloads >= options.downloads && tally.kills >= options.kills;
  if (!enough) say(`stopped after ${options.minutes} minutes, before there were enough`);
  return enough && tally.failed === 0 && tally.wrong === 0;
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
