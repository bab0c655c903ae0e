/**
 * How fast a storage node copies a range from another one, beside a plain copy of the same files on the same disk:
 * `node scripts/bench-copy.ts [--large 2GiB] [--small 20000] [--rounds 3] [--concurrency N] [--json FILE] [--dir DIRECTORY]`.
 *
 * Both copies are durable at the end: the node answers after everything is synced, `cp` is followed by a sync of every
 * file it wrote. They take turns, after one round that does not count; medians. Nothing is removed before the end, since
 * ext4 is slow to make files after many were removed: the disk must hold everything twice a round.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BufferPool } from '../lib/bytes/buffer-pool.ts';
import { systemClock } from '../lib/clock/clock.ts';
import { createLogger } from '../lib/logging/logger.ts';
import { type PullProgress, pullProgressSchema, rangeDigestSchema } from '../lib/node-api/schema.ts';
import { rangeTarget } from '../lib/node-api/targets.ts';
import { deriveKey, signTarget } from '../lib/signing/signed-url.ts';
import { CHUNK_BYTES_MAX } from '../storage-node/limits.ts';
import { DiskVideoRepository } from '../storage-node/repository/disk-video-repository.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { cpuSecondsOf, residentBytesOf } from './bench/process-usage.ts';
import { median, threeFigures } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';
import { ManagedProcess } from './managed-process.ts';

const ALL = rangeTarget(0, 0xffff_ffff);
const SMALL_BYTES = 4096;
const STORAGE_NODE = join(import.meta.dirname, '../storage-node/main.ts');

interface Options {
  readonly largeBytes: number;
  readonly smallCount: number;
  readonly rounds: number;
  readonly concurrency: number | undefined;
  readonly json: string | undefined;
  readonly directory: string;
}

interface Workload {
  readonly name: string;
  readonly chunkBytes: number;
  readonly count: number;
}

interface Sample {
  readonly workload: string;
  readonly how: 'pull' | 'cp';
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly chunksPerSecond: number;
  /** Of both nodes; 0 for the plain copy. */
  readonly cpuSeconds: number;
  /** Of the node that pulled. */
  readonly residentBytes: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      large: { type: 'string', default: '2GiB' },
      small: { type: 'string', default: '20000' },
      rounds: { type: 'string', default: '3' },
      concurrency: { type: 'string' },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    largeBytes: size('large', values.large),
    smallCount: positive('small', values.small),
    rounds: positive('rounds', values.rounds),
    concurrency: values.concurrency === undefined ? undefined : positive('concurrency', values.concurrency),
    json: values.json,
    directory: values.dir,
  };
}

/** Puts the chunks where a node will find them. */
async function fill(directory: string, { chunkBytes, count }: Workload): Promise<void> {
  mkdirSync(directory, { recursive: true });
  await using repository = await DiskVideoRepository.open({
    directory,
    capacityBytes: undefined,
    clock: systemClock,
    logger: createLogger({ name: 'bench', level: 'error' }),
  });
  const pool = new BufferPool({ bufferBytes: CHUNK_BYTES_MAX, capacity: 4 });
  const noise = randomBytes(chunkBytes);
  let next = 0;
  const writer = async () => {
    using held = disposable(await pool.take());
    const bytes = held.bytes.subarray(0, chunkBytes);
    noise.copy(bytes);
    while (next < count) {
      const number = next++;
      bytes.writeUInt32BE(number);
      const id = `bench-${createHash('sha256').update(String(number)).digest('hex').slice(0, 30)}`;
      await repository.put({ position: Math.floor((number / count) * 2 ** 32), id, bytes });
    }
  };
  await Promise.all([writer(), writer(), writer(), writer()]);
}

function disposable<Held extends { release(): void }>(held: Held): Held & Disposable {
  return Object.assign(held, { [Symbol.dispose]: () => held.release() });
}

class BenchNode implements AsyncDisposable {
  readonly process: ManagedProcess;
  readonly #secret: string;

  constructor(process: ManagedProcess, secret: string) {
    this.process = process;
    this.#secret = secret;
  }

  static async start(name: string, directory: string, secret: string, run: BenchRun): Promise<BenchNode> {
    const process = await ManagedProcess.start({
      name,
      script: STORAGE_NODE,
      args: ['--dir', directory, '--port', '0'],
      env: { CLUSTER_SECRET: secret, SCRUB_RATE: '0' },
      signal: run.signal,
    });
    return new BenchNode(process, secret);
  }

