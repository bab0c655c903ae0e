import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { rangeBounds } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { forEachLimited } from '../cluster/for-each-limited.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { StorageNode } from '../cluster/placement.ts';
import { type RingState, rolesOf } from '../cluster/ring-state.ts';
import type { Leases } from '../database/leases.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { isComplete, surveyRanges } from '../rebalance/range-survey.ts';
import {
  BATCH_RANGES,
  CENSUS_INTERVAL_MS,
  CHECKS_MAX,
  COPIES_MAX,
  REPAIR_INTERVAL_MS,
  REPAIR_LEASE,
  REPAIR_LEASE_MS,
  RETRY_MS,
} from './limits.ts';
import { type ChunkGap, checkRange, type RangeFinding } from './range-check.ts';
import type { RangeVerdict, RepairRepository, ShortChunk } from './repair-repository.ts';

export interface RepairerOptions {
  readonly repository: RepairRepository;
  readonly cluster: Cluster;
  readonly inventory: NodeInventory;
  readonly objects: Pick<ObjectRepository, 'chunksBetween' | 'chunksWithin'>;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onEvent: (kind: string, details: Readonly<Record<string, unknown>>) => void;
  /** What else whoever has the lease does in every round. */
  readonly onRound?: ((signal: AbortSignal) => Promise<void>) | undefined;
  readonly censusIntervalMs?: number | undefined;
  readonly intervalMs?: number | undefined;
  readonly retryMs?: number | undefined;
  readonly leaseMs?: number | undefined;
}

export interface RepairCounts {
  readonly checkedRanges: number;
  readonly copiedChunks: number;
  readonly copiedBytes: number;
  readonly failedCopies: number;
}

interface Checked extends RangeFinding {
  readonly range: number;
  readonly step: number;
}

/**
 * Sees to it that every chunk which a manifest names is on all owners of its range: checks range after range (those
 * that something points to first), copies what an owner lacks from whoever has it, the rarest chunks first, and
 * records what it found. One coordinator at a time does it, by lease; two would only do the same work twice.
 */
export class Repairer implements AsyncDisposable {
  readonly #options: RepairerOptions;
  readonly #leaseMs: number;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  #counts = { checkedRanges: 0, copiedChunks: 0, copiedBytes: 0, failedCopies: 0 };
  #isWorking = false;
  /** By this clock; 0 while another one has the lease, or may have it. */
  #ownUntilMs = 0;

  constructor(options: RepairerOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? REPAIR_LEASE_MS;
  }

