/**
 * How much memory the cluster takes while many clients upload and many read slowly:
 * `node scripts/bench-memory.ts [--uploads 32] [--size 256MiB] [--readers 32] [--read-rate 1MB] [--json FILE] [--dir DIRECTORY]`.
 *
 * Every process's VmRSS, the coordinator's with its database's, is looked at five times a second. Exits with 1 when the coordinator grew by more than
 * 200 MiB or a node held more than 150 MiB. The disk must hold all uploads three times.
 */
import { randomBytes } from 'node:crypto';
import { statfsSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import type { LoadTarget } from './bench/load-plan.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { MemorySampler } from './bench/memory-sampler.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { streamedUpload } from './bench/streamed-upload.ts';
import { formatTable } from './bench/text-table.ts';
import { VideoClient } from './bench/video-client.ts';

const MIB = 1024 * 1024;
const COORDINATOR_GROWTH_MAX_BYTES = 200 * MIB;
const NODE_RSS_MAX_BYTES = 150 * MIB;
const COPIES = 3;
const SAMPLE_INTERVAL_MS = 200;
const BLOCK_BYTES = MIB;
/** What the slow readers read, again and again. */
const READ_BYTES = 64 * MIB;

interface Options {
  readonly uploads: number;
  readonly sizeBytes: number;
  readonly readers: number;
  readonly bytesPerSecond: number;
  readonly json: string | undefined;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      uploads: { type: 'string', default: '32' },
      size: { type: 'string', default: '256MiB' },
      readers: { type: 'string', default: '32' },
      'read-rate': { type: 'string', default: '1MB' },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    uploads: positive('uploads', values.uploads),
    sizeBytes: size('size', values.size),
    readers: positive('readers', values.readers),
    bytesPerSecond: size('read-rate', values['read-rate']),
    json: values.json,
    directory: values.dir,
  };
}

function requireSpace(directory: string, options: Options): void {
  const { bavail, bsize } = statfsSync(directory);
  const neededBytes = (options.uploads * options.sizeBytes + READ_BYTES) * COPIES * 1.1;
  if (bavail * bsize < neededBytes)
    throw new Error(`This needs ${(neededBytes / 1e9).toFixed(0)} GB of disk; use --uploads or --size.`);
}

/** Reads slowly until `over`, comparing what comes; resolves with the bytes it got until then. */
async function readSlowly(
  client: VideoClient,
  id: string,
  source: Buffer,
  bytesPerSecond: number,
  over: AbortSignal,
): Promise<number> {
  const startMs = performance.now();
  let total = 0;
  while (!over.aborted) {
    const response = await client.read(id);
    if (response.status !== 200) throw new Error(`A read was answered with ${response.status}.`);
    let position = 0;
    await response.pipe((piece) => {
      if (source.compare(piece, 0, piece.length, position, position + piece.length) !== 0)
        throw new Error(`A slow reader got wrong bytes at ${position}.`);
      position += piece.length;
      // The rest of a download is of no interest once the uploads are done.
      if (over.aborted) return undefined;
      total += piece.length;
      const dueMs = startMs + (total / bytesPerSecond) * 1000;
      return systemClock.sleep(Math.max(0, dueMs - performance.now()), over).catch(() => {});
    });
  }
  return total;
}

async function loadCluster(
  run: BenchRun,
  target: LoadTarget,
  options: Options,
): Promise<{ ids: string[]; uploadSeconds: number; slowestReader: number }> {
  const client = run.resources.use(new VideoClient(target, run.signal, { keepAlive: true }));
  const source = randomBytes(READ_BYTES);
  const readId = await client.upload(source);
  const over = new AbortController();
  const startMs = performance.now();
  const reading = Promise.all(
    Array.from({ length: options.readers }, () =>
      readSlowly(client, readId, source, options.bytesPerSecond, over.signal),
    ),
  );
  const block = source.subarray(0, BLOCK_BYTES);
  const uploading = Promise.all(
    Array.from({ length: options.uploads }, () =>
      streamedUpload(target, block, options.sizeBytes, run.signal),
    ),
  );
  const ids = await Promise.race([uploading, reading.then(() => uploading)]);
  const uploadSeconds = (performance.now() - startMs) / 1000;
  over.abort();
  const totals = await reading;
  const slowestReader = totals.length === 0 ? 0 : Math.min(...totals) / uploadSeconds;
  return { ids: [...ids, readId], uploadSeconds, slowestReader };
}

async function bench(run: BenchRun, options: Options): Promise<boolean> {
  requireSpace(run.directory, options);
  const machine = describeMachine();
  say(machineLine(machine));
  const { cluster, target } = run.resources.use(await startOrbitvids(run, { replicas: COPIES }));
  using sampler = new MemorySampler(cluster.processes, SAMPLE_INTERVAL_MS);
  const { ids, uploadSeconds, slowestReader } = await loadCluster(run, target, options);
  sampler.sample();
  const results = sampler.results();
  const client = run.resources.use(new VideoClient(target, run.signal, { keepAlive: true }));
  for (const id of ids) await client.delete(id);

  const megabytes = (options.uploads * options.sizeBytes) / 1e6;
  say(
    `${options.uploads} uploads of ${options.sizeBytes / MIB} MiB in ${uploadSeconds.toFixed(0)} s ` +
      `(${(megabytes / uploadSeconds).toFixed(0)} MB/s) beside ${options.readers} readers of ` +
      `${options.bytesPerSecond / 1e6} MB/s (the slowest got ${(slowestReader / 1e6).toFixed(2)}); ${sampler.samples} samples`,
  );
  const verdicts = results.map(({ name, firstBytes, maxBytes }) => {
    const isCoordinator = name === 'coordinator';
    const bytes = isCoordinator ? maxBytes - firstBytes : maxBytes;
    const limitBytes = isCoordinator ? COORDINATOR_GROWTH_MAX_BYTES : NODE_RSS_MAX_BYTES;
    return { name, firstBytes, maxBytes, limitBytes, within: bytes <= limitBytes };
  });
  const mib = (bytes: number) => (bytes / MIB).toFixed(0);
  const rows = verdicts.map(({ name, firstBytes, maxBytes, limitBytes, within }) => [
    name,
    mib(firstBytes),
    mib(maxBytes),
    mib(maxBytes - firstBytes),
    `${name === 'coordinator' ? 'growth' : 'most'} ${mib(limitBytes)}`,
    within ? 'yes' : 'NO',
  ]);
  const titles = ['process', 'before, MiB', 'most, MiB', 'growth, MiB', 'limit, MiB', 'within'];
  say(
    formatTable(
      titles.map((title, index) => ({ title, align: index === 0 ? 'left' : 'right' })),
      rows,
    ),
  );
  if (options.json !== undefined) {
    const result = { machine, options, uploadSeconds, slowestReader, samples: sampler.samples, verdicts };
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  return verdicts.every(({ within }) => within);
}

const options = readOptions();
await runBench(options.directory, (run) => bench(run, options));
