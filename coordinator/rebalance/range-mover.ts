import type { Clock } from '../../lib/clock/clock.ts';
import { ownersOfRange, rangeBounds } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import { PHASE, phaseOf, type RingState } from '../cluster/ring-state.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import type { CopyPace } from './copy-pace.ts';
import { copySources, isLost } from './copy-sources.ts';
import { DROPS_MAX, ENGINE_PACE, type EnginePace, SURVEY_RANGES } from './limits.ts';
import { type CopyTask, type DropTask, keyOf, newCopy, newDrop } from './move-tasks.ts';
import type { PlannedCopy } from './plan.ts';
import { RangeCopier } from './range-copier.ts';
import { RangeDropper } from './range-dropper.ts';
import { digestsOf, isComplete, type SurveyedRange, surveyRanges } from './range-survey.ts';

export interface RangeMoverOptions {
  readonly rebalanceId: string;
  readonly cluster: Cluster;
  readonly objects: Pick<ObjectRepository, 'chunksBetween' | 'chunksWithin' | 'aliveAmong'>;
  readonly inventory: NodeInventory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onEvent: (kind: string, details: Readonly<Record<string, unknown>>, isProgress: boolean) => void;
  readonly copyPace: CopyPace;
  /** A copy of so many bytes took so long. */
  readonly onCopied: (bytes: number, durationMs: number) => void;
  /** Something has ended, so that a range may be ready to go on. */
  readonly onChange: () => void;
  readonly pace?: EnginePace | undefined;
  readonly dropLifetimeS?: number | undefined;
}

/** What ranges in phases `dual` and `newOnly` ask of nodes, of one rebalance: copies, and drops of what was copied. */
export class RangeMover {
  readonly #options: RangeMoverOptions;
  readonly #copier: RangeCopier;
  readonly #dropper: RangeDropper;
  readonly #pace: EnginePace;
  readonly #copies = new Map<string, CopyTask>();
  readonly #drops = new Map<string, DropTask>();
  /** Everything that was started and has not ended. */
  readonly #underWay = new Set<Promise<void>>();
  /** The latest state whose barrier has fallen. */
  #inForce: RingState | null = null;
  #isPaused = false;

  constructor(options: RangeMoverOptions) {
    this.#options = options;
    this.#pace = options.pace ?? ENGINE_PACE;
    const { inventory, objects, cluster, clock } = options;
    const isGivenUp = (id: string) => isLost(cluster, id);
    this.#copier = new RangeCopier({ inventory, objects, placement: cluster, isGivenUp });
    const { dropLifetimeS: lifetimeS } = options;
    const enter = () => cluster.enter();
    this.#dropper = new RangeDropper({ inventory, objects, enter, clock, lifetimeS });
  }

  /** What has been started is over when it resolves. */
  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  get copies(): Iterable<CopyTask> {
    return this.#copies.values();
  }

  /** Tasks for every range that has something to do in its phase; those of other phases are given up. */
  adopt(state: RingState, planned: ReadonlyMap<string, PlannedCopy>): void {
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
          if (!this.#copies.has(key)) this.#copies.set(key, newCopy(range, nodeId, planned.get(key)));
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

  /** Starts what the state, whose barrier has fallen, permits now. */
  work(state: RingState, isPaused: boolean, signal: AbortSignal): void {
    this.#inForce = state;
    this.#isPaused = isPaused;
    this.#start(state, signal);
  }

  #start(state: RingState, signal: AbortSignal): void {
    const nowMs = this.#options.clock.monotonicMs();
    this.#options.copyPace.adjust(nowMs);
    if (this.#isPaused) {
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
      const sources = copySources(this.#options.cluster, state, task, new Map());
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
    const { copyPace } = this.#options;
    const limit = copyPace.limits.concurrency;
    // One node that gains everything may take all there is; several share it.
    const targetMax = Math.max(1, Math.ceil(limit / Math.max(1, targets)));
    let free = limit - running.length;
    for (const task of this.#copies.values()) {
      if (free <= 0 || copyPace.waitMs(nowMs) > 0) return;
      if (task.state !== 'waiting' || !task.isSurveyed || nowMs < task.notBeforeMs) continue;
      if ((perTarget.get(task.nodeId) ?? 0) >= targetMax) continue;
      const sources = copySources(this.#options.cluster, state, task, perSource);
      if (sources === null) continue;
      task.state = 'running';
      task.sourceId = sources[0]!.id;
      perTarget.set(task.nodeId, (perTarget.get(task.nodeId) ?? 0) + 1);
      perSource.set(task.sourceId, (perSource.get(task.sourceId) ?? 0) + 1);
      free--;
      this.#follow(this.#copy(state, task, sources, signal));
    }
  }

  async #copy(
    state: RingState,
    task: CopyTask,
    sources: readonly StorageNode[],
    outer: AbortSignal,
  ): Promise<void> {
    const { clock, cluster, copyPace, onCopied } = this.#options;
    const signal = AbortSignal.any([outer, task.abort.signal]);
    const startMs = clock.monotonicMs();
    const before = { chunks: task.chunks, bytes: task.bytes };
    let prepaid = copyPace.begin(task.planned?.bytes ?? 0, startMs);
    try {
      const { lostChunks } = await this.#copier.copy(
        {
          interval: rangeBounds(task.range, state.base.rangeCount),
          target: cluster.nodeById(task.nodeId)!,
          sources,
          bytesPerSecond: copyPace.limits.bytesPerSecondEach(this.#countOpenCopies()),
          concurrency: copyPace.limits.chunksAtOnce,
        },
        (chunks, bytes) => {
          const more = before.bytes + bytes - task.bytes;
          if (more > 0) {
            const paid = Math.min(more, prepaid);
            prepaid -= paid;
            copyPace.spend(more, paid, clock.monotonicMs());
          }
          task.chunks = before.chunks + chunks;
          task.bytes = before.bytes + bytes;
        },
        signal,
      );
      task.state = 'done';
      task.problem = null;
      onCopied(task.planned?.bytes ?? task.bytes, clock.monotonicMs() - startMs);
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
      copyPace.spend(0, prepaid, clock.monotonicMs());
      task.sourceId = undefined;
      this.#goOn(outer);
    }
  }

  /** How many there are to share what may be copied. */
  #countOpenCopies(): number {
    let open = 0;
    for (const { state } of this.#copies.values()) if (state !== 'done') open++;
    return open;
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
        this.#options.onChange();
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
            return (
              now !== null &&
              now.rebalanceId === this.#options.rebalanceId &&
              phaseOf(now, task.range) === PHASE.newOnly
            );
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
    if (!signal.aborted && this.#inForce !== null) this.#start(this.#inForce, signal);
    this.#options.onChange();
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

  /** Whether all new owners have the range. */
  isCopied(state: RingState, range: number): boolean {
    const before = ownersOfRange(state.base, range).map(({ id }) => id);
    return ownersOfRange(state.target!, range).every(
      ({ id }) => before.includes(id) || this.#copies.get(keyOf(range, id))?.state === 'done',
    );
  }

  /** Whether the range is gone from all who do not own it any more. */
  isDropped(state: RingState, range: number): boolean {
    const after = ownersOfRange(state.target!, range).map(({ id }) => id);
    return ownersOfRange(state.base, range).every(
      ({ id }) => after.includes(id) || this.#drops.get(keyOf(range, id))?.state === 'done',
    );
  }

  /** What is in the way, in words; null when nothing is. */
  get problem(): string | null {
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
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}
