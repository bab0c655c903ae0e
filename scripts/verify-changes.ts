/**
 * Changes its mind about the ring again and again, while nodes and the coordinator fail:
 * `node scripts/verify-changes.ts [--changes 60] [--data 150MB] [--uploaders 2] [--readers 4] [--seed N] [--minutes 20] [--dir DIRECTORY]`.
 *
 * Seven nodes. At random moments one is made a member, drained, or given another weight, whatever is under way; a
 * rebalance is paused, cancelled or limited; a node or the coordinator is killed and comes back, or stands still for a
 * while. After each change the nodes are read directly. Exits with 1 when anything that was acknowledged did not lie
 * where it must, a read was wrong or answered with 404, or the cluster does not come to rest at the end.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { systemClock } from '../lib/clock/clock.ts';
import { type BenchRun, DEFAULT_DIRECTORY, positive, runBench, say, size } from './bench/bench-run.ts';
import { SeededRandom } from './bench/seeded-random.ts';
import { AdminRefusal, hasEnded } from './trials/admin-client.ts';
import type { AdminNode, Rebalance } from './trials/admin-schema.ts';
import { LoadRunner } from './trials/load-runner.ts';
import { describeFailures } from './trials/load-tally.ts';
import { isSettled, isSound } from './trials/placement-checker.ts';
import { TrialCluster } from './trials/trial-cluster.ts';

const MIB = 1024 * 1024;
const NODES = 5;
const SPARE_NODES = 2;
const REPLICAS = 3;
const SIZES = [3 * MIB, MIB + 1, 5 * MIB + 77, 300_000, 8 * MIB, 20_000, 700];
const PAUSES_MS = [0, 50, 300, 1000, 3000];
const AWAY_MS = [0, 300, 1500, 4000];
const REST_TIMEOUT_MS = 5 * 60_000;
const RATES = [null, null, 8 * MIB, 32 * MIB];

interface Options {
  readonly changes: number;
  readonly dataBytes: number;
  readonly uploaders: number;
  readonly readers: number;
  readonly seed: number;
  readonly minutes: number;
  readonly directory: string;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      changes: { type: 'string', default: '60' },
      data: { type: 'string', default: '150MB' },
      uploaders: { type: 'string', default: '2' },
      readers: { type: 'string', default: '4' },
      seed: { type: 'string', default: String(randomInt(1, 2 ** 31)) },
      minutes: { type: 'string', default: '20' },
      dir: { type: 'string', default: DEFAULT_DIRECTORY },
    },
  });
  return {
    changes: positive('changes', values.changes),
    dataBytes: size('data', values.data),
    uploaders: positive('uploaders', values.uploaders),
    readers: positive('readers', values.readers),
    seed: positive('seed', values.seed),
    minutes: positive('minutes', values.minutes),
    directory: values.dir,
  };
}

/** What is done at random; each answers with what it did. */
class Mischief {
  readonly #run: BenchRun;
  readonly #trial: TrialCluster;
  readonly #random: SeededRandom;

  constructor(run: BenchRun, trial: TrialCluster, random: SeededRandom) {
    this.#run = run;
    this.#trial = trial;
    this.#random = random;
  }

  async doSomething(): Promise<string> {
    const actions = [
      ...Array<() => Promise<string>>(5).fill(() => this.#changeMembers()),
      () => this.#changeWeight(),
      () => this.#cancel(),
      () => this.#pauseAndResume(),
      () => this.#limit(),
      () => this.#killNode(),
      () => this.#stallNode(),
      () => this.#killCoordinator(),
    ];
    try {
      return await this.#random.pick(actions)();
    } catch (error) {
      // Not everything can be asked for at every moment; that it is said so is as good.
      if (error instanceof AdminRefusal && [409, 422, 503].includes(error.status))
        return `refused: ${error.code}: ${error.detail}`;
      throw error;
    }
  }

  async #changeMembers(): Promise<string> {
    const nodes = await this.#trial.admin.nodes();
    const node = this.#random.pick(nodes);
    const { rebalance } = await this.#trial.admin.changeNode(node.id, {
      state: node.state === 'active' ? 'draining' : 'active',
    });
    return `${nameOf(node)}, which was ${node.state}, is to be ${node.state === 'active' ? 'drained' : 'active'}: ${describe(rebalance)}`;
  }

  async #changeWeight(): Promise<string> {
    const node = this.#random.pick(await this.#trial.admin.nodes());
    const weight = this.#random.between(1, 4);
    const { rebalance } = await this.#trial.admin.changeNode(node.id, { weight });
    return `${nameOf(node)} gets weight ${weight}: ${describe(rebalance)}`;
  }

  async #cancel(): Promise<string> {
    const current = await this.#current();
    if (current === undefined) return 'nothing to cancel';
    return `cancel: ${describe(await this.#trial.admin.cancel(current.id))}`;
  }

  async #pauseAndResume(): Promise<string> {
    const current = await this.#current();
    if (current === undefined) return 'nothing to pause';
    await this.#trial.admin.pause(current.id);
    await systemClock.sleep(this.#random.pick(AWAY_MS), this.#run.signal);
    await this.#trial.admin.resume(current.id);
    return 'paused and resumed';
  }

  async #limit(): Promise<string> {
    const current = await this.#current();
    if (current === undefined) return 'nothing to limit';
    const bytesPerSecond = this.#random.pick(RATES);
    await this.#trial.admin.limitRebalance(current.id, {
      bytesPerSecond,
      concurrency: this.#random.between(1, 8),
    });
    return `limited to ${bytesPerSecond} bytes a second`;
  }

  async #killNode(): Promise<string> {
    const index = this.#random.below(this.#trial.cluster.nodes.length);
    const awayMs = this.#random.pick(AWAY_MS);
    await this.#trial.cluster.nodes[index]!.kill();
    await systemClock.sleep(awayMs, this.#run.signal);
    await this.#trial.cluster.restartNode(index);
    return `killed ${this.#trial.cluster.nodes[index]!.name}, back after ${awayMs} ms`;
  }

  async #stallNode(): Promise<string> {
    const node = this.#random.pick(this.#trial.cluster.nodes);
    const awayMs = this.#random.pick(AWAY_MS);
    node.signal('SIGSTOP');
    await systemClock.sleep(awayMs, this.#run.signal);
    node.signal('SIGCONT');
    return `${node.name} stood still for ${awayMs} ms`;
  }

  async #killCoordinator(): Promise<string> {
    const awayMs = this.#random.pick(AWAY_MS);
    await this.#trial.cluster.coordinator.kill();
    await systemClock.sleep(awayMs, this.#run.signal);
    await this.#trial.cluster.startCoordinator();
    return `killed the coordinator, back after ${awayMs} ms`;
  }

  async #current(): Promise<Rebalance | undefined> {
    return (await this.#trial.admin.rebalances()).find((rebalance) => !hasEnded(rebalance));
  }
}

