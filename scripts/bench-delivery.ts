/**
 * What segments cost the coordinator, its CPU seconds a GB, in one run: by redirect and made of the source beside those that pass it,
 * and these beside plain reads of the video's bytes:
 * `node scripts/bench-delivery.ts [--rounds 3] [--segment 2500000] [--connections 8] [--json FILE] [--dir DIRECTORY]`.
 *
 * Of the segments by redirect one in a hundred is fetched from its node: what nodes and clients take does not count here, and all of
 * them would take the cores of a small machine from the coordinator, which then answers out of cold caches.
 *
 * What the coordinator takes while nothing happens is measured before each round, and its median subtracted. Exits with 1
 * when redirects take more than 5 % of what segments by proxy do, by the median of the rounds. Needs PostgreSQL: `DATABASE_URL`, Debian's or the npm package.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { openDatabase } from '../coordinator/database/database.ts';
import { silentLogger } from '../coordinator/database/test-support/silent-logger.ts';
import { AUDIO_MEDIA, VIDEO_MEDIA } from '../coordinator/playback/test-support/made-renditions.ts';
import { storeRendition } from '../coordinator/playback/test-support/stored-renditions.ts';
import { systemClock } from '../lib/clock/clock.ts';
import { encodeRecipe, type SourceRange } from '../lib/worker-api/recipe.ts';
import { TestPostgres } from '../tests/support/postgres.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { cpuSecondsOf } from './bench/process-usage.ts';
import { median, threeFigures } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';
import { Cluster } from './cluster.ts';

const GB = 1e9;
const SHARE_MAX = 0.05;
const IDLE_MS = 3000;
const PIECE_BYTES = 8 * 1024 * 1024;
const PIECES = 8;
/** As files are interleaved: half a second of pictures, then of sound. */
const PICTURES_BYTES = 300_000;
const SOUND_BYTES = 12_000;
const TOKEN = 'the-token-of-this-benchmark';
/** What the coordinator does by the clock would hide what a GB costs. */
const QUIET = {
  HEALTH_INTERVAL: '20s',
  DOWN_AFTER: '2m',
  SWEEP_INTERVAL: '1h',
  CENSUS_INTERVAL: '1h',
  RANGES: '256',
};

/**
 * In the order in which they are measured. `bytes` is what a phase asks for: enough for some seconds of CPU time in the two that
 * are compared, since each cleans up in its first moments what the one before it has left in memory.
 */
const WAYS = {
  'content, ranges': { bytes: 1.5 * GB },
  'segments by proxy': { bytes: 3 * GB },
  'segments by redirect': { bytes: 120 * GB },
  'virtual, pictures': { bytes: 1.5 * GB },
  'virtual, sound': { bytes: 0.15 * GB },
} as const;
type Way = keyof typeof WAYS;
const NAMES = Object.keys(WAYS) as readonly Way[];

interface Options {
  readonly rounds: number;
  readonly segmentBytes: number;
  readonly connections: number;
}

/** A request that a phase may make. */
interface Wanted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
}

interface Title {
  readonly cluster: Cluster;
  readonly wanted: Readonly<Record<Way, readonly Wanted[]>>;
}

