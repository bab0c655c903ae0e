/**
 * What a change of the ring costs whoever uses the cluster meanwhile:
 * `node scripts/bench-rebalance.ts [--data 1500MB] [--uploaders 8] [--readers 16] [--upload-size 1MiB]
 * [--upload-pause 500] [--read-size 256KiB] [--read-pause 50] [--baseline 15] [--check-pause 5] [--seed N] [--json FILE]
 * [--trace FILE] [--dir DIRECTORY]`. The trace has a line of JSON for every second of every change: what is done and left, the
 * rate, what copies are held to, what reads take and the time left as it was said.
 *
 * Five nodes with data, and uploaders and range readers that never stop; pauses are milliseconds, to be chosen so that
 * the load alone leaves the machine some room. Then a sixth node joins, one is drained and removed, and one is killed
 * for good and removed. Every byte that is read is compared with the source; every `--check-pause` seconds all nodes are
 * read directly to see that every chunk lies where it must, which costs readers something, too. Exits with 1 when a read failed or was wrong, an upload failed although
 * there were owners enough, or a chunk does not lie on its owners alone at the end.
 */
import { randomInt } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { describeMachine, machineLine } from './bench/machine.ts';
import { threeFigures } from './bench/statistics.ts';
import { formatTable } from './bench/text-table.ts';
import type { Rebalance } from './trials/admin-schema.ts';
import type { LoadSample } from './trials/load-messages.ts';
import { LoadRunner } from './trials/load-runner.ts';
import { describeFailures, failuresOf } from './trials/load-tally.ts';
import { isSettled, type PlacementReport } from './trials/placement-checker.ts';
import {
  gainedBytes,
  type TimePrediction,
  type WatchedRebalance,
  watchRebalance,
} from './trials/rebalance-watch.ts';
import { TrialCluster } from './trials/trial-cluster.ts';

const MIB = 1024 * 1024;
const NODES = 5;
const REPLICAS = 3;
/** Sizes of the data, in turn: mostly whole chunks, and some of everything else. */
const SIZES = [8 * MIB, 8 * MIB, 20 * MIB + 77, 8 * MIB, MIB + 1, 300_000, 8 * MIB, 20_000, 3 * MIB, 700];
const REBALANCE_TIMEOUT_MS = 15 * 60_000;
const SETTLE_TIMEOUT_MS = 60_000;
const DOWN_TIMEOUT_MS = 60_000;
/** By each uploader: what moves is to be the data, not what comes and goes meanwhile. */
const UPLOADS_KEPT = 4;
const WARM_UP_MS = 2000;
/** How often the progress of a long phase is printed. */
const TELL_INTERVAL_MS = 10_000;
/** Fewer than W owners live; nobody can store anything then. */
const QUORUM_FAILURE = '503 write_quorum_unavailable';

interface Options {
  readonly dataBytes: number;
  readonly uploaders: number;
  readonly readers: number;
  readonly uploadBytes: number;
  readonly uploadPauseMs: number;
  readonly readBytes: number;
  readonly readPauseMs: number;
  readonly baselineSeconds: number;
  readonly checkPauseSeconds: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly trace: string | undefined;
  readonly directory: string;
}

interface Phase {
  readonly name: string;
  readonly seconds: number;
  readonly load: LoadSample;
  /** None in the baseline. */
  readonly watched?: WatchedRebalance;
  /** Copies that appeared, of chunks that there were before and after. */
  readonly gainedBytes?: number;
  /** What the nodes stored, less all copies of what was uploaded. */
  readonly countedBytes?: number;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '1500MB' },
      uploaders: { type: 'string', default: '8' },
      readers: { type: 'string', default: '16' },
      'upload-size': { type: 'string', default: '1MiB' },
      'upload-pause': { type: 'string', default: '500' },
      'read-size': { type: 'string', default: '256KiB' },
      'read-pause': { type: 'string', default: '50' },
      baseline: { type: 'string', default: '15' },
      'check-pause': { type: 'string', default: '5' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      json: { type: 'string' },
      trace: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    dataBytes: size('data', values.data),
    uploaders: positive('uploaders', values.uploaders),
    readers: positive('readers', values.readers),
    uploadBytes: size('upload-size', values['upload-size']),
    uploadPauseMs: positive('upload-pause', values['upload-pause']),
    readBytes: size('read-size', values['read-size']),
    readPauseMs: positive('read-pause', values['read-pause']),
    baselineSeconds: positive('baseline', values.baseline),
    checkPauseSeconds: positive('check-pause', values['check-pause']),
    seed: positive('seed', values.seed),
    json: values.json,
    trace: values.trace,
    directory: values.dir,
  };
}