function nameOf({ url }: AdminNode): string {
  return new URL(url).host;
}

function describe(rebalance: Rebalance | null): string {
  return rebalance === null ? 'nothing moves' : `${rebalance.state}, ${rebalance.plan.ranges} ranges`;
}

/** Lets everything under way end. Resolves with whether it did. */
async function comeToRest(run: BenchRun, trial: TrialCluster): Promise<boolean> {
  await trial.cluster.untilReady();
  const current = (await trial.admin.rebalances()).find((rebalance) => !hasEnded(rebalance));
  if (current === undefined) return true;
  await trial.admin.limitRebalance(current.id, { bytesPerSecond: null, concurrency: null });
  const last = await trial.admin.untilRebalanceEnds(current.id, {
    timeoutMs: REST_TIMEOUT_MS,
    signal: run.signal,
  });
  return last.state === 'finished' || last.state === 'cancelled';
}

async function verify(run: BenchRun, options: Options): Promise<boolean> {
  say(`${options.changes} changes, seed ${options.seed}`);
  const trial = await TrialCluster.start(run, {
    nodeCount: NODES,
    replicas: REPLICAS,
    seed: options.seed,
    env: { DOWN_AFTER: '2s', HEALTH_INTERVAL: '300ms' },
  });
  const count = Math.ceil((options.dataBytes / SIZES.reduce((sum, bytes) => sum + bytes, 0)) * SIZES.length);
  await trial.uploadCorpus(Array.from({ length: count }, (_, index) => SIZES[index % SIZES.length]!));
  for (let spare = 0; spare < SPARE_NODES; spare++) await trial.addNode();
  trial.load = run.resources.use(
    await LoadRunner.start(
      {
        target: trial.target,
        sourceSeed: options.seed,
        seed: options.seed,
        corpus: trial.corpus.videos.map(({ id, slice }) => ({ id, slice })),
        chunkBytes: trial.chunkBytes,
        uploaders: options.uploaders,
        uploadSizes: [700, 64 * 1024, MIB],
        uploadPauseMs: 300,
        uploadsKept: 20,
        readers: options.readers,
        readBytes: 256 * 1024,
        readPauseMs: 100,
      },
      run.signal,
    ),
  );
  const random = new SeededRandom(options.seed);
  const mischief = new Mischief(run, trial, random);
  const deadlineMs = performance.now() + options.minutes * 60_000;
  let unsound = 0;
  let changes = 0;
  for (; changes < options.changes && performance.now() < deadlineMs; changes++) {
    say(`${changes + 1}: ${await mischief.doSomething()}`);
    await systemClock.sleep(random.below(random.pick(PAUSES_MS) + 1), run.signal);
    await trial.cluster.untilReady();
    const report = await trial.checker.check({ countsHandoffs: true });
    if (isSound(report)) continue;
    unsound++;
    trial.tell(`after change ${changes + 1}`, report);
  }
  const isAtRest = await comeToRest(run, trial);
  const sample = await trial.load.stop();
  const unknown = await trial.deleteUnknownVideos();
  const isRepaired = await trial.repairIfPossible(REST_TIMEOUT_MS);
  const placement = isRepaired
    ? await trial.untilSettled(60_000)
    : await trial.checker.check({ settled: true, countsHandoffs: true });
  trial.tell('at the end', placement);
  const wrong = await trial.readAll();
  for (const problem of wrong.slice(0, 10)) say(`  ${problem}`);
  say(`${changes} changes: ${unsound} times not sound; at rest: ${isAtRest}; ${wrong.length} videos wrong`);
  say(
    `${sample.reads} reads: ${describeFailures(sample.readFailures)} failed, ${sample.false404s} false 404, ` +
      `${sample.wrongBytes} wrong, ${sample.reappeared} reappeared`,
  );
  say(
    `${sample.uploads} uploads: ${describeFailures(sample.uploadFailures)} failed; ${unknown} stored though not answered`,
  );
  for (const example of sample.examples) say(`  ${example}`);
  return (
    changes >= options.changes &&
    unsound === 0 &&
    isAtRest &&
    isSound(placement) &&
    (!isRepaired || isSettled(placement)) &&
    wrong.length === 0 &&
    sample.false404s + sample.wrongBytes + sample.reappeared === 0
  );
}

const options = readOptions();
await runBench(options.directory, (run) => verify(run, options));