async function makeTitle(run: BenchRun, { segmentBytes }: Options): Promise<Title> {
  const { resources, signal, directory } = run;
  const databaseUrl =
    process.env.DATABASE_URL ?? (await resources.use(await TestPostgres.open()).createDatabase());
  const cluster = resources.use(
    await Cluster.start({
      ...{
        dataDir: join(directory, 'delivery'),
        nodeCount: 5,
        replicas: 3,
        adminToken: TOKEN,
        databaseUrl,
        signal,
      },
      coordinatorEnv: { ...QUIET, TRUSTED_PROXIES: '1' },
    }),
  );
  const { kysely } = resources.use(
    await openDatabase({ dataDir: directory, databaseUrl, logger: silentLogger }),
  );
  const upload = async (bytes: Buffer): Promise<string> => {
    const { statusCode, body } = await request(`${cluster.url}/api/v1/videos`, {
      ...{ method: 'POST', body: bytes, signal },
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'video/mp4' },
    });
    if (statusCode !== 201) throw new Error(await body.text());
    return ((await body.json()) as { id: string }).id;
  };
  const source = randomBytes(PIECES * PIECE_BYTES);
  const videoId = await upload(source);
  const perPiece = Math.floor(PIECE_BYTES / segmentBytes);
  const count = perPiece * PIECES;
  const given = { init: Buffer.from('init'), timescale: 1000 };
  const encoded = await storeRendition(kysely, upload, {
    ...{ videoId, name: 'encoded', media: VIDEO_MEDIA },
    pieces: Array.from({ length: PIECES }, () => ({
      ...given,
      segments: Array.from({ length: perPiece }, () => randomBytes(segmentBytes)),
      durations: Array.from({ length: perPiece }, () => 4000),
    })),
  });
  const tracks = interleaved(source.length, segmentBytes);
  const virtual = async (name: string, segments: readonly (readonly SourceRange[])[], isSound: boolean) => {
    const recipes = segments.map((ranges) => encodeRecipe({ header: randomBytes(2000), ranges }));
    const served = segments.map((ranges) => 2000 + ranges.reduce((sum, { length }) => sum + length, 0));
    const id = await storeRendition(kysely, upload, {
      ...{ videoId, name, media: isSound ? AUDIO_MEDIA : VIDEO_MEDIA },
      pieces: [{ ...given, segments: recipes, servedLengths: served, durations: recipes.map(() => 4000) }],
    });
    return segmentsOf(id, served);
  };
  const base = `/api/v1/videos/${videoId}`;
  const segmentsOf = (id: string, lengths: readonly number[], query = ''): Wanted[] =>
    lengths.map((bytes, number) => ({ path: `${base}/hls/${id}/${number}.m4s${query}`, headers: {}, bytes }));
  const lengths = Array.from({ length: count }, () => segmentBytes);
  return {
    cluster,
    wanted: {
      'content, ranges': lengths.map((bytes, index) => ({
        ...{ path: `${base}/content`, bytes },
        headers: { range: `bytes=${index * bytes}-${(index + 1) * bytes - 1}` },
      })),
      'segments by proxy': segmentsOf(encoded, lengths),
      'segments by redirect': segmentsOf(encoded, lengths, '?delivery=redirect'),
      'virtual, pictures': await virtual('virtual', tracks.pictures, false),
      'virtual, sound': await virtual('sound', tracks.sound, true),
    },
  };
}

/** The ranges of each segment, of two tracks that lie in a source by turns. */
function interleaved(sourceBytes: number, segmentBytes: number) {
  const pictures: SourceRange[][] = [[]];
  const sound: SourceRange[][] = [[]];
  let inSegment = 0;
  for (let at = 0; at + PICTURES_BYTES + SOUND_BYTES <= sourceBytes; at += PICTURES_BYTES + SOUND_BYTES) {
    if (inSegment >= segmentBytes) {
      pictures.push([]);
      sound.push([]);
      inSegment = 0;
    }
    pictures.at(-1)!.push({ offset: at, length: PICTURES_BYTES });
    sound.at(-1)!.push({ offset: at + PICTURES_BYTES, length: SOUND_BYTES });
    inSegment += PICTURES_BYTES;
  }
  return { pictures, sound };
}

/** One in so many redirects is followed. */
const FOLLOWED = 100;

let clients = 0;

/** The bytes that came, or undefined: a redirect that was not followed. Every request is that of another client, as it would be if a title had many viewers. */
async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  agent: Agent,
): Promise<number | undefined> {
  clients += 1;
  const address = `10.${(clients >> 16) & 255}.${(clients >> 8) & 255}.${clients & 255}`;
  const {
    statusCode,
    headers: answered,
    body,
  } = await request(url, {
    dispatcher: agent,
    headers: { ...headers, 'x-forwarded-for': address },
  });
  let bytes = 0;
  for await (const piece of body) bytes += (piece as Buffer).length;
  if (statusCode === 307) {
    return clients % FOLLOWED === 0 ? await get(String(answered.location), {}, agent) : undefined;
  }
  if (statusCode !== 200 && statusCode !== 206)
    throw new Error(`${url} was answered with status ${statusCode}.`);
  return bytes;
}

/** Bytes asked for. */
async function load(title: Title, way: Way, bytesWanted: number, connections: number, agent: Agent) {
  const wanted = title.wanted[way];
  let asked = 0;
  let next = 0;
  const work = async () => {
    while (asked < bytesWanted) {
      const { path, headers, bytes } = wanted[next++ % wanted.length]!;
      asked += bytes;
      const came = await get(title.cluster.url + path, headers, agent);
      if (came !== bytes && came !== undefined) throw new Error(`${way}: ${came} bytes came, not ${bytes}`);
    }
  };
  await Promise.all(Array.from({ length: connections }, work));
  return asked;
}

interface Round {
  readonly way: Way;
  readonly cpuSeconds: number;
  readonly seconds: number;
  readonly bytes: number;
}

