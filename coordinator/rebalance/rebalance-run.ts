import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { ownersOfRange, rangeBounds } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { CLUSTER_CHANNEL, type Cluster } from '../cluster/cluster.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { RingRepository } from '../cluster/ring-repository.ts';
import { PHASE, phaseOf, type RingState } from '../cluster/ring-state.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { CopyBudget } from './copy-budget.ts';
import { finishRebalance } from './finish-rebalance.ts';
import {
  DROPS_MAX,
  ENGINE_PACE,
  type EnginePace,
  RATE_ADJUSTMENTS,
  SURVEY_RANGES,
  THROTTLE_INTERVAL_MS,
  WINDOW_RANGES,
} from './limits.ts';
import { type CopyTask, type DropTask, keyOf, newCopy, newDrop } from './move-tasks.ts';
import type { PlannedCopy } from './plan.ts';
import { ProgressEstimate } from './progress.ts';
import { RangeCopier } from './range-copier.ts';
import { RangeDropper } from './range-dropper.ts';

export interface RebalanceRunOptions {
  readonly database: DatabaseHandle;
  readonly cluster: Cluster;
  readonly objects: Pick<ObjectRepository, 'chunksBetween' | 'chunksWithin' | 'aliveAmong'>;
  readonly inventory: NodeInventory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told what happens; kinds are part of the API. */
  readonly onEvent: (kind: string, details: Readonly<Record<string, unknown>>, isProgress: boolean) => void;
  /** Called with the ranges that have reached their new owners, in the transaction that says so. */
  readonly onMoved?: ((ranges: readonly number[], transaction: Transaction) => Promise<void>) | undefined;
  readonly windowRanges?: number | undefined;
  readonly pace?: EnginePace | undefined;
  readonly dropLifetimeS?: number | undefined;
}

import { digestsOf, isComplete, type SurveyedRange, surveyRanges } from './range-survey.ts';
import type { RebalanceRecord, RebalanceRepository } from './rebalance-repository.ts';
import { Throttle } from './throttle.ts';

/** One rebalance, until it ends or another takes its place. */
export class RebalanceRun {
  readonly #options: RebalanceRunOptions;
  readonly #rings: RingRepository;
  readonly #rebalances: RebalanceRepository;
  readonly #id: string;
  readonly #copier: RangeCopier;
  readonly #dropper: RangeDropper;
  readonly #throttle: Throttle;
  readonly #pace: EnginePace;
  readonly #estimate = new ProgressEstimate();
  readonly #budget = new CopyBudget();
  readonly #copies = new Map<string, CopyTask>();
  readonly #drops = new Map<string, DropTask>();
  readonly #planned = new Map<string, PlannedCopy>();
  #copiesAtStart = 0;
  #copiedBytes = 0;
  readonly #copiedLately: { readonly atMs: number; readonly bytes: number }[] = [];
  /** Everything that was started and has not ended. */
  readonly #underWay = new Set<Promise<void>>();
  #record: RebalanceRecord;
  /** The latest state whose barrier has fallen. */
  #inForce: RingState | null = null;
  #isAwake = false;
  #wake: () => void = () => {};
  #lastThrottleMs = Number.NEGATIVE_INFINITY;
  #lastProgressMs = Number.NEGATIVE_INFINITY;
  #toldProblem: string | null = null;