function corpusSizes(totalBytes: number): number[] {
  const sizes: number[] = [];
  for (let bytes = 0, index = 0; bytes < totalBytes; index++) {
    const next = SIZES[index % SIZES.length]!;
    sizes.push(next);
    bytes += next;
  }
  return sizes;
}

/** Begins a rebalance and follows it to its end under the load. */
async function runPhase(
  run: BenchRun,
  trial: TrialCluster,
  name: string,
  begin: () => Promise<Rebalance | null>,
  options: { readonly countsHandoffs?: boolean; readonly checkPauseMs: number },
): Promise<Phase> {
  await trial.checker.check(options);
  const copiesBefore = trial.checker.copies;
  const storedBefore = await trial.storedBytes();
  await trial.load!.sample();
  const rebalance = await begin();
  if (rebalance === null) throw new Error(`${name}: nothing has to be moved.`);
  const { plan } = rebalance;
  say(
    `${name}: ${plan.ranges} of ${plan.totalRanges} ranges, ${mb(plan.bytes)} MB; at least ${mb(plan.minimumBytes)} MB`,
  );
  let toldMs = performance.now();
  const watched = await watchRebalance(trial.admin, trial.checker, rebalance.id, {
    ...options,
    onAnswer: (answer) => {
      if (performance.now() < toldMs + TELL_INTERVAL_MS) return;
      toldMs = performance.now();
      say(`  ${describeProgress(answer)}`);
    },
    timeoutMs: REBALANCE_TIMEOUT_MS,
    signal: run.signal,
  });
  const load = await trial.load!.sample();
  const storedAfter = await trial.storedBytes();
  await trial.checker.check(options);
  const { report: ended } = watched;
  say(
    `${name}: ${ended.state} after ${watched.seconds.toFixed(1)} s, ${mb(ended.copiedBytes)} MB copied; ` +
      `reads p99 ${threeFigures(load.readP99Ms)} ms, ${failuresOf(load.readFailures)} failed`,
  );
  for (const report of watched.unsound) trial.tell('NOT SOUND', report);
  if (watched.report.state !== 'finished') throw new Error(`${name} is ${watched.report.state}.`);
  return {
    name,
    seconds: watched.seconds,
    load,
    watched,
    gainedBytes: gainedBytes(copiesBefore, trial.checker),
    countedBytes: storedAfter - storedBefore - REPLICAS * load.uploadedBytes,
  };
}

/** Writes down what coordinators tell of rebalances every second, until the run ends. */
function traceTo(file: string, run: BenchRun, trial: TrialCluster): void {
  writeFileSync(file, '');
  const over = new AbortController();
  const listening = (async () => {
    for await (const { at, kind, details } of trial.admin.events(AbortSignal.any([run.signal, over.signal])))
      if (kind.startsWith('rebalance_'))
        appendFileSync(file, `${JSON.stringify({ at, kind, ...details })}\n`);
  })().catch((error: unknown) => {
    if (!over.signal.aborted) say(`the trace ended: ${error}`);
  });
  run.resources.defer(async () => {
    over.abort();
    await listening;
  });
}

function describeProgress({ ranges, bytes, bytesPerSecond, secondsLeft, error }: Rebalance): string {
  return (
    `${ranges.done} of ${ranges.total} ranges (${ranges.copying} copying, ${ranges.switching} switching), ` +
    `${mb(bytes.done)} of ${mb(bytes.total)} MB, ${mb(bytesPerSecond ?? 0)} MB/s, ${secondsLeft ?? '?'} s left` +
    `${error ? `; held up: ${error}` : ''}`
  );
}