  /** What this process did since it started. */
  get counts(): RepairCounts {
    return { ...this.#counts };
  }

  /** Whether this coordinator checks or copies something now. */
  get isWorking(): boolean {
    return this.#isWorking;
  }

  /** Works until disposed. */
  start(): void {
    const { clock, intervalMs = REPAIR_INTERVAL_MS, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, intervalMs, signal, async () => {
      try {
        // A round that found something is followed by the next at once.
        while (!signal.aborted && (await this.runOnce(signal)));
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'repair was interrupted and will go on');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the repairer is closed'));
    await this.#loop;
    await this.#options.leases.release(REPAIR_LEASE).catch(() => {});
  }

  /** One round, if no other coordinator has the lease. Whether there was a range to check. */
  async runOnce(outer: AbortSignal): Promise<boolean> {
    const { leases, clock, cluster, onRound } = this.#options;
    if (cluster.state === null || !(await this.#hasLease())) return false;
    const ended = new AbortController();
    const signal = AbortSignal.any([outer, ended.signal]);
    const renewals = repeat(clock, this.#leaseMs / 4, signal, async () => {
      const isHeld = await leases.renew(REPAIR_LEASE, this.#leaseMs).catch(() => false);
      if (isHeld) return;
      this.#ownUntilMs = 0;
      ended.abort(new Error('the lease of the repair was lost'));
    });
    try {
      await onRound?.(signal);
      return await this.#round(signal);
    } finally {
      this.#isWorking = false;
      ended.abort(new Error('the round is over'));
      await renewals;
    }
  }

  /** Whether it is this coordinator's for half of its time at least; asked for anew only then, since that is a write. */
  async #hasLease(): Promise<boolean> {
    const { leases, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#ownUntilMs) return true;
    const isOwn = await leases.acquire(REPAIR_LEASE, this.#leaseMs);
    this.#ownUntilMs = isOwn ? nowMs + this.#leaseMs / 2 : 0;
    return isOwn;
  }

  async #round(signal: AbortSignal): Promise<boolean> {
    const { repository, cluster, censusIntervalMs = CENSUS_INTERVAL_MS, retryMs = RETRY_MS } = this.#options;
    const state = cluster.state!;
    const { ranges, ...times } = await repository.due(state.base.rangeCount, {
      limit: BATCH_RANGES,
      intervalMs: censusIntervalMs,
      retryMs,
    });
    if (ranges.length === 0) return false;
    this.#isWorking = true;
    // 1. What is missing where?
    const checked = await this.#survey(state, ranges, signal);
    const sound = new Set(checked.map(({ range }) => range));
    const unanswered = new Map<string, number[]>();
    const others = ranges.filter((range) => !sound.has(range));
    await forEachLimited(others, CHECKS_MAX, async (range) => {
      const finding = await this.#check(state, range, signal);
      if (typeof finding !== 'string') checked.push(finding);
      else unanswered.set(finding, [...(unanswered.get(finding) ?? []), range]);
    });
    for (const [why, those] of unanswered) await repository.postpone(those, why);
    this.#counts.checkedRanges += checked.length;
    // 2. Copy it, what has the fewest copies first.
    const gaps = checked.flatMap((finding) => finding.gaps);
    const outcomes = await this.#fill(gaps, signal);
    // 3. What is still missing is recorded as that; what was copied is looked at once more before it is believed.
    const verdicts = checked.map((finding) => verdictOf(finding, outcomes));
    await repository.record(verdicts, times);
    const repaired = checked.filter(({ gaps: own }) => own.length > 0);
    await repository.suspect(
      repaired
        .filter((_, index) => verdictOf(repaired[index]!, outcomes).missingCopies === 0)
        .map(({ range }) => range),
      'copies were made and are looked at once more',
    );
    return true;
  }

  /** Those of the ranges in which all is as it should be, seen by one look at all of them. */
  async #survey(state: RingState, ranges: readonly number[], signal: AbortSignal): Promise<Checked[]> {
    const { cluster } = this.#options;
    const asked = ranges.flatMap((range) => {
      const nodes = rolesOf(state, range).readFirst.map((id) => cluster.nodeById(id)!);
      if (nodes.some(({ id }) => cluster.healthOf(id) === 'down')) return [];
      return [{ range, nodes, interval: rangeBounds(range, state.base.rangeCount) }];
    });
    const surveys = await surveyRanges(this.#options, asked, signal);
    return surveys.flatMap((survey, index) => {
      if (!isComplete(survey)) return [];
      const { count, bytes } = survey.named!;
      return [{ range: asked[index]!.range, step: state.step, chunks: count, bytes, gaps: [] }];
    });
  }

  /** What was found, or why nothing can be said. */
  async #check(state: RingState, range: number, signal: AbortSignal): Promise<Checked | string> {
    const { cluster, inventory, objects } = this.#options;
    const owners = rolesOf(state, range).readFirst.map((id) => cluster.nodeById(id)!);
    const absent = owners.find(({ id }) => cluster.healthOf(id) === 'down');
    // Those that answer are looked after all the same.
    const asked = owners.filter((owner) => owner !== absent && cluster.healthOf(owner.id) !== 'down');
    try {
      const interval = rangeBounds(range, state.base.rangeCount);
      const finding = await checkRange({ inventory, objects }, interval, asked, signal);
      if (absent === undefined) return { ...finding, range, step: state.step };
      await this.#fill(finding.gaps, signal);
      return `node ${absent.id}, an owner, is down`;
    } catch (error) {
      signal.throwIfAborted();
      this.#options.logger.debug({ err: error, range }, 'a range could not be checked');
      return `an owner did not answer: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Copies each chunk to the owners that lack it. Returns for each what is left: a problem for every copy still missing. */
  async #fill(gaps: readonly ChunkGap[], signal: AbortSignal): Promise<Map<string, readonly string[]>> {
    const outcomes = new Map<string, readonly string[]>();
    const rarestFirst = gaps.toSorted((a, b) => a.holders.length - b.holders.length);
    await forEachLimited(rarestFirst, COPIES_MAX, async (gap) => {
      const problems: string[] = [];
      for (const target of gap.lacking) {
        const problem = await this.#copy(gap, target, signal);
        if (problem !== null) problems.push(problem);
      }
      outcomes.set(gap.chunk.id, problems);
    });
    if (gaps.length > 0) {
      const { logger, onEvent } = this.#options;
      const missing = [...outcomes.values()].reduce((sum, problems) => sum + problems.length, 0);
      const details = { chunks: gaps.length, copiesStillMissing: missing };
      logger.info(details, 'chunks with too few copies were repaired');
      onEvent(missing === 0 ? 'copies_repaired' : 'copies_missing', details);
    }
    return outcomes;
  }

  /** Null when the target has the chunk now, otherwise why not. */
  async #copy(
    { chunk, holders }: ChunkGap,
    target: StorageNode,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { cluster, inventory } = this.#options;
    const { owners, others } = cluster.readSourcesOf(chunk.position);
    const isKnown = new Set(holders);
    const candidates = [...holders, ...[...owners, ...others].filter((node) => !isKnown.has(node))];
    let problem = 'no node has a copy';
    for (const source of candidates) {
      if (source.id === target.id) continue;
      if (cluster.healthOf(source.id) === 'down') {
        problem = `node ${source.id} is down and may have the only copy`;
        continue;
      }
      try {
        if (!isKnown.has(source) && !(await inventory.has(source, chunk, signal))) continue;
        await inventory.pullChunk(target, chunk, source, signal);
        this.#counts.copiedChunks += 1;
        this.#counts.copiedBytes += chunk.length;
        return null;
      } catch (error) {
        signal.throwIfAborted();
        problem = error instanceof Error ? error.message : String(error);
      }
    }
    this.#counts.failedCopies += 1;
    this.#options.logger.warn(
      { chunkId: chunk.id, nodeId: target.id, problem },
      'a copy could not be made yet',
    );
    return problem;
  }
}

function verdictOf(
  { range, step, chunks, bytes, gaps }: Checked,
  outcomes: ReadonlyMap<string, readonly string[]>,
): RangeVerdict {
  const short = gaps.flatMap(({ chunk, holders, lacking }): ShortChunk[] => {
    const problems = outcomes.get(chunk.id) ?? [];
    if (problems.length === 0) return [];
    const copies = holders.length + lacking.length - problems.length;
    return [{ ...chunk, copies, problem: problems[0]! }];
  });
  const missingCopies = gaps.reduce((sum, { chunk }) => sum + (outcomes.get(chunk.id)?.length ?? 0), 0);
  return { range, step, chunks, bytes, missingCopies, short };
}
