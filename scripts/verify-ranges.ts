/**
 * Compares random ranges byte for byte with the source they were uploaded from:
 * `node scripts/verify-ranges.ts [--requests 10000] [--size 200MiB] [--connections 16] [--seed N] [--dir DIRECTORY]`.
 * Exits with 1 when one differs.
 */
import { randomFillSync, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { ByteResponse } from '../lib/byte-client/byte-client.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { type RangeCase, randomRangeCase } from './bench/random-ranges.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { VideoClient } from './bench/video-client.ts';

const SHOWN_MAX = 20;
const PROBLEM_BYTES_MAX = 64 * 1024;

interface Options {
  readonly requests: number;
  readonly sizeBytes: number;
  readonly connections: number;
  readonly seed: number;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      requests: { type: 'string', default: '10000' },
      size: { type: 'string', default: '200MiB' },
      connections: { type: 'string', default: '16' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    requests: positive('requests', values.requests),
    // Not a whole number of chunks, so that the last one is a short one.
    sizeBytes: size('size', values.size) + 12_345,
    connections: positive('connections', values.connections),
    seed: positive('seed', values.seed),
    directory: values.dir,
  };
}

/** What is wrong with an answer, or undefined. */
async function fault(response: ByteResponse, wanted: RangeCase, source: Buffer): Promise<string | undefined> {
  const contentRange = response.headers.get('content-range');
  if (!wanted.expected) {
    await response.text(PROBLEM_BYTES_MAX);
    if (response.status !== 416) return `status ${response.status} and not 416`;
    return contentRange === `bytes */${source.length}` ? undefined : `content-range ${contentRange}`;
  }
  const { first, end } = wanted.expected;
  const expectedRange = `bytes ${first}-${end - 1}/${source.length}`;
  if (response.status !== 206 || response.contentLength !== end - first || contentRange !== expectedRange) {
    response.destroy();
    return `status ${response.status}, ${response.contentLength} bytes, content-range ${contentRange}`;
  }
  let position = first;
  let differs: number | undefined;
  await response.pipe((piece) => {
    if (source.compare(piece, 0, piece.length, position, position + piece.length) !== 0) differs ??= position;
    position += piece.length;
  });
  return differs === undefined ? undefined : `other bytes in the piece at ${differs}`;
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  const system = run.resources.use(await startOrbitvids(run));
  const client = run.resources.use(new VideoClient(system.target, run.signal, { keepAlive: true }));
  const source = randomFillSync(Buffer.alloc(options.sizeBytes));
  const id = await client.upload(source);
  say(`${options.requests} ranges of ${options.sizeBytes} bytes, seed ${options.seed}`);

  const random = new SeededRandom(options.seed);
  const counts = new Map<string, { requests: number; bytes: number; mismatches: number }>();
  let started = 0;
  let shown = 0;
  const connection = async () => {
    while (started < options.requests) {
      const index = started++;
      const wanted = randomRangeCase(random, source.length);
      const wrong = await client
        .read(id, wanted.header)
        .then((response) => fault(response, wanted, source))
        .catch((error: unknown) => {
          run.signal.throwIfAborted();
          return error instanceof Error ? error.message : String(error);
        });
      const count = counts.get(wanted.kind) ?? { requests: 0, bytes: 0, mismatches: 0 };
      counts.set(wanted.kind, count);
      count.requests++;
      count.bytes += wanted.expected ? wanted.expected.end - wanted.expected.first : 0;
      if (wrong === undefined) continue;
      count.mismatches++;
      if (shown++ < SHOWN_MAX) say(`request ${index}, ${wanted.kind}, ${wanted.header}: ${wrong}`);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: options.connections }, connection));
  return report(counts, (performance.now() - startMs) / 1000);
}

function report(
  counts: ReadonlyMap<string, { requests: number; bytes: number; mismatches: number }>,
  seconds: number,
): boolean {
  let requests = 0;
  let bytes = 0;
  let mismatches = 0;
  for (const [kind, count] of counts) {
    say(`${kind.padEnd(26)} ${String(count.requests).padStart(6)} requests, ${count.mismatches} mismatches`);
    requests += count.requests;
    bytes += count.bytes;
    mismatches += count.mismatches;
  }
  say(
    `${requests} requests, ${(bytes / 1e9).toFixed(2)} GB in ${seconds.toFixed(1)} s: ${mismatches} mismatches`,
  );
  return mismatches === 0;
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