async function measure(run: BenchRun, options: Options): Promise<{ rounds: Round[]; idleShare: number }> {
  const title = await makeTitle(run, options);
  const { pid } = title.cluster.coordinator;
  const agent = run.resources.use(
    Object.assign(new Agent({ connections: options.connections }), {
      async [Symbol.asyncDispose](this: Agent) {
        await this.destroy();
      },
    }),
  );
  const look = () => ({ cpu: cpuSecondsOf([pid]), seconds: performance.now() / 1000 });
  // Code that has not run yet is slow.
  for (const way of NAMES) await load(title, way, WAYS[way].bytes / 5, options.connections, agent);
  const rounds: Round[] = [];
  const idle: number[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const resting = look();
    await systemClock.sleep(IDLE_MS, run.signal);
    const rested = look();
    idle.push((rested.cpu - resting.cpu) / (rested.seconds - resting.seconds));
    for (const way of NAMES) {
      const before = look();
      const bytes = await load(title, way, WAYS[way].bytes, options.connections, agent);
      const after = look();
      const [cpuSeconds, seconds] = [after.cpu - before.cpu, after.seconds - before.seconds];
      rounds.push({ way, cpuSeconds, seconds, bytes });
      say(`round ${round} ${way}: ${threeFigures((cpuSeconds * GB) / bytes)} CPU s/GB`);
    }
  }
  return { rounds, idleShare: median(idle) };
}

/** Says it, and returns the share of redirects. */
function report(rounds: readonly Round[], idleShare: number, segmentBytes: number): number {
  const perGb = ({ cpuSeconds, seconds, bytes }: Round) => ((cpuSeconds - idleShare * seconds) * GB) / bytes;
  const ofWay = (way: Way) => rounds.filter((round) => round.way === way);
  const net = (way: Way) => median(ofWay(way).map(perGb));
  /** Of each round, beside what the other way took in the same round. */
  const shares = (way: Way, other: Way) =>
    ofWay(way).map((round, index) => perGb(round) / perGb(ofWay(other)[index]!));
  const rows = NAMES.map((way) => [
    way,
    threeFigures(net(way)),
    percent(median(shares(way, 'segments by proxy'))),
    way === 'segments by redirect' ? `at most ${percent(SHARE_MAX)}` : '',
    percent(median(shares(way, 'content, ranges'))),
    threeFigures(median(ofWay(way).map(({ seconds, bytes }) => bytes / 1e6 / seconds))),
  ]);
  const titles = ['coordinator CPU s/GB', 'of segments by proxy', 'limit', 'of content', 'MB/s'];
  say(formatTable([{ title: 'way', align: 'left' }, ...titles.map((title) => ({ title }))], rows));
  say(`while nothing happens: ${threeFigures(idleShare)} CPU seconds a second`);
  const redirectS = (net('segments by redirect') * segmentBytes) / GB;
  // As if a proxied GB cost the same whatever its segments are: shorter ones cost more, so this is on the safe side.
  const enoughBytes = (redirectS * GB) / (net('segments by proxy') * SHARE_MAX);
  const each = shares('segments by redirect', 'segments by proxy');
  const share = median(each);
  say(
    `a redirect takes ${(redirectS * 1e6).toFixed(0)} us: ${percent(SHARE_MAX)} holds from segments of ${(enoughBytes / 1e6).toFixed(1)} MB on`,
  );
  say(
    `redirect / proxy, coordinator CPU a GB with segments of ${segmentBytes / 1e6} MB: ${percent(share)} (at most ${percent(SHARE_MAX)}), the median of ${each.map(percent).join(', ')}`,
  );
  return share;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    // 4 s of 5 Mbit/s.
    segment: { type: 'string', default: '2500000' },
    connections: { type: 'string', default: '8' },
    json: { type: 'string' },
    dir: { type: 'string', default: DEFAULT_DIRECTORY },
  },
});
const options: Options = {
  rounds: positive('rounds', values.rounds),
  segmentBytes: positive('segment', values.segment),
  connections: positive('connections', values.connections),
};
await runBench(values.dir, async (run) => {
  const machine = describeMachine();
  say(machineLine(machine));
  say(`segments of ${options.segmentBytes} bytes: the fewer they have, the more redirects a GB`);
  const { rounds, idleShare } = await measure(run, options);
  const share = report(rounds, idleShare, options.segmentBytes);
  if (values.json !== undefined) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine, options, rounds, idleShare, share }, null, 2)}\n`,
    );
  }
  return share <= SHARE_MAX;
});
