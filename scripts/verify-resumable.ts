/**
 * Uploads over lines that are cut at random places, with a tus client that is not ours, and counts what is sent twice:
 * `node scripts/verify-resumable.ts [--uploads 200] [--size 64MiB] [--cuts 5] [--parallel 4] [--rate 8MiB] [--parts 1]
 * [--seed N] [--dir DIRECTORY]`. `--rate` is how fast each line is. Exits with 1 when an upload does not finish, has other
 * bytes, or more than 2 % of all bytes were sent twice.
 */
import { createHash, randomFillSync, randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Upload } from 'tus-js-client';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { startOrbitvids } from './bench/orbitvids-system.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { VideoClient } from './bench/video-client.ts';
import { CuttingRelay } from './trials/cutting-relay.ts';

const TWICE_SHARE_MAX = 0.02;
const SHOWN_EVERY = 20;

interface Options {
  readonly uploads: number;
  readonly sizeBytes: number;
  readonly cuts: number;
  readonly parallel: number;
  readonly bytesPerSecond: number;
  /** Of each upload, sent at the same time. */
  readonly parts: number;
  readonly seed: number;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      uploads: { type: 'string', default: '200' },
      size: { type: 'string', default: '64MiB' },
      cuts: { type: 'string', default: '5' },
      parallel: { type: 'string', default: '4' },
      rate: { type: 'string', default: '8MiB' },
      parts: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    uploads: positive('uploads', values.uploads),
    sizeBytes: size('size', values.size),
    cuts: Number(values.cuts),
    parallel: positive('parallel', values.parallel),
    bytesPerSecond: size('rate', values.rate),
    parts: positive('parts', values.parts),
    seed: positive('seed', values.seed),
    directory: values.dir,
  };
}

interface Tally {
  finished: number;
  wrong: number;
  failed: number;
  cuts: number;
  sentBytes: number;
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Resolves with the address of the upload when the client says that it is complete. */
function send(
  source: Buffer,
  endpoint: string,
  options: Options,
  headers: Record<string, string>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(source, {
      endpoint,
      headers,
      metadata: { filename: 'trial.bin', filetype: 'application/octet-stream' },
      retryDelays: [0, 100, 300, 1000, 3000, 5000, 10_000],
      parallelUploads: options.parts,
      onError: reject,
      onSuccess: () => resolve(upload.url!),
    });
    upload.start();
  });
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  const { target } = run.resources.use(await startOrbitvids(run, { env: { CORS_ORIGINS: '*' } }));
  const client = run.resources.use(new VideoClient(target, run.signal, { keepAlive: false }));
  const random = new SeededRandom(options.seed);
  const tally: Tally = { finished: 0, wrong: 0, failed: 0, cuts: 0, sentBytes: 0 };
  say(
    `${options.uploads} uploads of ${options.sizeBytes} bytes, ${options.cuts} cuts each, seed ${options.seed}`,
  );
  const { authorization } = target.headers as { authorization: string };
  let next = 0;
  const line = async () => {
    const source = Buffer.alloc(options.sizeBytes);
    while (next++ < options.uploads && !run.signal.aborted) {
      randomFillSync(source);
      const cutAfterBytes = Array.from({ length: options.cuts }, () => random.below(source.length)).sort(
        (a, b) => a - b,
      );
      const resetsAt = cutAfterBytes.map(() => random.below(2) === 0);
      await using relay = await CuttingRelay.open({
        target: target.url,
        cutAfterBytes,
        resets: (cut) => resetsAt[cut - 1]!,
        bytesPerSecond: options.bytesPerSecond,
      });
      try {
        const url = await send(source, `${relay.url}/api/v1/uploads`, options, { authorization });
        const status = await fetch(`${target.url}${new URL(url).pathname}`, { headers: { authorization } });
        const { videoId } = (await status.json()) as { videoId: string };
        const hash = createHash('sha256');
        await (await client.read(videoId)).pipe((piece) => void hash.update(piece));
        if (hash.digest('hex') === sha256(source)) tally.finished += 1;
        else tally.wrong += 1;
        await client.delete(videoId);
      } catch (error) {
        tally.failed += 1;
        say(`failed: ${error instanceof Error ? error.message : String(error)}`);
      }
      tally.cuts += relay.cuts;
      tally.sentBytes += relay.sentBytes;
      const done = tally.finished + tally.wrong + tally.failed;
      if (done % SHOWN_EVERY === 0) say(`${done} uploads, ${tally.cuts} cuts`);
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: options.parallel }, line));
  return report(tally, options, (performance.now() - startMs) / 1000);
}

function report(tally: Tally, { uploads, sizeBytes }: Options, seconds: number): boolean {
  const { finished, wrong, failed, cuts, sentBytes } = tally;
  const neededBytes = uploads * sizeBytes;
  const twice = (sentBytes - neededBytes) / neededBytes;
  say(
    `${finished} of ${uploads} uploads finished with the same SHA-256, ${wrong} with another, ${failed} failed`,
  );
  say(
    `${cuts} cuts; ${(sentBytes / 1e9).toFixed(3)} GB sent for ${(neededBytes / 1e9).toFixed(3)} GB in ${seconds.toFixed(0)} s`,
  );
  say(
    `sent beyond what was needed, heads of requests included: ${(twice * 100).toFixed(3)} % (at most ${TWICE_SHARE_MAX * 100} %)`,
  );
  return finished === uploads && twice <= TWICE_SHARE_MAX;
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
