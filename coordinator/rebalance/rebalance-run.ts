import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { CLUSTER_CHANNEL, type Cluster } from '../cluster/cluster.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { OnNodeState } from '../cluster/node-repository.ts';
import type { RingRepository } from '../cluster/ring-repository.ts';
import { PHASE, type RingState } from '../cluster/ring-state.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { CopyPace } from './copy-pace.ts';
import type { KeptSchedule } from './copy-schedule.ts';
import { finishRebalance } from './finish-rebalance.ts';
import { ENGINE_PACE, type EnginePace, WINDOW_RANGES } from './limits.ts';
import { type CopyTask, keyOf } from './move-tasks.ts';
import type { PlannedCopy } from './plan.ts';
import { ProgressEstimate, type Work } from './progress.ts';
import { RangeMover } from './range-mover.ts';
import type { RebalanceProgress, RebalanceRecord, RebalanceRepository } from './rebalance-repository.ts';

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
  /** Told, in their transactions, of nodes that get another state. */
  readonly onNodeState?: OnNodeState;
  readonly windowRanges?: number | undefined;
  readonly pace?: EnginePace | undefined;
  readonly dropLifetimeS?: number | undefined;
}

/** One rebalance, until it ends or another takes its place: takes the ring from step to step. */
export class RebalanceRun {
  readonly #options: RebalanceRunOptions;
  readonly #rings: RingRepository;
  readonly #rebalances: RebalanceRepository;
  readonly #id: string;
  readonly #pace: EnginePace;
  readonly #copyPace: CopyPace;
  readonly #mover: RangeMover;
  readonly #estimate = new ProgressEstimate();
  readonly #planned = new Map<string, PlannedCopy>();
  #copiesAtStart = 0;
  #record: RebalanceRecord;
  #isAwake = false;
  #wake: () => void = () => {};
  #lastProgressMs = Number.NEGATIVE_INFINITY;
  #toldProblem: string | null = null;

  constructor(
    options: RebalanceRunOptions,
    rings: RingRepository,
    rebalances: RebalanceRepository,
    record: RebalanceRecord,
    rateBesideReads: number | null,
    onWake: (wake: () => void) => void,
  ) {
    this.#options = options;
    this.#rings = rings;
    this.#rebalances = rebalances;
    this.#record = record;
    this.#id = record.id;
    this.#pace = options.pace ?? ENGINE_PACE;
    const readP99 = () => slowestReads(options.cluster);
    const baselineMs = record.progress?.baselineMs ?? null;
    const schedule = scheduleOf(record.progress);
    this.#copyPace = new CopyPace({ baselineMs, rateBesideReads, schedule }, readP99);
    this.#mover = new RangeMover({
      ...options,
      rebalanceId: record.id,
      copyPace: this.#copyPace,
      onCopied: (bytes, durationMs) => this.#estimate.addCopy(bytes, durationMs),
      onChange: () => this.#awaken(),
    });
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
      await this.#mover.settle();
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
        this.#mover.adopt(state, this.#planned);
        this.#mover.work(state, this.#record.state === 'paused', signal);
        await this.#tellProgress();
        if (this.#hasFinished(state)) {
          const { database, onNodeState } = this.#options;
          const isDone = await finishRebalance(database, this.#record, state, onNodeState);
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
        await this.#untilAwake(this.#copyPace.waitMs(this.#options.clock.monotonicMs()), signal);
        await this.#readRecord();
        if ((await this.#rings.step()) !== state.step) break;
      }
    }
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
        if (!this.#mover.isCopied(state, range)) return;
        dual--;
        visit(range, PHASE.readNew);
      } else if (phase === PHASE.newOnly && this.#mover.isDropped(state, range)) visit(range, PHASE.after);
    });
    if (isPaused) return;
    phases.forEach((phase, range) => {
      if (phase !== PHASE.before || dual >= window) return;
      dual++;
      visit(range, PHASE.dual);
    });
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
      for (const task of this.#mover.copies) if (task.range === range) copied.push(task);
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
    this.#copyPace.setLimits(record);
  }

  /** Once a second: what is done and under way, how fast, how long still, and what is in the way. */
  async #tellProgress(): Promise<void> {
    const { clock, logger, onEvent } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastProgressMs < this.#pace.progressMs) return;
    this.#lastProgressMs = nowMs;
    const { partial, done, left } = await this.#countWork();
    const isRunning = this.#record.state !== 'paused';
    this.#estimate.update(nowMs, done, isRunning);
    const { bytesPerSecond } = this.#estimate;
    const scheduled = this.#copyPace.plan(nowMs, { done, left }, isRunning, bytesPerSecond);
    const secondsLeft = isRunning ? (scheduled ?? this.#estimate.secondsLeft(left)) : null;
    const {
      rateBesideReads,
      baselineMs,
      readP99Ms,
      concurrency,
      bytesPerSecond: allowed,
    } = this.#copyPace.limits;
    const { paceBytesPerSecond } = this.#copyPace;
    const problem = this.#mover.problem;
    const progress = {
      partialChunks: partial.chunks,
      partialBytes: partial.bytes,
      bytesPerSecond: bytesPerSecond === null ? null : Math.round(bytesPerSecond),
      secondsLeft: secondsLeft === null ? null : Math.round(secondsLeft * 10) / 10,
      baselineMs,
      rateBesideReads: rateBesideReads === null ? null : Math.round(rateBesideReads),
      paceBytesPerSecond: paceBytesPerSecond === null ? null : Math.round(paceBytesPerSecond),
    };
    try {
      await this.#rebalances.note(this.#id, progress, problem);
    } catch (error) {
      logger.warn({ err: error }, 'the progress of a rebalance could not be noted');
    }
    const details = {
      bytesDone: done.bytes,
      bytesLeft: left.bytes,
      copiesLeft: left.copies,
      ...progress,
      allowedBytesPerSecond: Number.isFinite(allowed) ? Math.round(allowed) : null,
      concurrency,
      readP99Ms,
    };
    onEvent('rebalance_progress', { rebalanceId: this.#id, ...details, error: problem }, true);
    if (problem !== null && problem !== this.#toldProblem) {
      onEvent('rebalance_blocked', { rebalanceId: this.#id, problem }, false);
    }
    this.#toldProblem = problem;
  }

  /** What is under way, done and left, by what was planned. */
  async #countWork(): Promise<{ partial: Work & { chunks: number }; done: Work; left: Work }> {
    // Those without a byte are settled by a look, and take no time to speak of.
    const open = [...this.#planned.values()].filter(({ bytes }) => bytes > 0);
    const partial = { chunks: 0, bytes: 0, copies: 0 };
    for (const task of this.#mover.copies) {
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
    return { partial, done, left };
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

/** What the coordinator that ran this rebalance before had committed to. */
function scheduleOf(progress: RebalanceProgress | null): KeptSchedule | null {
  const { paceBytesPerSecond = null, secondsLeft = null } = progress ?? {};
  return paceBytesPerSecond === null || secondsLeft === null ? null : { paceBytesPerSecond, secondsLeft };
}

/** The 99th percentile of reads on the coordinator where they take longest; null when there are too few anywhere. */
async function slowestReads({ presence }: Pick<Cluster, 'presence'>): Promise<number | null> {
  const coordinators = await presence.list();
  const values = coordinators.flatMap(({ readP99Ms }) => (readP99Ms === null ? [] : [readP99Ms]));
  return values.length === 0 ? null : Math.max(...values);
}