async function killForGood(run: BenchRun, trial: TrialCluster, index: number): Promise<Rebalance | null> {
  const { id } = await trial.adminNode(index);
  const killedMs = performance.now();
  await trial.cluster.nodes[index]!.kill();
  while ((await trial.admin.node(id)).health !== 'down') {
    if (performance.now() - killedMs > DOWN_TIMEOUT_MS) throw new Error('The killed node is not down.');
    await systemClock.sleep(200, run.signal);
  }
  say(`killed a node; it was seen to be down after ${((performance.now() - killedMs) / 1000).toFixed(1)} s`);
  trial.checker.giveUp(id);
  return (await trial.admin.removeNode(id, { lost: true })).rebalance;
}

function mb(bytes: number): string {
  return threeFigures(bytes / 1e6);
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((part / whole) * 100).toFixed(1)}%`;
}

function printPhases(phases: readonly Phase[]): void {
  const base = phases[0]!.load;
  const columns = [
    { title: 'phase', align: 'left' as const },
    ...[
      's',
      'reads',
      'p50, ms',
      'p99, ms',
      'p99 to before',
      'failed',
      'wrong',
      'uploads',
      'p99, ms',
      'failed',
    ].map((title) => ({ title })),
  ];
  say(
    formatTable(
      columns,
      phases.map(({ name, seconds, load }) => [
        name,
        seconds.toFixed(1),
        String(load.reads),
        threeFigures(load.readP50Ms),
        threeFigures(load.readP99Ms),
        `${(load.readP99Ms / base.readP99Ms).toFixed(2)}x`,
        String(failuresOf(load.readFailures) + load.false404s),
        String(load.wrongBytes + load.reappeared),
        String(load.uploads),
        threeFigures(load.uploadP99Ms),
        String(failuresOf(load.uploadFailures)),
      ]),
    ),
  );
  for (const { name, load } of phases) {
    if (failuresOf(load.readFailures) + failuresOf(load.uploadFailures) + load.false404s === 0) continue;
    say(
      `${name}: reads that failed: ${describeFailures(load.readFailures)}; uploads: ${describeFailures(load.uploadFailures)}`,
    );
    for (const example of load.examples) say(`  ${example}`);
  }
}

function printMoves(phases: readonly Phase[]): void {
  const moves = phases.flatMap((phase) => (phase.watched ? [{ ...phase, watched: phase.watched }] : []));
  say(
    formatTable(
      [
        { title: 'phase', align: 'left' },
        ...[
          'least, MB',
          'planned',
          'copied',
          'appeared',
          'counted',
          'MB/s',
          'checks',
          'unsound',
          'undecided',
        ].map((title) => ({ title })),
      ],
      moves.map(({ name, watched, gainedBytes = 0, countedBytes = 0, seconds }) => {
        const { plan, copiedBytes } = watched.report;
        return [
          name,
          mb(plan.minimumBytes),
          percent(plan.bytes, plan.minimumBytes),
          percent(copiedBytes, plan.minimumBytes),
          percent(gainedBytes, plan.minimumBytes),
          percent(countedBytes, plan.minimumBytes),
          threeFigures(copiedBytes / seconds / 1e6),
          String(watched.checks),
          String(watched.unsound.length),
          String(watched.undecided),
        ];
      }),
    ),
  );
  say(
    '(copied: by the report of the rebalance; appeared: copies of what was there before and after; counted: what nodes stored,',
  );
  say(' less every upload three times, so with what uploads into moving ranges cost beyond that)');
  printPredictions(moves);
}

/** The time left, as it was said, beside the time that it then took. */
function printPredictions(moves: readonly (Phase & { readonly watched: WatchedRebalance })[]): void {
  const told = ({ promisedSeconds, trueSeconds }: TimePrediction) =>
    promisedSeconds === null
      ? 'nothing'
      : `${promisedSeconds.toFixed(1)} / ${trueSeconds.toFixed(1)}, ${signed(promisedSeconds / trueSeconds - 1)}`;
  const shares = moves[0]?.watched.predictions.map(({ share }) => `at ${share * 100}%`) ?? [];
  say();
  say('seconds left: said / it took, and how far that is from the truth');
  say(
    formatTable(
      [
        { title: 'phase', align: 'left' },
        ...[...shares, 'farthest from 10% on', 'at'].map((title) => ({ title })),
      ],
      moves.map(({ name, watched: { predictions, worst } }) => [
        name,
        ...shares.map((_, index) => (predictions[index] ? told(predictions[index]) : '-')),
        worst === null ? '-' : told(worst),
        worst === null ? '-' : percent(worst.share, 1),
      ]),
    ),
  );
}

function signed(share: number): string {
  return `${share < 0 ? '-' : '+'}${Math.abs(share * 100).toFixed(0)}%`;
}

function isRight({ load, watched }: Phase): boolean {
  const { [QUORUM_FAILURE]: _excused = 0, ...uploadFailures } = load.uploadFailures;
  return (
    failuresOf(load.readFailures) === 0 &&
    failuresOf(uploadFailures) === 0 &&
    failuresOf(load.deleteFailures) === 0 &&
    load.false404s + load.wrongBytes + load.reappeared === 0 &&
    (watched?.unsound.length ?? 0) === 0
  );
}

async function endState(trial: TrialCluster): Promise<{ placement: PlacementReport; wrong: string[] }> {
  await trial.load!.stop();
  const unknown = await trial.deleteUnknownVideos();
  if (unknown > 0) say(`${unknown} videos were stored although their upload was not answered`);
  const startMs = performance.now();
  if (await trial.repairIfPossible(REBALANCE_TIMEOUT_MS))
    say(`repair found everything complete after ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
  const placement = await trial.untilSettled(SETTLE_TIMEOUT_MS);
  trial.tell('at the end', placement);
  const wrong = await trial.readAll();
  say(
    `read whole at the end, byte for byte: ${placement.videos - wrong.length} of ${placement.videos} videos right`,
  );
  for (const problem of wrong.slice(0, 10)) say(`  ${problem}`);
  return { placement, wrong };
}

