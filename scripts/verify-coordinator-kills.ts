/**
 * Moves ranges back and forth while the coordinator is killed again and again:
 * `node scripts/verify-coordinator-kills.ts [--kills 50] [--data 300MB] [--rate 30MB] [--uploaders 2] [--readers 4]
 * [--seed N] [--minutes 30] [--json FILE] [--dir DIRECTORY]`.
 *
 * A sixth node is made a member and drained in turn, at `--rate` bytes a second, under light load. The coordinator is
 * ended with SIGKILL at random moments and started again; then the nodes are read directly to see that every chunk
 * lies where it must. Exits with 1 when a chunk did not, a read was wrong or answered with 404, the last rebalance did
 * not finish, or the nodes copied more than was to be moved and what was in flight at the kills.
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { median } from './bench/statistics.ts';
import { hasEnded } from './trials/admin-client.ts';
import type { Rebalance } from './trials/admin-schema.ts';
import type { LoadSample } from './trials/load-messages.ts';
import { LoadRunner } from './trials/load-runner.ts';
import { describeFailures } from './trials/load-tally.ts';
import { describePlacement, isSettled, isSound } from './trials/placement-checker.ts';
import { TrialCluster } from './trials/trial-cluster.ts';

const MIB = 1024 * 1024;
const REPLICAS = 3;
const NODES = 5;
/** Whole chunks and small ones, so that a kill finds pulls in the middle of both. */
const SIZES = [8 * MIB, MIB + 1, 12 * MIB + 77, 300_000, 8 * MIB, 20_000, 700];
/** Small beside what moves, so that the bytes that nodes copied can be told from what was uploaded. */
const UPLOAD_BYTES = 64 * 1024;
/** One kill in so many does not wait until the rebalance goes on. */
const EARLY_KILLS = 4;
/** Milliseconds from when it goes on, or the coordinator is ready again, to the kill: at most one of these. */
const WAITS_MS = [50, 300, 1000, 3000];
/** How often it is told how it goes. */
const TELL_KILLS = 5;
const PROGRESS_TIMEOUT_MS = 60_000;
const PAUSES_MS = [0, 0, 200, 1500];
/** What may have to be copied once more after a kill: what each node was receiving. */
const IN_FLIGHT_BYTES = (NODES + 1) * 4 * 8 * MIB;
const END_TIMEOUT_MS = 5 * 60_000;

interface Options {
  readonly kills: number;
  readonly dataBytes: number;
  readonly bytesPerSecond: number;
  readonly uploaders: number;
  readonly readers: number;
  readonly seed: number;
  readonly minutes: number;
  readonly json: string | undefined;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      data: { type: 'string', default: '300MB' },
      rate: { type: 'string', default: '30MB' },
      uploaders: { type: 'string', default: '2' },
      readers: { type: 'string', default: '4' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      minutes: { type: 'string', default: '30' },
      json: { type: 'string' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    kills: positive('kills', values.kills),
    dataBytes: size('data', values.data),
    bytesPerSecond: size('rate', values.rate),
    uploaders: positive('uploaders', values.uploaders),
    readers: positive('readers', values.readers),
    seed: positive('seed', values.seed),
    minutes: positive('minutes', values.minutes),
    json: values.json,
    directory: values.dir,
  };
}

interface Tally {
  kills: number;
  rebalances: number;
  plannedBytes: number;
  /** As the rebalances report it. */
  copiedBytes: number;
  checks: number;
  unsound: number;
  undecided: number;
  restartMsMax: number;
  readonly takeoverMs: number[];
}

/** A node that is a member and drained in turn. */
class BackAndForth {
  readonly #trial: TrialCluster;
  readonly #nodeId: string;
  readonly #bytesPerSecond: number;
  readonly #tally: Tally;
  #current: Rebalance | undefined;

  constructor(trial: TrialCluster, nodeId: string, bytesPerSecond: number, tally: Tally) {
    this.#trial = trial;
    this.#nodeId = nodeId;
    this.#bytesPerSecond = bytesPerSecond;
    this.#tally = tally;
  }

