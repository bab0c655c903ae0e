/**
 * What the catalog can take: `node scripts/bench-catalog.ts [--movies 1000000] [--database both|pglite|postgres] [--seconds 20]
 * [--rounds 3] [--rate 200] [--dir DIRECTORY]`. `DATABASE_URL` names an empty database of a PostgreSQL server; without it one is started
 * that does not wait for the disk, with memory as a server of its own has it.
 *
 * 1. Movies a second that `POST /movies/import` takes of a generated file, until all can be found, and how long readers
 *    wait meanwhile.
 * 2. A mix of requests at a rate, through HTTP and a real coordinator: 50th and 99th percentile of each kind, the medians of
 *    `--rounds`; how far the rounds' 99th percentiles were apart is told as well.
 * 3. Requests a second by autocannon for popular movies (Zipf), and the share that memory answers.
 *
 * The 99th percentile of the coordinator's event loop is its own metric, of which 10 ms are the timer. Exits with 1 when
 * any figure misses its limit.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { TestPostgres } from '../tests/support/postgres.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say } from './bench/bench-run.ts';
import { CatalogRequests, KINDS, type Kind, sendAtRate } from './bench/catalog-load.ts';
import { type SampledMovie, writeMovies, ZipfRanks } from './bench/generated-movies.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { median, percentile, threeFigures } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';
import { importFile } from './catalog/import-file.ts';
import { Cluster } from './cluster.ts';

const POSTGRES_SETTINGS = { shared_buffers: '1GB', max_wal_size: '8GB' };

const INGEST_MIN = 20_000;
const LOOP_MS_MAX = 20;
const HOT_RATE_MIN = 4340;
const HIT_RATIO_MIN = 0.8;
const SAMPLES = 20_000;
const POPULAR_PAGES = 50;
const PROBE_INTERVAL_MS = 50;
const WARM_SECONDS = 5;
const HOT_SECONDS = 10;
const HOT_CONNECTIONS = 16;
const HOT_REQUESTS = 20_000;

type Engine = 'PGlite' | 'PostgreSQL';

interface Figure {
  readonly name: string;
  readonly value: string;
  readonly limit: string;
  readonly isGood: boolean;
}

interface Options {
  readonly movies: number;
  readonly engines: readonly Engine[];
  readonly seconds: number;
  readonly rounds: number;
  readonly rate: number;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      movies: { type: 'string', default: '1000000' },
      database: { type: 'string', default: 'both' },
      seconds: { type: 'string', default: '20' },
      rounds: { type: 'string', default: '3' },
      rate: { type: 'string', default: '200' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  const engines: Record<string, readonly Engine[]> = {
    pglite: ['PGlite'],
    postgres: ['PostgreSQL'],
    both: ['PGlite', 'PostgreSQL'],
  };
  const chosen = engines[values.database];
  if (chosen === undefined) throw new Error('--database must be pglite, postgres or both.');
  return {
    movies: positive('movies', values.movies),
    engines: chosen,
    seconds: positive('seconds', values.seconds),
    rounds: positive('rounds', values.rounds),
    rate: positive('rate', values.rate),
    directory: values.dir,
  };
}

async function metricsOf(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
}

/** Since it was last asked. */
async function loopP99Ms(url: string): Promise<number> {
  return (await metricsOf(url))('nodejs_eventloop_lag_p99_seconds') * 1000;
}

/** Asks for a page again and again, as a reader would, until the signal aborts; returns how long each took, ms. */
async function probe(url: string, signal: AbortSignal): Promise<number[]> {
  const took: number[] = [];
  for (let turn = 0; !signal.aborted; turn++) {
    const startMs = performance.now();
    const response = await fetch(
      `${url}/api/v1/movies?limit=5&yearFrom=${1950 + (turn % 70)}&minScore=${turn % 9}`,
    );
    await response.text();
    if (!response.ok) throw new Error(`a reader got ${response.status}`);
    took.push(performance.now() - startMs);
    await new Promise((wake) => setTimeout(wake, PROBE_INTERVAL_MS));
  }
  return took;
}