async function bench(run: BenchRun, options: Options): Promise<boolean> {
  const machine = describeMachine();
  say(machineLine(machine));
  say(`seed ${options.seed}`);
  const trial = await TrialCluster.start(run, { nodeCount: NODES, replicas: REPLICAS, seed: options.seed });
  await trial.uploadCorpus(corpusSizes(options.dataBytes));
  trial.tell('uploaded', await trial.checker.check());
  if (options.trace !== undefined) traceTo(options.trace, run, trial);

  trial.load = run.resources.use(
    await LoadRunner.start(
      {
        target: trial.target,
        sourceSeed: options.seed,
        seed: options.seed,
        corpus: trial.corpus.videos.map(({ id, slice }) => ({ id, slice })),
        chunkBytes: trial.chunkBytes,
        uploaders: options.uploaders,
        uploadSizes: [options.uploadBytes],
        uploadPauseMs: options.uploadPauseMs,
        uploadsKept: UPLOADS_KEPT,
        readers: options.readers,
        readBytes: options.readBytes,
        readPauseMs: options.readPauseMs,
      },
      run.signal,
    ),
  );
  await systemClock.sleep(WARM_UP_MS, run.signal);
  await trial.load.sample();
  await systemClock.sleep(options.baselineSeconds * 1000, run.signal);
  const checkPauseMs = options.checkPauseSeconds * 1000;
  const phases: Phase[] = [
    { name: 'before', seconds: options.baselineSeconds, load: await trial.load.sample() },
  ];

  const newcomer = await trial.addNode();
  phases.push(
    await runPhase(
      run,
      trial,
      'join',
      async () => (await trial.admin.changeNode(newcomer.id, { state: 'active' })).rebalance,
      { checkPauseMs },
    ),
  );
  const drained = await trial.adminNode(1);
  phases.push(
    await runPhase(
      run,
      trial,
      'drain',
      async () => (await trial.admin.changeNode(drained.id, { state: 'draining' })).rebalance,
      { checkPauseMs },
    ),
  );
  await trial.admin.removeNode(drained.id);
  await trial.cluster.nodes[1]!.stop();
  phases.push(
    await runPhase(run, trial, 'kill, remove', () => killForGood(run, trial, 2), {
      countsHandoffs: true,
      checkPauseMs,
    }),
  );
  const { placement, wrong } = await endState(trial);
  say();
  printPhases(phases);
  say();
  printMoves(phases);
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      `${JSON.stringify({ machine, options, phases, placement, wrong }, null, 2)}\n`,
    );
  return phases.every(isRight) && isSettled(placement) && wrong.length === 0;
}

const options = readOptions();
await runBench(options.directory, (run) => bench(run, options));
