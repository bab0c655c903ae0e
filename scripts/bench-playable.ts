/**
 * How soon a video can be watched: the time from the last byte of an upload to a first segment that a player gets, in one run:
 * `node scripts/bench-playable.ts [--clip FILE] [--rounds 20] [--hours 2] [--workers 1] [--dir DIRECTORY]`.
 *
 * Uploads a clip again and again, then a long file of the same coding (1080p H.264 and AAC, repeated until it is `--hours` long).
 * Without `--clip` one is made. Needs Debian's ffmpeg. Exits with 1 when the 95th percentile of the clip, or the long file,
 * takes longer than the limit.
 */
import { execFile } from 'node:child_process';
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { request } from 'undici';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { percentile, threeFigures } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';
import { Cluster } from './cluster.ts';

const run = promisify(execFile);
const CLIP_LIMIT_S = 2;
const LONG_LIMIT_S = 5;
const CLIP_SECONDS = 30;
const POLL_MS = 10;
const PLAYABLE_TIMEOUT_MS = 120_000;
const TOKEN = 'the-token-of-this-benchmark';

interface Options {
  readonly clip: string | undefined;
  readonly rounds: number;
  readonly hours: number;
  readonly workers: number;
}

/** Seconds after the last byte. */
interface Timing {
  readonly answered: number;
  readonly playlist: number;
  readonly segment: number;
}

async function ffmpeg(...args: string[]): Promise<void> {
  await run('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args], { maxBuffer: 1024 * 1024 });
}

async function makeClip(file: string): Promise<void> {
  const seconds = String(CLIP_SECONDS);
  await ffmpeg(
    ...['-f', 'lavfi', '-i', `mandelbrot=size=1920x1080:rate=24`, '-f', 'lavfi', '-i', 'sine=frequency=330'],
    ...[
      '-t',
      seconds,
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-crf',
      '30',
      '-g',
      '48',
      '-pix_fmt',
      'yuv420p',
    ],
    ...['-c:a', 'aac', '-b:a', '128k', file],
  );
}

async function makeLong(clip: string, file: string, hours: number): Promise<void> {
  const loops = String(Math.ceil((hours * 3600) / CLIP_SECONDS) - 1);
  await ffmpeg('-stream_loop', loops, '-i', clip, '-c', 'copy', '-movflags', '+faststart', file);
}

/** The playlist's first URL that is not a comment, or in an attribute of the given tag. */
function urlIn(playlist: string, base: string, tag?: string): string {
  const lines = playlist.split('\n');
  const line = tag === undefined ? lines.find((one) => one !== '' && !one.startsWith('#')) : undefined;
  const attribute = tag && new RegExp(`${tag}[^\n]*URI="([^"]+)"`).exec(playlist)?.[1];
  const found = attribute ?? line;
  if (!found) throw new Error(`there is no URL in\n${playlist}`);
  return new URL(found, base).href;
}

async function text(url: string): Promise<string> {
  const { statusCode, body } = await request(url);
  const answer = await body.text();
  if (statusCode !== 200) throw new Error(`${url}: ${statusCode} ${answer}`);
  return answer;
}

async function uploadAndWatch(cluster: Cluster, file: string, signal: AbortSignal): Promise<Timing> {
  const body = createReadStream(file, { highWaterMark: 1024 * 1024 });
  let lastByteMs = 0;
  body.once('close', () => {
    lastByteMs = performance.now();
  });
  const headers = {
    authorization: `Bearer ${TOKEN}`,
    'content-type': 'video/mp4',
    'content-length': String(statSync(file).size),
    'content-disposition': 'attachment; filename="clip.mp4"',
  };
  const uploaded = await request(`${cluster.url}/api/v1/videos`, { method: 'POST', headers, body, signal });
  const { id } = (await uploaded.body.json()) as { id: string };
  if (uploaded.statusCode !== 201) throw new Error(`the upload got ${uploaded.statusCode}`);
  const since = () => (performance.now() - lastByteMs) / 1000;
  const answered = since();
  const master = `${cluster.url}/api/v1/videos/${id}/hls/master.m3u8`;
  const deadline = performance.now() + PLAYABLE_TIMEOUT_MS;
  for (;;) {
    signal.throwIfAborted();
    const { statusCode, body: answer } = await request(master);
    const playlist = await answer.text();
    if (statusCode === 200) {
      const known = since();
      const variant = urlIn(playlist, master);
      const media = await text(variant);
      await text(urlIn(media, variant, '#EXT-X-MAP'));
      await text(urlIn(media, variant));
      return { answered, playlist: known, segment: since() };
    }
    if (performance.now() > deadline)
      throw new Error(`after ${since().toFixed(0)} s: ${statusCode} ${playlist}`);
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

function rowOf(name: string, timings: readonly Timing[], limit: number): string[] {
  const of = (pick: (timing: Timing) => number) => {
    const values = timings.map(pick);
    return `${threeFigures(percentile(values, 50))} / ${threeFigures(percentile(values, 95))}`;
  };
  return [
    name,
    of((one) => one.answered),
    of((one) => one.playlist),
    of((one) => one.segment),
    `<= ${limit}`,
  ];
}

async function bench(bench: BenchRun, options: Options): Promise<boolean> {
  say(machineLine(describeMachine()));
  const made = join(bench.directory, 'clip.mp4');
  if (options.clip === undefined || options.hours > 0) await makeClip(made);
  const clip = options.clip ?? made;
  const cluster = bench.resources.use(
    await Cluster.start({
      dataDir: join(bench.directory, 'cluster'),
      nodeCount: 5,
      replicas: 3,
      workerCount: options.workers,
      adminToken: TOKEN,
      signal: bench.signal,
    }),
  );
  const clips: Timing[] = [];
  for (let round = 0; round < options.rounds; round++)
    clips.push(await uploadAndWatch(cluster, clip, bench.signal));
  const rows = [
    rowOf(
      `clip of ${(statSync(clip).size / 1e6).toFixed(1)} MB, ${options.rounds} times`,
      clips,
      CLIP_LIMIT_S,
    ),
  ];
  const long: Timing[] = [];
  if (options.hours > 0) {
    const file = join(bench.directory, 'long.mp4');
    await makeLong(made, file, options.hours);
    long.push(await uploadAndWatch(cluster, file, bench.signal));
    rows.push(
      rowOf(`${options.hours} hours, ${(statSync(file).size / 1e6).toFixed(0)} MB`, long, LONG_LIMIT_S),
    );
  }
  say('seconds after the last byte, p50 / p95');
  say(
    formatTable(
      [
        { title: '', align: 'left' },
        { title: 'upload answered' },
        { title: 'master playlist' },
        { title: 'first segment' },
        { title: 'limit', align: 'left' },
      ],
      rows,
    ),
  );
  const slowest = percentile(
    clips.map(({ segment }) => segment),
    95,
  );
  return slowest <= CLIP_LIMIT_S && long.every(({ segment }) => segment <= LONG_LIMIT_S);
}

const { values } = parseArgs({
  options: {
    clip: { type: 'string' },
    rounds: { type: 'string', default: '20' },
    hours: { type: 'string', default: '2' },
    workers: { type: 'string', default: '1' },
    dir: { type: 'string', default: DEFAULT_DIRECTORY },
  },
});
const options = {
  clip: values.clip,
  rounds: positive('rounds', values.rounds),
  hours: Number(values.hours),
  workers: positive('workers', values.workers),
};
await runBench(values.dir, (run) => bench(run, options));
