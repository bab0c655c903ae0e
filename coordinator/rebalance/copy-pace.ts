import { CopyBudget } from './copy-budget.ts';
import { type CopyingNow, CopySchedule, type KeptSchedule } from './copy-schedule.ts';
import {
  COST_KNOWN_BYTES,
  COST_MAX,
  COST_MIN,
  DONE_KNOWN_MS,
  PREPAID_MAX,
  RATE_ADJUSTMENTS,
  THROTTLE_INTERVAL_MS,
} from './limits.ts';
import type { Work } from './progress.ts';
import { Throttle } from './throttle.ts';
import type { RebalanceLimits } from './types.ts';

/** What is known from before, of this rebalance or the last one. */
export interface PaceBefore {
  readonly baselineMs: number | null;
  readonly rateBesideReads: number | null;
  readonly schedule: KeptSchedule | null;
}

/**
 * How fast copies may be made: what the throttle allows, kept over all of them, and judged by what they took lately; beside
 * reads by a schedule, so that it is known when they will be over.
 */
export class CopyPace {
  readonly #throttle: Throttle;
  readonly #schedule: CopySchedule;
  readonly #budget = new CopyBudget();
  readonly #readP99: () => Promise<number | null>;
  #limits: RebalanceLimits = {};
  #copiedBytes = 0;
  readonly #copiedLately: { readonly atMs: number; readonly bytes: number }[] = [];
  #lastAdjustedMs = Number.NEGATIVE_INFINITY;
  #lastPlannedMs: number | null = null;
  #workedMs = 0;
  /** Planned bytes that were done when this began. */
  #doneAtStart: number | null = null;
  /** What copies were allowed, and what they copied, since their rate is being found. */
  #allowedBytes = 0;
  #usedBytes = 0;
  #copiedWhenPlanned = 0;

  /** `readP99`: what reads take anywhere now, milliseconds; null when there are too few. */
  constructor(before: PaceBefore, readP99: () => Promise<number | null>) {
    this.#throttle = new Throttle(before.baselineMs, before.rateBesideReads);
    this.#schedule = new CopySchedule(before.schedule);
    this.#readP99 = readP99;
  }

  setLimits(limits: RebalanceLimits): void {
    const { bytesPerSecond = null, concurrency = null } = limits;
    const isSame =
      bytesPerSecond === (this.#limits.bytesPerSecond ?? null) &&
      concurrency === (this.#limits.concurrency ?? null);
    if (isSame) return;
    this.#limits = { bytesPerSecond, concurrency };
    this.#throttle.setLimits(this.#limits);
    if (this.#lastPlannedMs !== null) this.#findAgain();
  }

  /** See `Throttle`. */
  get limits(): Pick<
    Throttle,
    | 'baselineMs'
    | 'readP99Ms'
    | 'rateBesideReads'
    | 'concurrency'
    | 'chunksAtOnce'
    | 'bytesPerSecond'
    | 'bytesPerSecondEach'
  > {
    return this.#throttle;
  }

  /** Planned bytes a second that are kept to; null while there is no such thing. */
  get paceBytesPerSecond(): number | null {
    return this.#schedule.pace;
  }

  /**
   * A copy of so many bytes begins: what it fetches before it keeps to a share of its own is paid for at once, or as many
   * as may be under way would begin together. Returns how much that is.
   */
  begin(bytes: number, nowMs: number): number {
    const prepaid = Math.min(bytes, PREPAID_MAX);
    this.#budget.spend(prepaid, this.#throttle.bytesPerSecond, nowMs);
    return prepaid;
  }

  /** So much was copied, of which so much was paid for when it began. */
  spend(bytes: number, prepaid: number, nowMs: number): void {
    this.#copiedBytes += bytes;
    this.#budget.spend(bytes - prepaid, this.#throttle.bytesPerSecond, nowMs);
  }

  /** Milliseconds until the next copy may begin; 0 for now. */
  waitMs(nowMs: number): number {
    return this.#budget.waitMs(nowMs);
  }

  /** To be called often; looks at what reads take once in a while. */
  adjust(nowMs: number): void {
    if (nowMs - this.#lastAdjustedMs < THROTTLE_INTERVAL_MS) return;
    this.#lastAdjustedMs = nowMs;
    const samples = this.#copiedLately;
    samples.push({ atMs: nowMs, bytes: this.#copiedBytes });
    if (samples.length > RATE_ADJUSTMENTS + 1) samples.shift();
    const [oldest] = samples;
    const spanMs = nowMs - oldest!.atMs;
    const rate = spanMs > 0 ? ((this.#copiedBytes - oldest!.bytes) / spanMs) * 1000 : 0;
    void this.#readP99().then(
      (p99Ms) => this.#throttle.adjust(p99Ms, rate),
      () => {},
    );
  }

  /**
   * Called regularly with the planned bytes that are done and left, whether copying goes on, and how fast it went lately.
   * Says how many seconds are left; null where no schedule can say: nobody reads, or there are no bytes to be copied.
   */
  plan(
    nowMs: number,
    work: { readonly done: Work; readonly left: Work },
    isRunning: boolean,
    doneRate: number | null,
  ): number | null {
    const elapsedMs = nowMs - (this.#lastPlannedMs ?? nowMs);
    this.#lastPlannedMs = nowMs;
    if (!isRunning) return null;
    this.#workedMs += elapsedMs;
    const foundRate = this.#throttle.rateBesideReads;
    const total = work.done.bytes + work.left.bytes;
    if (foundRate === null || !this.#throttle.isRead || total === 0) {
      this.#findAgain();
      return null;
    }
    this.#doneAtStart ??= work.done.bytes;
    this.#measureUse(elapsedMs);
    const cost = this.#cost(work.done.bytes);
    const now: CopyingNow = {
      leftBytes: work.left.bytes,
      doneShare: work.done.bytes / total,
      foundRate: foundRate / cost,
      limit: this.#throttle.limit / cost,
      doneRate: this.#workedMs >= DONE_KNOWN_MS ? doneRate : null,
      usedShare: this.#allowedBytes > 0 ? Math.min(1, this.#usedBytes / this.#allowedBytes) : 1,
      isRateKnown: this.#throttle.isRateKnown,
      hasHeldBack: this.#throttle.hasHeldBack,
      isCalm: this.#throttle.isCalm,
      isSlow: this.#throttle.isSlow,
    };
    this.#schedule.update(elapsedMs, now);
    const wanted = this.#schedule.wantedRate(work.left.bytes);
    this.#throttle.hold(wanted === null ? null : wanted * cost);
    return this.#schedule.secondsLeft(now);
  }

  #measureUse(elapsedMs: number): void {
    const copied = this.#copiedBytes - this.#copiedWhenPlanned;
    this.#copiedWhenPlanned = this.#copiedBytes;
    // Nothing is copied before the first ranges have been looked at.
    if (this.#schedule.pace !== null || this.#copiedBytes === 0) return;
    this.#usedBytes += copied;
    this.#allowedBytes += (this.#throttle.bytesPerSecond * elapsedMs) / 1000;
  }

  /** Bytes that are really copied for each that was planned: uploads may have added some since, or taken some away. */
  #cost(doneBytes: number): number {
    const done = doneBytes - (this.#doneAtStart ?? doneBytes);
    if (done < COST_KNOWN_BYTES) return 1;
    return Math.min(COST_MAX, Math.max(COST_MIN, this.#copiedBytes / done));
  }

  #findAgain(): void {
    this.#schedule.findAgain();
    this.#throttle.hold(null);
    this.#allowedBytes = 0;
    this.#usedBytes = 0;
  }
}