  request(method: string, target: string, body?: object): Promise<Response> {
    const key = deriveKey(this.#secret, 'storage-node');
    const expiresAtS = Math.floor(Date.now() / 1000) + 60;
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    return fetch(this.process.url + signTarget(key, { method, target, expiresAtS }), init);
  }

  async digest(): Promise<string> {
    return rangeDigestSchema.parse(await (await this.request('GET', `${ALL}?digest=1`)).json()).digest;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process[Symbol.asyncDispose]();
  }
}

async function measurePull(
  directory: string,
  source: BenchNode,
  secret: string,
  options: Options,
  run: BenchRun,
): Promise<{ seconds: number; cpuSeconds: number; residentBytes: number }> {
  await using target = await BenchNode.start('target', directory, secret, run);
  execFileSync('sync');
  const pids = [source.process.pid, target.process.pid];
  const cpuBefore = cpuSecondsOf(pids);
  const startMs = performance.now();
  const { concurrency } = options;
  const response = await target.request('POST', `${ALL}/pull`, {
    source: source.process.url,
    ...(concurrency === undefined ? {} : { concurrency }),
  });
  const lines = (await response.text()).trimEnd().split('\n');
  const seconds = (performance.now() - startMs) / 1000;
  const last: PullProgress = pullProgressSchema.parse(JSON.parse(lines.at(-1) ?? ''));
  if (!last.done) throw new Error(`The pull failed: ${lines.at(-1)}`);
  if ((await target.digest()) !== (await source.digest())) throw new Error('The copies differ.');
  return {
    seconds,
    cpuSeconds: cpuSecondsOf(pids) - cpuBefore,
    residentBytes: residentBytesOf(target.process.pid),
  };
}

function measureCopy(from: string, to: string): number {
  execFileSync('sync');
  const startMs = performance.now();
  execFileSync('cp', ['-r', join(from, 'chunks'), to]);
  execFileSync('sh', ['-c', 'find "$0" -type f -print0 | xargs -0 sync', to]);
  return (performance.now() - startMs) / 1000;
}

async function measureWorkload(workload: Workload, options: Options, run: BenchRun): Promise<Sample[]> {
  const { name, chunkBytes, count } = workload;
  const directory = join(run.directory, name.replaceAll(' ', '-'));
  await fill(directory, workload);
  const secret = randomBytes(24).toString('base64url');
  await using source = await BenchNode.start('source', directory, secret, run);
  const samples: Sample[] = [];
  for (let round = 0; round <= options.rounds; round++) {
    const turns = round % 2 === 0 ? (['pull', 'cp'] as const) : (['cp', 'pull'] as const);
    for (const how of turns) {
      run.signal.throwIfAborted();
      const { seconds, cpuSeconds, residentBytes } =
        how === 'pull'
          ? await measurePull(`${directory}-pulled-${round}`, source, secret, options, run)
          : {
              seconds: measureCopy(directory, `${directory}-copied-${round}`),
              cpuSeconds: 0,
              residentBytes: 0,
            };
      if (round === 0) continue;
      samples.push({
        workload: name,
        how,
        seconds,
        megabytesPerSecond: (chunkBytes * count) / 1e6 / seconds,
        chunksPerSecond: count / seconds,
        cpuSeconds,
        residentBytes,
      });
    }
    process.stderr.write(`${name}: round ${round} of ${options.rounds} done\n`);
  }
  return samples;
}

async function compare(run: BenchRun, options: Options): Promise<boolean> {
  const machine = describeMachine();
  say(machineLine(machine));
  const largeCount = Math.max(1, Math.round(options.largeBytes / CHUNK_BYTES_MAX));
  const workloads: Workload[] = [
    { name: `${largeCount} chunks of 8 MiB`, chunkBytes: CHUNK_BYTES_MAX, count: largeCount },
    { name: `${options.smallCount} chunks of 4 KiB`, chunkBytes: SMALL_BYTES, count: options.smallCount },
  ];
  const samples: Sample[] = [];
  for (const workload of workloads) samples.push(...(await measureWorkload(workload, options, run)));
  const figures = workloads.map(({ name }) => {
    const of = (how: Sample['how'], read: (sample: Sample) => number) =>
      median(samples.filter((sample) => sample.workload === name && sample.how === how).map(read));
    const pull = of('pull', ({ megabytesPerSecond }) => megabytesPerSecond);
    const cp = of('cp', ({ megabytesPerSecond }) => megabytesPerSecond);
    return {
      workload: name,
      pullMegabytesPerSecond: pull,
      copyMegabytesPerSecond: cp,
      pullChunksPerSecond: of('pull', ({ chunksPerSecond }) => chunksPerSecond),
      ratio: pull / cp,
      pullCpuSeconds: of('pull', ({ cpuSeconds }) => cpuSeconds),
      pullResidentBytes: of('pull', ({ residentBytes }) => residentBytes),
    };
  });
  say(`Medians of ${options.rounds} interleaved rounds; MB is 10^6 bytes; CPU time is that of both nodes.`);
  say();
  say(
    formatTable(
      [
        { title: 'copied', align: 'left' },
        { title: 'pull MB/s' },
        { title: 'cp + sync MB/s' },
        { title: 'pull / cp' },
        { title: 'pull chunks/s' },
        { title: 'pull CPU s' },
        { title: 'target RSS MiB' },
      ],
      figures.map((figure) => [
        figure.workload,
        threeFigures(figure.pullMegabytesPerSecond),
        threeFigures(figure.copyMegabytesPerSecond),
        threeFigures(figure.ratio),
        threeFigures(figure.pullChunksPerSecond),
        threeFigures(figure.pullCpuSeconds),
        threeFigures(figure.pullResidentBytes / 1024 ** 2),
      ]),
    ),
  );
  if (options.json !== undefined) {
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, rounds: options.rounds, figures, samples }, null, 2)}\n`,
    );
  }
  return true;
}

const options = readOptions();
await runBench(options.directory, (run) => compare(run, options));
