/**
 * Whether a node that joins touches only what moves:
 * `node scripts/bench-touch.ts [--chunks 20000] [--connections 32] [--reads-per-copy-max 10] [--seed N] [--json FILE] [--dir DIRECTORY]`.
 *
 * Stores many small videos of one chunk each on five nodes, then a sixth joins. Counts the entries that each node
 * looked up or passed over in its index meanwhile, beside the copies that moved, all copies of what lies in ranges that
 * changed hands, and all there are. Exits with 1 when there were more reads for each of the second kind than the option
 * allows.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { formatTable } from './bench/text-table.ts';
import { RingMap } from './trials/ring-map.ts';
import { TrialCluster } from './trials/trial-cluster.ts';

const NODES = 5;
const REPLICAS = 3;
const SIZE_MIN = 1025;
const SIZE_MAX = 2048;
const END_TIMEOUT_MS = 15 * 60_000;

interface Options {
  readonly chunks: number;
  readonly connections: number;
  readonly readsPerCopyMax: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly directory: string;
}

interface NodeCounts {
  readonly chunks: number;
  readonly indexReads: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      chunks: { type: 'string', default: '20000' },
      connections: { type: 'string', default: '32' },
      'reads-per-copy-max': { type: 'string', default: '10' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    chunks: positive('chunks', values.chunks),
    connections: positive('connections', values.connections),
    readsPerCopyMax: positive('reads-per-copy-max', values['reads-per-copy-max']),
    seed: positive('seed', values.seed),
    json: values.json,
    directory: values.dir,
  };
}

async function upload(trial: TrialCluster, options: Options): Promise<void> {
  const random = new SeededRandom(options.seed);
  let left = options.chunks;
  const connection = async () => {
    while (left-- > 0) {
      const slice = trial.source.choose(random, random.between(SIZE_MIN, SIZE_MAX));
      await trial.videos.upload(trial.source.bytes(slice));
    }
  };
  await Promise.all(Array.from({ length: options.connections }, connection));
}

async function countAll(trial: TrialCluster): Promise<NodeCounts[]> {
  return await Promise.all(
    trial.cluster.nodes.map(async ({ url }) => {
      const { chunkCount, ...stats } = await trial.nodes.stats(url);
      const indexReads = 'indexReads' in stats ? Number(stats.indexReads) : Number.NaN;
      return { chunks: chunkCount, indexReads };
    }),
  );
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

async function bench(run: BenchRun, options: Options): Promise<boolean> {
  const machine = describeMachine();
  say(machineLine(machine));
  const trial = await TrialCluster.start(run, {
    nodeCount: NODES,
    replicas: REPLICAS,
    seed: options.seed,
    // The sweep reads everything that there is, whatever moves.
    env: { SWEEP_INTERVAL: '1h' },
  });
  const startMs = performance.now();
  await upload(trial, options);
  const seconds = (performance.now() - startMs) / 1000;
  say(
    `${options.chunks} chunks in ${seconds.toFixed(0)} s (${(options.chunks / seconds).toFixed(0)} a second), seed ${options.seed}`,
  );
  const newcomer = await trial.addNode();
  const ringBefore = new RingMap(await trial.admin.ring());
  const lists = await Promise.all(trial.cluster.nodes.map(({ url }) => trial.nodes.list(url)));
  const before = await countAll(trial);
  const { rebalance } = await trial.admin.changeNode(newcomer.id, { state: 'active' });
  if (rebalance === null) throw new Error('Nothing has to be moved.');
  const movedMs = performance.now();
  const report = await trial.admin.untilRebalanceEnds(rebalance.id, {
    timeoutMs: END_TIMEOUT_MS,
    signal: run.signal,
  });
  const movedSeconds = (performance.now() - movedMs) / 1000;
  const after = await countAll(trial);
  const ringAfter = new RingMap(await trial.admin.ring());
  const hasChanged = (range: number) =>
    ringBefore.ownersOf(range).toSorted().join() !== ringAfter.ownersOf(range).toSorted().join();
  const changedCopies = lists.flat().filter(({ id }) => hasChanged(ringBefore.rangeOfChunk(id))).length;

  const rows = after.map(({ chunks, indexReads }, index) => ({
    name: trial.cluster.nodes[index]!.name,
    chunksBefore: before[index]!.chunks,
    chunks,
    reads: indexReads - before[index]!.indexReads,
  }));
  const movedCopies = sumOf(rows.map((row) => Math.max(0, row.chunks - row.chunksBefore)));
  const allCopies = sumOf(rows.map((row) => row.chunksBefore));
  const reads = sumOf(rows.map((row) => row.reads));
  say(
    `${report.state} in ${movedSeconds.toFixed(1)} s: ${report.plan.ranges} of ${report.plan.totalRanges} ranges, ` +
      `${report.chunks.done} of ${report.chunks.total} chunks`,
  );
  say(
    formatTable(
      [
        { title: 'node', align: 'left' },
        { title: 'chunks before' },
        { title: 'after' },
        { title: 'index reads' },
        { title: 'of what it had' },
      ],
      rows.map((row) => [
        row.name,
        String(row.chunksBefore),
        String(row.chunks),
        String(row.reads),
        row.chunksBefore === 0 ? '-' : `${((row.reads / row.chunksBefore) * 100).toFixed(0)}%`,
      ]),
    ),
  );
  const perCopy = reads / (changedCopies + movedCopies);
  say(
    `${reads} index reads: ${(reads / movedCopies).toFixed(2)} for each of the ${movedCopies} copies that moved, ` +
      `${perCopy.toFixed(2)} for each of the ${changedCopies + movedCopies} copies, old and new, in ranges that changed hands; ` +
      `all nodes together had ${allCopies} copies`,
  );
  if (options.json !== undefined) {
    const result = {
      machine,
      options,
      rows,
      movedCopies,
      changedCopies,
      allCopies,
      reads,
      movedSeconds,
      plan: report.plan,
    };
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  if (Number.isNaN(reads)) say('the nodes do not count the reads of their index');
  return report.state === 'finished' && perCopy <= options.readsPerCopyMax;
}

const options = readOptions();
await runBench(options.directory, (run) => bench(run, options));