  /** Begins the next rebalance unless one is under way. */
  async goOn(): Promise<void> {
    const { admin } = this.#trial;
    if (this.#current !== undefined) {
      const report = await admin.rebalance(this.#current.id);
      if (!hasEnded(report)) return;
      if (report.state !== 'finished') throw new Error(`Rebalance ${report.id} is ${report.state}.`);
      this.#tally.copiedBytes += report.copiedBytes;
    }
    const { state } = await admin.node(this.#nodeId);
    this.#current = await admin.startRebalance(
      [{ nodeId: this.#nodeId, state: state === 'active' ? 'draining' : 'active' }],
      { bytesPerSecond: this.#bytesPerSecond },
    );
    this.#tally.rebalances++;
    this.#tally.plannedBytes += this.#current.plan.bytes;
  }

  /** Lets the one under way end, as fast as it can. */
  async finish(signal: AbortSignal): Promise<Rebalance | undefined> {
    if (this.#current === undefined) return undefined;
    const { admin } = this.#trial;
    if (!hasEnded(await admin.rebalance(this.#current.id)))
      await admin.limitRebalance(this.#current.id, { bytesPerSecond: null });
    const report = await admin.untilRebalanceEnds(this.#current.id, { timeoutMs: END_TIMEOUT_MS, signal });
    this.#tally.copiedBytes += report.copiedBytes;
    return report;
  }
}

/** Resolves, when ranges change hands again or none are left to, with how long that took. */
async function untilItGoesOn(run: BenchRun, trial: TrialCluster): Promise<number> {
  const startMs = performance.now();
  const { step } = await trial.admin.clusterSummary();
  for (;;) {
    const now = await trial.admin.clusterSummary();
    if (now.step !== step || !now.rebalancing) break;
    if (performance.now() - startMs > PROGRESS_TIMEOUT_MS) throw new Error('The rebalance does not go on.');
    await systemClock.sleep(100, run.signal);
  }
  return performance.now() - startMs;
}

async function killAndCheck(
  run: BenchRun,
  trial: TrialCluster,
  random: SeededRandom,
  tally: Tally,
): Promise<void> {
  if (random.below(EARLY_KILLS) !== 0) tally.takeoverMs.push(await untilItGoesOn(run, trial));
  await systemClock.sleep(random.below(random.pick(WAITS_MS)), run.signal);
  await trial.cluster.coordinator.kill();
  tally.kills++;
  await systemClock.sleep(random.pick(PAUSES_MS), run.signal);
  const startMs = performance.now();
  await trial.cluster.startCoordinator();
  await trial.cluster.untilReady();
  tally.restartMsMax = Math.max(tally.restartMsMax, performance.now() - startMs);
  const report = await trial.checker.check();
  tally.checks++;
  tally.undecided += report.undecided;
  if (tally.kills % TELL_KILLS === 0)
    say(`${tally.kills} kills, ${tally.rebalances} rebalances: ${describePlacement(report)}`);
  if (isSound(report)) return;
  tally.unsound++;
  trial.tell(`after kill ${tally.kills}`, report);
}

function isRight(sample: LoadSample): boolean {
  const allowed = /^(peer_|503\b)/;
  const refused = [sample.readFailures, sample.uploadFailures, sample.deleteFailures]
    .flatMap((failures) => Object.keys(failures))
    .filter((how) => !allowed.test(how));
  for (const how of refused) say(`should not have been answered: ${how}`);
  return refused.length === 0 && sample.false404s + sample.wrongBytes + sample.reappeared === 0;
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  say(`${options.kills} kills, seed ${options.seed}`);
  const trial = await TrialCluster.start(run, { nodeCount: NODES, replicas: REPLICAS, seed: options.seed });
  const count = Math.ceil((options.dataBytes / SIZES.reduce((sum, bytes) => sum + bytes, 0)) * SIZES.length);
  await trial.uploadCorpus(Array.from({ length: count }, (_, index) => SIZES[index % SIZES.length]!));
  trial.tell('uploaded', await trial.checker.check());
  const newcomer = await trial.addNode();
  trial.load = run.resources.use(
    await LoadRunner.start(
      {
        target: trial.target,
        sourceSeed: options.seed,
        seed: options.seed,
        corpus: trial.corpus.videos.map(({ id, slice }) => ({ id, slice })),
        chunkBytes: trial.chunkBytes,
        uploaders: options.uploaders,
        uploadSizes: [UPLOAD_BYTES],
        uploadPauseMs: 300,
        uploadsKept: 20,
        readers: options.readers,
        readBytes: 256 * 1024,
        readPauseMs: 100,
      },
      run.signal,
    ),
  );
  const tally: Tally = {
    kills: 0,
    rebalances: 0,
    plannedBytes: 0,
    copiedBytes: 0,
    checks: 0,
    unsound: 0,
    undecided: 0,
    restartMsMax: 0,
    takeoverMs: [],
  };
  const storedBefore = await trial.storedBytes();
  const random = new SeededRandom(options.seed);
  const moving = new BackAndForth(trial, newcomer.id, options.bytesPerSecond, tally);
  const startMs = performance.now();
  const deadlineMs = startMs + options.minutes * 60_000;
  while (tally.kills < options.kills && performance.now() < deadlineMs) {
    await moving.goOn();
    await killAndCheck(run, trial, random, tally);
  }
  const last = await moving.finish(run.signal);
  const seconds = (performance.now() - startMs) / 1000;
  const sample = await trial.load.stop();
  const countedBytes = (await trial.storedBytes()) - storedBefore - REPLICAS * sample.uploadedBytes;
  const unknown = await trial.deleteUnknownVideos();
  const placement = await trial.untilSettled(60_000);
  trial.tell('at the end', placement);
  const wrong = await trial.readAll();
  for (const problem of wrong.slice(0, 10)) say(`  ${problem}`);

  // An upload into a range that moves is stored up to twice as often, and one that failed was perhaps stored too.
  const uploadsBytes = REPLICAS * (2 * sample.attemptedBytes - sample.uploadedBytes);
  const allowedBytes = tally.plannedBytes + uploadsBytes + tally.kills * IN_FLIGHT_BYTES;
  const mb = (bytes: number) => (bytes / 1e6).toFixed(0);
  say(
    `${tally.kills} kills in ${seconds.toFixed(0)} s over ${tally.rebalances} rebalances, the last one ${last?.state ?? 'absent'}; ` +
      `ready again after ${(tally.restartMsMax / 1000).toFixed(1)} s at most, ranges on their way again after ` +
      `${(median(tally.takeoverMs) / 1000).toFixed(1)} s (median), ${(Math.max(0, ...tally.takeoverMs) / 1000).toFixed(1)} s at most`,
  );
  say(`${tally.checks} checks: ${tally.unsound} unsound, ${tally.undecided} chunks undecided`);
  say(
    `copied by the nodes: ${mb(countedBytes)} MB by their counters, ${mb(tally.copiedBytes)} MB by the reports; to be moved were ${mb(tally.plannedBytes)} MB, so ` +
      `${((countedBytes - tally.plannedBytes) / tally.kills / 1e6).toFixed(2)} MB more a kill ` +
      `(uploads into moving ranges included, at most ${mb(uploadsBytes)} MB)`,
  );
  say(
    `${sample.reads} reads: ${describeFailures(sample.readFailures)} failed, ${sample.false404s} false 404, ` +
      `${sample.wrongBytes} wrong, ${sample.reappeared} reappeared`,
  );
  say(
    `${sample.uploads} uploads: ${describeFailures(sample.uploadFailures)} failed; ${unknown} stored though not answered; ` +
      `${placement.videos - wrong.length} of ${placement.videos} videos right at the end`,
  );
  for (const example of sample.examples) say(`  ${example}`);
  if (options.json !== undefined) {
    const result = { options, tally, seconds, sample, countedBytes, allowedBytes, placement, wrong };
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  const enough = tally.kills >= options.kills;
  if (!enough) say(`stopped after ${options.minutes} minutes, before there were enough kills`);
  if (countedBytes > allowedBytes)
    say(`more was copied than the ${mb(allowedBytes)} MB that could have been`);
  return (
    enough &&
    isRight(sample) &&
    tally.unsound === 0 &&
    last?.state === 'finished' &&
    isSettled(placement) &&
    wrong.length === 0 &&
    Math.max(countedBytes, tally.copiedBytes) <= allowedBytes
  );
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