  constructor(
    options: RebalanceRunOptions,
    rings: RingRepository,
    rebalances: RebalanceRepository,
    record: RebalanceRecord,
    onWake: (wake: () => void) => void,
  ) {
    this.#options = options;
    this.#rings = rings;
    this.#rebalances = rebalances;
    this.#record = record;
    this.#id = record.id;
    this.#pace = options.pace ?? ENGINE_PACE;
    const { inventory, objects, cluster, clock } = options;
    const isGivenUp = (id: string) => isLost(cluster, id);
    this.#copier = new RangeCopier({ inventory, objects, placement: cluster, isGivenUp });
    const { dropLifetimeS: lifetimeS } = options;
    const enter = () => cluster.enter();
    this.#dropper = new RangeDropper({ inventory, objects, enter, clock, lifetimeS });
    this.#throttle = new Throttle(record.progress?.baselineMs ?? null);
    onWake(() => this.#awaken());
  }

  async run(outer: AbortSignal): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([outer, over.signal]);
    try {
      for (const copy of await this.#rebalances.openCopies(this.#id)) {
        this.#planned.set(keyOf(copy.range, copy.nodeId), copy);
      }
      this.#copiesAtStart = [...this.#planned.values()].filter(({ bytes }) => bytes > 0).length;
      await this.#pump(signal);
    } finally {
      over.abort(new Error('the rebalance goes on elsewhere, or has ended'));
      await Promise.all(this.#underWay);
    }
  }

  async #pump(signal: AbortSignal): Promise<void> {
    const { cluster } = this.#options;
    for (;;) {
      // 1. Where does the ring stand, and has everybody taken note?
      const state = await this.#rings.read();
      if (state?.rebalanceId !== this.#id) return;
      await this.#readRecord();
      await cluster.presence.barrier(state.step, signal);
      // 2. Whatever that permits.
      for (;;) {
        this.#adopt(state);
        this.#inForce = state;
        this.#work(state, signal);
        await this.#tellProgress();
        if (this.#hasFinished(state)) {
          const isDone = await finishRebalance(this.#options.database, this.#record, state);
          if (isDone) {
            await cluster.reload();
            this.#options.onEvent(
              this.#record.state === 'cancelling' ? 'rebalance_cancelled' : 'rebalance_finished',
              { rebalanceId: this.#id },
              false,
            );
            return;
          }
          break;
        }
        // 3. What is ready goes one phase further; a moment's patience takes along more of it.
        if (this.#countReady(state) > 0) {
          await this.#options.clock.sleep(this.#pace.coalesceMs, signal);
          await this.#advance(state);
          break;
        }
        await this.#untilAwake(this.#budget.waitMs(this.#options.clock.monotonicMs()), signal);
        await this.#readRecord();
        if ((await this.#rings.step()) !== state.step) break;
      }
    }
  }

  /** Tasks for every range that has something to do in its phase; those of other phases are given up. */
  #adopt(state: RingState): void {
    const wantedCopies = new Set<string>();
    const wantedDrops = new Set<string>();
    state.phases!.forEach((phase, range) => {
      const before = ownersOfRange(state.base, range).map(({ id }) => id);
      const after = ownersOfRange(state.target!, range).map(({ id }) => id);
      if (phase === PHASE.dual) {
        for (const nodeId of after) {
          if (before.includes(nodeId)) continue;
          const key = keyOf(range, nodeId);
          wantedCopies.add(key);
          if (!this.#copies.has(key)) this.#copies.set(key, newCopy(range, nodeId, this.#planned.get(key)));
        }
      } else if (phase === PHASE.newOnly) {
        for (const nodeId of before) {
          if (after.includes(nodeId)) continue;
          const key = keyOf(range, nodeId);
          wantedDrops.add(key);
          if (!this.#drops.has(key)) this.#drops.set(key, newDrop(range, nodeId));
        }
      }
    });
    for (const [key, task] of this.#copies) {
      if (wantedCopies.has(key)) continue;
      task.abort.abort(new Error('the range goes elsewhere'));
      this.#copies.delete(key);
    }
    for (const [key, task] of this.#drops) {
      if (wantedDrops.has(key)) continue;
      task.abort.abort(new Error('the range goes elsewhere'));
      this.#drops.delete(key);
    }
  }

  /** Starts what may be started now. */
  #work(state: RingState, signal: AbortSignal): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#adjustThrottle(nowMs);
    if (this.#record.state === 'paused') {
      for (const task of this.#copies.values()) {
        if (task.state === 'running') task.abort.abort(new Error('the rebalance is paused'));
      }
    } else {
      this.#surveyCopies(state, signal);
      this.#startCopies(state, nowMs, signal);
    }
    this.#surveyDrops(state, signal);
    this.#startDrops(state, nowMs, signal);
  }

  /** Many ranges are empty, or their new owner has everything already: one look at all of them tells. */
  #surveyCopies(state: RingState, signal: AbortSignal): void {
    if ([...this.#copies.values()].some((task) => task.state === 'looking')) return;
    const chosen = new Map<number, CopyTask>();
    const ranges: SurveyedRange[] = [];
    for (const task of this.#copies.values()) {
      if (chosen.size === SURVEY_RANGES) break;
      if (task.state !== 'waiting' || task.isSurveyed || chosen.has(task.range)) continue;
      const sources = this.#sourcesFor(state, task, new Map());
      if (sources === null) continue;
      chosen.set(task.range, task);
      ranges.push({
        interval: rangeBounds(task.range, state.base.rangeCount),
        nodes: [this.#options.cluster.nodeById(task.nodeId)!, ...sources],
      });
    }
    this.#survey([...chosen.values()], signal, async () => {
      const surveys = await surveyRanges(this.#options, ranges, signal);
      return surveys.map(isComplete);
    });
  }

  /** A node that has nothing of a range has nothing to drop. */
  #surveyDrops(state: RingState, signal: AbortSignal): void {
    if ([...this.#drops.values()].some((task) => task.state === 'looking')) return;
    const { cluster, inventory } = this.#options;
    const known = new Set(cluster.registeredNodes().map(({ id }) => id));
    const chosen = [...this.#drops.values()]
      .filter(
        ({ state: of, isSurveyed, nodeId }) =>
          of === 'waiting' && !isSurveyed && known.has(nodeId) && cluster.healthOf(nodeId) === 'up',
      )
      .slice(0, SURVEY_RANGES);
    const ranges = chosen.map(({ range, nodeId }) => ({
      interval: rangeBounds(range, state.base.rangeCount),
      nodes: [cluster.nodeById(nodeId)!],
    }));
    this.#survey(chosen, signal, async () => {
      const digests = await digestsOf(inventory, ranges, signal);
      return digests.map(([held]) => held?.count === 0);
    });
  }

  /** Those that a look has settled are done; the others, and all when it failed, wait for a place of their own. */
  #survey(
    tasks: readonly (CopyTask | DropTask)[],
    signal: AbortSignal,
    look: () => Promise<boolean[]>,
  ): void {
    if (tasks.length === 0) return;
    for (const task of tasks) task.state = 'looking';
    const work = async () => {
      const settled = await look().catch((error: unknown) => {
        if (!signal.aborted) this.#options.logger.warn({ err: error }, 'ranges could not be looked at');
        return [];
      });
      for (const [index, task] of tasks.entries()) {
        task.state = settled[index] === true ? 'done' : 'waiting';
        task.isSurveyed = true;
        if (task.state === 'done') task.problem = null;
      }
      this.#goOn(signal);
    };
    this.#follow(work());
  }

  #startCopies(state: RingState, nowMs: number, signal: AbortSignal): void {
    const running = [...this.#copies.values()].filter((task) => task.state === 'running');
    const perTarget = countBy(running.map(({ nodeId }) => nodeId));
    const perSource = countBy(running.map(({ sourceId }) => sourceId ?? ''));
    const targets = new Set([...this.#copies.values()].map(({ nodeId }) => nodeId)).size;
    const limit = this.#throttle.concurrency;
    // One node that gains everything may take all there is; several share it.
    const targetMax = Math.max(1, Math.ceil(limit / Math.max(1, targets)));
    let free = this.#budget.waitMs(nowMs) > 0 ? 0 : limit - running.length;
    for (const task of this.#copies.values()) {
      if (free <= 0) return;
      if (task.state !== 'waiting' || !task.isSurveyed || nowMs < task.notBeforeMs) continue;
      if ((perTarget.get(task.nodeId) ?? 0) >= targetMax) continue;
      const sources = this.#sourcesFor(state, task, perSource);
      if (sources === null) continue;
      task.state = 'running';
      task.sourceId = sources[0]!.id;
      perTarget.set(task.nodeId, (perTarget.get(task.nodeId) ?? 0) + 1);
      perSource.set(task.sourceId, (perSource.get(task.sourceId) ?? 0) + 1);
      free--;
      this.#follow(this.#copy(state, task, sources, signal));
    }
  }

  /**
   * The old owners that answer, the least busy first; null (and the task says why) while too few of them do, or the
   * node that is to copy does not.
   */
  #sourcesFor(
    state: RingState,
    task: CopyTask,
    busy: ReadonlyMap<string, number>,
  ): readonly StorageNode[] | null {
    const { cluster } = this.#options;
    if (cluster.healthOf(task.nodeId) !== 'up') {
      task.problem = `Node ${task.nodeId}, which is to get ranges, is ${cluster.healthOf(task.nodeId)}.`;
      return null;
    }
    const before = ownersOfRange(state.base, task.range).map(({ id }) => id);
    const known = new Set(cluster.registeredNodes().map(({ id }) => id));
    const sources: StorageNode[] = [];
    let awaited = 0;
    for (const id of before) {
      const node = cluster.nodeById(id);
      if (node !== undefined && known.has(id) && cluster.healthOf(id) === 'up') sources.push(node);
      else if (!isLost(cluster, id)) awaited++;
    }
    // R-W+1 of them hold everything that was acknowledged. Those that an operator gave up are not waited for.
    const needed = cluster.replicas - cluster.writeQuorum + 1;
    if (sources.length < needed && (awaited > 0 || sources.length === 0)) {
      task.problem =
        awaited > 0
          ? `Of the owners of range ${task.range}, ${sources.length} answer and ${needed} are needed.`
          : `No owner of range ${task.range} is left to copy from.`;
      // Nothing is left that could be copied: manifests say what is lost.
      if (awaited > 0) return null;
    }
    if (sources.length === 0) {
      const anybody = cluster.nodes().find(({ id }) => id !== task.nodeId && cluster.healthOf(id) === 'up');
      return anybody === undefined ? null : [anybody];
    }
    return sources.sort((a, b) => (busy.get(a.id) ?? 0) - (busy.get(b.id) ?? 0));
  }

  async #copy(
    state: RingState,
    task: CopyTask,
    sources: readonly StorageNode[],
    outer: AbortSignal,
  ): Promise<void> {
    const { clock, cluster } = this.#options;
    const signal = AbortSignal.any([outer, task.abort.signal]);
    const startMs = clock.monotonicMs();
    const before = { chunks: task.chunks, bytes: task.bytes };
    try {
      const { lostChunks } = await this.#copier.copy(
        {
          interval: rangeBounds(task.range, state.base.rangeCount),
          target: cluster.nodeById(task.nodeId)!,
          sources,
          bytesPerSecond: this.#throttle.bytesPerSecondEach,
          concurrency: this.#throttle.chunksAtOnce,
        },
        (chunks, bytes) => {
          const more = before.bytes + bytes - task.bytes;
          if (more > 0) this.#budget.spend(more, this.#throttle.bytesPerSecond, clock.monotonicMs());
          this.#copiedBytes += Math.max(0, more);
          task.chunks = before.chunks + chunks;
          task.bytes = before.bytes + bytes;
        },
        signal,
      );
      task.state = 'done';
      task.problem = null;
      this.#estimate.addCopy(task.planned?.bytes ?? task.bytes, clock.monotonicMs() - startMs);
      if (lostChunks > 0) {
        this.#options.logger.error(
          { range: task.range, lostChunks },
          'chunks that manifests name are on no node',
        );
        this.#options.onEvent('chunks_lost', { range: task.range, chunks: lostChunks }, false);
      }
    } catch (error) {
      this.#fail(task, error, outer);
    } finally {
      task.sourceId = undefined;
      this.#goOn(outer);
    }
  }

  #startDrops(state: RingState, nowMs: number, signal: AbortSignal): void {
    const { cluster } = this.#options;
    let free = DROPS_MAX - [...this.#drops.values()].filter((task) => task.state === 'running').length;
    for (const task of this.#drops.values()) {
      if (free <= 0) return;
      if (task.state !== 'waiting' || nowMs < task.notBeforeMs) continue;
      const health = cluster.healthOf(task.nodeId);
      const isRegistered = cluster.registeredNodes().some(({ id }) => id === task.nodeId);
      // What is on a node that is away is found and taken from it when it is back.
      if (!isRegistered || health === 'down') {
        task.state = 'done';
        this.#isAwake = true;
        continue;
      }
      const owners = ownersOfRange(state.target!, task.range).map(({ id }) => cluster.nodeById(id)!);
      const absent = owners.find(({ id }) => cluster.healthOf(id) !== 'up');
      if (absent !== undefined)
        task.problem = `Node ${absent.id}, a new owner, is ${cluster.healthOf(absent.id)}.`;
      if (health !== 'up' || absent !== undefined || !task.isSurveyed) continue;
      task.state = 'running';
      free--;
      this.#follow(this.#drop(state, task, owners, signal));
    }
  }

  async #drop(
    state: RingState,
    task: DropTask,
    owners: readonly StorageNode[],
    outer: AbortSignal,
  ): Promise<void> {
    const { cluster } = this.#options;
    const signal = AbortSignal.any([outer, task.abort.signal]);
    try {
      const isGone = await this.#dropper.drop(
        {
          interval: rangeBounds(task.range, state.base.rangeCount),
          from: cluster.nodeById(task.nodeId)!,
          owners,
          mayDrop: () => {
            const now = cluster.state;
            return now !== null && now.rebalanceId === this.#id && phaseOf(now, task.range) === PHASE.newOnly;
          },
        },
        signal,
      );
      task.state = isGone ? 'done' : 'waiting';
      // Written to, or the ring moved on: what is different will be known in a moment.
      if (!isGone) task.notBeforeMs = this.#options.clock.monotonicMs() + this.#pace.retryMinMs;
      task.problem = null;
    } catch (error) {
      this.#fail(task, error, outer);
    } finally {
      this.#goOn(outer);
    }
  }