async function ingest(cluster: Cluster, token: string, file: string, run: BenchRun): Promise<Figure[]> {
  const stop = new AbortController();
  await loopP99Ms(cluster.url);
  const probing = probe(cluster.url, stop.signal);
  const startMs = performance.now();
  const { status, report, problem } = await importFile({
    file,
    url: cluster.url,
    token,
    mode: 'keep-going',
    signal: run.signal,
  });
  const tookS = (performance.now() - startMs) / 1000;
  stop.abort();
  const waits = await probing;
  if (status !== 200 || report === undefined) throw new Error(`the import failed: ${status} ${problem}`);
  const rate = report.added / tookS;
  const loopMs = await loopP99Ms(cluster.url);
  return [
    {
      name: `movies ingested a second (${report.added})`,
      value: rate.toFixed(0),
      limit: `>= ${INGEST_MIN}`,
      isGood: rate >= INGEST_MIN,
    },
    {
      name: 'a page meanwhile, p50 / p99 / max, ms',
      value: [percentile(waits, 50), percentile(waits, 99), Math.max(...waits)].map(threeFigures).join(' / '),
      limit: '',
      isGood: true,
    },
    loopFigure('event loop meanwhile, p99, ms', loopMs),
  ];
}

function loopFigure(name: string, valueMs: number): Figure {
  return { name, value: threeFigures(valueMs), limit: `< ${LOOP_MS_MAX}`, isGood: valueMs < LOOP_MS_MAX };
}

async function popularIds(url: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor = '';
  for (let page = 0; page < POPULAR_PAGES; page++) {
    const response = await fetch(`${url}/api/v1/movies?limit=100${cursor}`);
    const { items, nextCursor } = (await response.json()) as {
      items: { id: string }[];
      nextCursor: string | null;
    };
    ids.push(...items.map(({ id }) => id));
    if (nextCursor === null) break;
    cursor = `&cursor=${nextCursor}`;
  }
  return ids;
}

async function mix(
  url: string,
  ids: readonly string[],
  samples: readonly SampledMovie[],
  options: Options,
  run: BenchRun,
): Promise<Figure[]> {
  const { rate: perSecond, seconds, rounds } = options;
  const requests = new CatalogRequests(new SeededRandom(11), samples, ids);
  const first = await sendAtRate(url, requests, { perSecond, seconds: WARM_SECONDS, signal: run.signal });
  const firstTook = [...first.took.values()].flat();
  await loopP99Ms(url);
  const sent: Awaited<ReturnType<typeof sendAtRate>>[] = [];
  const loops: number[] = [];
  for (let round = 0; round < rounds; round++) {
    sent.push(await sendAtRate(url, requests, { perSecond, seconds, signal: run.signal }));
    loops.push(await loopP99Ms(url));
  }
  const loopMs = median(loops);
  const late = sent.flatMap((round) => round.late);
  const isFirst = sent.every((round) => round.isFirst);
  const figures = Object.entries(KINDS).map(([kind, { limitMs }]) => {
    const times = sent.map(({ took }) => took.get(kind as Kind) ?? []);
    const p99s = times.map((one) => percentile(one, 99));
    const p99 = median(p99s);
    const p50 = median(times.map((one) => percentile(one, 50)));
    const apart = rounds === 1 ? '' : ` (${p99s.map(threeFigures).join(', ')})`;
    return {
      name: `${kind}, p50 / p99, ms`,
      value: `${threeFigures(p50)} / ${threeFigures(p99)}${apart}`,
      limit: `p99 < ${limitMs}`,
      isGood: p99 < limitMs,
    };
  });
  return [
    ...figures,
    loopFigure(`event loop at ${perSecond}/s, p99, ms`, loopMs),
    {
      name: `all kinds, the first ${WARM_SECONDS} s after the import, p99 / max, ms`,
      value: [percentile(firstTook, 99), Math.max(...firstTook)].map(threeFigures).join(' / '),
      limit: '',
      isGood: true,
    },
    {
      name: `sent late, p99, ms${isFirst ? '' : ' (the generator may not go first)'}`,
      value: threeFigures(percentile(late, 99)),
      limit: '',
      isGood: true,
    },
  ];
}

