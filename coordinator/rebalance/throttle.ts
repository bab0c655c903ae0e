import {
  CONCURRENCY_DEFAULT,
  GROWTH_SHARE_NEW,
  GROWTH_SHARE_REGAINED,
  LATENCY_FACTOR,
  LATENCY_FLOOR_MS,
  LATENCY_REST_FACTOR,
  PULL_CONCURRENCY,
  RATE_AT_START,
  RATE_DECREASE,
  RATE_INCREASE,
  RATE_INCREASE_UNREAD,
  RATE_MAX,
  RATE_USED_SHARE,
  SETTLE_ADJUSTMENTS,
  THROTTLE_INTERVAL_MS,
  THROTTLE_RATE_MIN,
} from './limits.ts';
import type { RebalanceLimits } from './types.ts';

/**
 * How much may be copied at a time. The operator's limits are never exceeded; below them, copying makes room while
 * reads are slower than they were before: fewer copies at once, then fewer bytes a second, and back step by step. Where
 * there are reads it begins with one copy at a time, since what many at once do to them shows only afterwards.
 */
export class Throttle {
  #limits: RebalanceLimits = {};
  /** What reads took before the copying began, milliseconds; null when there were none. */
  #baselineMs: number | null;
  #concurrency: number;
  readonly #rateAtStart: number;
  /** Bytes a second that reads leave; Infinity: no limit of theirs. */
  #rate = Number.POSITIVE_INFINITY;
  /** Adjustments that have to pass before slow reads count again: they are from before the last one. */
  #settling = 0;
  /** Reads were slow at least once. */
  #hasHeldBack = false;
  /** The last adjustment raised the rate since reads were fast. */
  #isGrowing = false;

  /** `knownRate`: bytes a second that reads left not long ago, where that was seen. */
  constructor(baselineMs: number | null, knownRate: number | null = null) {
    this.#baselineMs = baselineMs;
    this.#rateAtStart = Math.max(THROTTLE_RATE_MIN, knownRate ?? RATE_AT_START);
    this.#concurrency = 1;
    if (baselineMs !== null) this.#rate = this.#rateAtStart;
  }

  setLimits(limits: RebalanceLimits): void {
    this.#limits = limits;
    this.#concurrency = Math.min(this.#concurrency, this.#concurrencyMax);
  }

  /** What reads took before; null until it is known. */
  get baselineMs(): number | null {
    return this.#baselineMs;
  }

  /** Bytes a second that reads leave; null while they leave all there is. */
  get rateBesideReads(): number | null {
    return Number.isFinite(this.#rate) ? this.#rate : null;
  }

  /** Copies that may be under way now. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Chunks that one of them may fetch at a time. */
  get chunksAtOnce(): number {
    return this.#concurrency > 1 ? PULL_CONCURRENCY : 1;
  }

  /** What all of them may take together; Infinity: no limit. */
  get bytesPerSecond(): number {
    return Math.min(this.#limits.bytesPerSecond ?? Number.POSITIVE_INFINITY, this.#rate);
  }

  /** What one of them may take; undefined: no limit. */
  get bytesPerSecondEach(): number | undefined {
    const rate = this.bytesPerSecond;
    return Number.isFinite(rate) ? rate / this.#concurrency : undefined;
  }

  /**
   * By which share of itself the rate is likely to grow in a second from now on; 0 unless the last adjustment raised it. Where
   * reads have never been slow, it may go on as it does or end any moment: half of it is expected. Where they have, the rate is
   * below what they leave, and most of it.
   */
  get growthPerSecond(): number {
    if (!this.#isGrowing) return 0;
    const share = this.#hasHeldBack ? GROWTH_SHARE_REGAINED : GROWTH_SHARE_NEW;
    return (Math.log(RATE_INCREASE) / (THROTTLE_INTERVAL_MS / 1000)) * share;
  }

  /** Called regularly with what reads take now (null: too few to tell) and how fast was copied lately. */
  adjust(p99Ms: number | null, bytesPerSecond: number): void {
    this.#isGrowing = false;
    if (p99Ms === null) {
      this.#letGo(bytesPerSecond, RATE_INCREASE_UNREAD);
      return;
    }
    // Reads that begin only now have no value from before: the first one seen has to do.
    if (this.#baselineMs === null) {
      this.#baselineMs = p99Ms;
      this.#rate = Math.min(this.#rate, this.#rateAtStart);
      this.#concurrency = 1;
    }
    const usualMs = Math.max(this.#baselineMs, LATENCY_FLOOR_MS);
    if (this.#settling > 0) this.#settling--;
    if (p99Ms <= usualMs * LATENCY_REST_FACTOR) this.#letGo(bytesPerSecond, RATE_INCREASE);
    else if (p99Ms > usualMs * LATENCY_FACTOR && this.#settling === 0) this.#holdBack(bytesPerSecond);
  }

  #holdBack(bytesPerSecond: number): void {
    this.#hasHeldBack = true;
    this.#concurrency = Math.ceil(this.#concurrency / 2);
    // A limit far above what is copied would be none.
    const current = bytesPerSecond > 0 ? Math.min(this.#rate, bytesPerSecond) : this.#rate;
    if (Number.isFinite(current)) this.#rate = Math.max(THROTTLE_RATE_MIN, current * RATE_DECREASE);
    this.#settling = SETTLE_ADJUSTMENTS;
  }

  /** Whichever of the two is in the way is raised. */
  #letGo(bytesPerSecond: number, increase: number): void {
    const isRateInTheWay = bytesPerSecond > this.#rate * RATE_USED_SHARE;
    if (!isRateInTheWay && this.#concurrency < this.#concurrencyMax) this.#concurrency += 1;
    else {
      this.#rate *= increase;
      this.#isGrowing = isRateInTheWay && increase === RATE_INCREASE && this.#isBelowLimit;
    }
    // Far above what a copy takes, a limit says nothing.
    if (this.#rate > RATE_MAX) this.#rate = Number.POSITIVE_INFINITY;
  }

  /** The operator's limit leaves room for more. */
  get #isBelowLimit(): boolean {
    return this.#rate < (this.#limits.bytesPerSecond ?? Number.POSITIVE_INFINITY);
  }

  get #concurrencyMax(): number {
    return this.#limits.concurrency ?? CONCURRENCY_DEFAULT;
  }
}