  /** Something has ended: the next may begin, even while a step is on its way. */
  #goOn(signal: AbortSignal): void {
    if (!signal.aborted && this.#inForce !== null) this.#work(this.#inForce, signal);
    this.#awaken();
  }

  /** The task is tried again after a while, longer with every time. */
  #fail(task: CopyTask | DropTask, error: unknown, outer: AbortSignal): void {
    if (outer.aborted) return;
    task.state = 'waiting';
    if (task.abort.signal.aborted) {
      // Paused, or given up: a new task takes its place if the range is still to be copied.
      if ('chunks' in task) this.#copies.delete(keyOf(task.range, task.nodeId));
      return;
    }
    const delayMs = Math.min(this.#pace.retryMaxMs, this.#pace.retryMinMs * 2 ** task.failures);
    task.failures++;
    task.notBeforeMs = this.#options.clock.monotonicMs() + delayMs;
    task.problem = error instanceof Error ? error.message : String(error);
    this.#options.logger.warn(
      { err: error, range: task.range, nodeId: task.nodeId },
      'a range could not be moved yet',
    );
  }

  /** How many ranges may go one phase further now. */
  #countReady(state: RingState): number {
    let ready = 0;
    this.#eachReady(state, () => ready++);
    return ready;
  }

  #eachReady(state: RingState, visit: (range: number, next: number) => void): void {
    const phases = state.phases!;
    const isPaused = this.#record.state === 'paused';
    let dual = 0;
    for (const phase of phases) if (phase === PHASE.dual) dual++;
    const window = this.#options.windowRanges ?? WINDOW_RANGES;
    phases.forEach((phase, range) => {
      if (phase === PHASE.readNew) visit(range, PHASE.newOnly);
      else if (phase === PHASE.dual) {
        if (!this.#isCopied(state, range)) return;
        dual--;
        visit(range, PHASE.readNew);
      } else if (phase === PHASE.newOnly && this.#isDropped(state, range)) visit(range, PHASE.after);
    });
    if (isPaused) return;
    phases.forEach((phase, range) => {
      if (phase !== PHASE.before || dual >= window) return;
      dual++;
      visit(range, PHASE.dual);
    });
  }

  #isCopied(state: RingState, range: number): boolean {
    const before = ownersOfRange(state.base, range).map(({ id }) => id);
    return ownersOfRange(state.target!, range).every(
      ({ id }) => before.includes(id) || this.#copies.get(keyOf(range, id))?.state === 'done',
    );
  }

  #isDropped(state: RingState, range: number): boolean {
    const after = ownersOfRange(state.target!, range).map(({ id }) => id);
    return ownersOfRange(state.base, range).every(
      ({ id }) => after.includes(id) || this.#drops.get(keyOf(range, id))?.state === 'done',
    );
  }

  #hasFinished(state: RingState): boolean {
    return state.phases!.every((phase) => phase === PHASE.after);
  }

  async #advance(state: RingState): Promise<void> {
    const { database, cluster } = this.#options;
    const phases = Uint8Array.from(state.phases!);
    const copied: CopyTask[] = [];
    const done: number[] = [];
    const moved: number[] = [];
    this.#eachReady(state, (range, next) => {
      phases[range] = next;
      if (next === PHASE.after) moved.push(range);
      if (next !== PHASE.readNew) return;
      done.push(range);
      for (const task of this.#copies.values()) if (task.range === range) copied.push(task);
    });
    try {
      await database.kysely.transaction().execute(async (transaction) => {
        await this.#rings.advance({ ...state, step: state.step + 1, phases }, transaction);
        await this.#rebalances.markDone(transaction, this.#id, done, copied);
        await this.#options.onMoved?.(moved, transaction);
        await database.notifications.publish(CLUSTER_CHANNEL, 'ring', transaction);
      });
    } catch (error) {
      // Somebody else moved the ring on: look again.
      if (!(isAppError(error) && error.code === 'conflict')) throw error;
    }
    for (const range of done) {
      for (const [key, planned] of this.#planned) if (planned.range === range) this.#planned.delete(key);
    }
    await cluster.reload();
  }

  async #readRecord(): Promise<void> {
    const record = await this.#rebalances.find(this.#id);
    if (record === null) throw new AppError<ErrorCode>('internal', 'The rebalance has disappeared.');
    this.#record = record;
    this.#throttle.setLimits(record);
  }

  #adjustThrottle(nowMs: number): void {
    if (nowMs - this.#lastThrottleMs < THROTTLE_INTERVAL_MS) return;
    this.#lastThrottleMs = nowMs;
    const samples = this.#copiedLately;
    samples.push({ atMs: nowMs, bytes: this.#copiedBytes });
    if (samples.length > RATE_ADJUSTMENTS + 1) samples.shift();
    const [oldest] = samples;
    const spanMs = nowMs - oldest!.atMs;
    const rate = spanMs > 0 ? ((this.#copiedBytes - oldest!.bytes) / spanMs) * 1000 : 0;
    void this.#options.cluster.presence.list().then(
      (coordinators) => {
        const values = coordinators.flatMap(({ readP99Ms }) => (readP99Ms === null ? [] : [readP99Ms]));
        const worst = values.length === 0 ? null : Math.max(...values);
        this.#throttle.adjust(worst, rate);
      },
      () => {},
    );
  }

  /** Once a second: what is done and under way, how fast, how long still, and what is in the way. */
  async #tellProgress(): Promise<void> {
    const { clock, logger, onEvent } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastProgressMs < this.#pace.progressMs) return;
    this.#lastProgressMs = nowMs;
    // Those without a byte are settled by a look, and take no time to speak of.
    const open = [...this.#planned.values()].filter(({ bytes }) => bytes > 0);
    const partial = { chunks: 0, bytes: 0, copies: 0 };
    for (const task of this.#copies.values()) {
      const { planned } = task;
      if (planned === undefined || planned.bytes === 0) continue;
      const isDone = task.state === 'done';
      partial.chunks += isDone ? planned.chunks : Math.min(planned.chunks, task.chunks);
      partial.bytes += isDone ? planned.bytes : Math.min(planned.bytes, task.bytes);
      partial.copies += isDone ? 1 : 0;
    }
    const left = {
      bytes: Math.max(0, open.reduce((sum, { bytes }) => sum + bytes, 0) - partial.bytes),
      copies: Math.max(0, open.length - partial.copies),
    };
    const sums = await this.#rebalances.sums(this.#id);
    const done = {
      bytes: sums.reduce((sum, { doneBytes }) => sum + doneBytes, 0) + partial.bytes,
      copies: this.#copiesAtStart - left.copies,
    };
    this.#estimate.update(nowMs, done, this.#record.state !== 'paused');
    const bytesPerSecond = this.#estimate.bytesPerSecond;
    const secondsLeft = this.#record.state === 'paused' ? null : this.#estimate.secondsLeft(left);
    const problem = this.#problem();
    const progress = {
      partialChunks: partial.chunks,
      partialBytes: partial.bytes,
      bytesPerSecond: bytesPerSecond === null ? null : Math.round(bytesPerSecond),
      secondsLeft: secondsLeft === null ? null : Math.round(secondsLeft * 10) / 10,
      baselineMs: this.#throttle.baselineMs,
    };
    try {
      await this.#rebalances.note(this.#id, progress, problem);
    } catch (error) {
      logger.warn({ err: error }, 'the progress of a rebalance could not be noted');
    }
    onEvent(
      'rebalance_progress',
      { rebalanceId: this.#id, bytesDone: done.bytes, bytesLeft: left.bytes, ...progress, error: problem },
      true,
    );
    if (problem !== null && problem !== this.#toldProblem) {
      onEvent('rebalance_blocked', { rebalanceId: this.#id, problem }, false);
    }
    this.#toldProblem = problem;
  }

  #problem(): string | null {
    const problems = [...this.#copies.values(), ...this.#drops.values()]
      .filter(({ state }) => state !== 'done')
      .flatMap(({ problem }) => (problem === null ? [] : [problem]));
    if (problems.length === 0) return null;
    const [first] = problems;
    return problems.length === 1 ? first! : `${first} (and ${problems.length - 1} more ranges wait)`;
  }

  #follow(work: Promise<void>): void {
    const followed = work.finally(() => this.#underWay.delete(followed));
    this.#underWay.add(followed);
  }

  #awaken(): void {
    this.#isAwake = true;
    this.#wake();
  }

  /** At most until progress is to be told, and less when copies may begin again before. */
  async #untilAwake(budgetMs: number, signal: AbortSignal): Promise<void> {
    const { progressMs } = this.#pace;
    const delayMs = budgetMs > 0 ? Math.min(progressMs, Math.ceil(budgetMs)) : progressMs;
    signal.throwIfAborted();
    if (!this.#isAwake) {
      await new Promise<void>((resolve) => {
        const done = () => {
          cancel();
          signal.removeEventListener('abort', done);
          resolve();
        };
        const cancel = this.#options.clock.after(delayMs, done);
        signal.addEventListener('abort', done, { once: true });
        this.#wake = done;
      });
      this.#wake = () => {};
    }
    this.#isAwake = false;
    signal.throwIfAborted();
  }
}

/** Whether an operator has given the node up, so that nothing waits for it. */
function isLost(cluster: Cluster, nodeId: string): boolean {
  const node = cluster.registeredNodes().find(({ id }) => id === nodeId);
  return node === undefined || node.state === 'lost';
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