async function hotReads(url: string, ids: readonly string[]): Promise<Figure[]> {
  const ranks = new ZipfRanks(new SeededRandom(13), ids.length);
  const requests = Array.from({ length: HOT_REQUESTS }, () => ({
    path: `/api/v1/movies/${ids[ranks.next()]}`,
  }));
  const before = await metricsOf(url);
  const result = await autocannon({ url, requests, connections: HOT_CONNECTIONS, duration: HOT_SECONDS });
  const after = await metricsOf(url);
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${result.non2xx} refusals, ${result.errors} errors`);
  const gained = (name: string) => after(name) - before(name);
  const hits = gained('orbitvids_movie_cache_hits');
  const ratio = hits / (hits + gained('orbitvids_movie_cache_misses'));
  const rate = result['2xx'] / result.duration;
  return [
    {
      name: 'hot reads a second',
      value: rate.toFixed(0),
      limit: `>= ${HOT_RATE_MIN}`,
      isGood: rate >= HOT_RATE_MIN,
    },
    {
      name: 'of these from memory',
      value: `${(ratio * 100).toFixed(1)}%`,
      limit: `> ${HIT_RATIO_MIN * 100}%`,
      isGood: ratio > HIT_RATIO_MIN,
    },
  ];
}

async function measure(
  engine: Engine,
  file: string,
  samples: readonly SampledMovie[],
  options: Options,
  run: BenchRun,
): Promise<Figure[]> {
  await using stack = new AsyncDisposableStack();
  let databaseUrl: string | undefined;
  if (engine === 'PostgreSQL') {
    databaseUrl =
      process.env.DATABASE_URL ??
      (await stack.use(await TestPostgres.open(undefined, POSTGRES_SETTINGS)).createDatabase());
  }
  const token = 'the-token-of-this-benchmark';
  const cluster = stack.use(
    await Cluster.start({
      dataDir: join(run.directory, engine),
      nodeCount: 1,
      replicas: 1,
      adminToken: token,
      databaseUrl,
      coordinatorEnv: { CATALOG_CACHE: '4GiB' },
      signal: run.signal,
    }),
  );
  const told = (figures: Figure[]) => {
    for (const { name, value } of figures) say(`  ${engine}: ${name}: ${value}`);
    return figures;
  };
  const ingested = told(await ingest(cluster, token, file, run));
  const ids = await popularIds(cluster.url);
  const mixed = told(await mix(cluster.url, ids, samples, options, run));
  const hot = told(await hotReads(cluster.url, ids));
  const metrics = await metricsOf(cluster.url);
  const memory = [metrics('process_resident_memory_bytes'), metrics('orbitvids_catalog_index_bytes')];
  const mib = memory.map((bytes) => (bytes / 1024 ** 2).toFixed(0)).join(' / ');
  return [
    ...ingested,
    ...mixed,
    ...hot,
    { name: 'coordinator / index in memory, MiB', value: mib, limit: '', isGood: true },
  ];
}

async function main(run: BenchRun, options: Options): Promise<boolean> {
  say(machineLine(describeMachine()));
  const file = join(run.directory, 'movies.ndjson');
  const samples = await writeMovies(file, options.movies, SAMPLES);
  say(`${options.movies} movies, ${(statSync(file).size / 1024 ** 2).toFixed(0)} MiB of JSON`);
  const results: Figure[][] = [];
  for (const engine of options.engines) results.push(await measure(engine, file, samples, options, run));
  const columns = [
    { title: '', align: 'left' as const },
    ...options.engines.map((title) => ({ title })),
    { title: 'limit', align: 'left' as const },
  ];
  const rows = results[0]!.map(({ name, limit }, row) => [
    name,
    ...results.map((figures) => `${figures[row]!.value}${figures[row]!.isGood ? '' : ' !'}`),
    limit,
  ]);
  say();
  say(formatTable(columns, rows));
  return results.every((figures) => figures.every(({ isGood }) => isGood));
}

const options = readOptions();
await runBench(options.directory, (run) => main(run, options));
