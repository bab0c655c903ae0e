import {
  CONCURRENCY_DEFAULT,
  LATENCY_FACTOR,
  LATENCY_FLOOR_MS,
  LATENCY_REST_FACTOR,
  PULL_CONCURRENCY,
  RATE_AT_START,
  RATE_DECREASE,
  RATE_INCREASE,
  RATE_MAX,
  RATE_USED_SHARE,
  SETTLE_ADJUSTMENTS,
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
  /** Bytes a second that reads leave; Infinity: no limit of theirs. */
  #rate = Number.POSITIVE_INFINITY;
  /** Adjustments that have to pass before slow reads count again: they are from before the last one. */
  #settling = 0;

  constructor(baselineMs: number | null) {
    this.#baselineMs = baselineMs;
    this.#concurrency = 1;
    if (baselineMs !== null) this.#rate = RATE_AT_START;
  }

  setLimits(limits: RebalanceLimits): void {
    this.#limits = limits;
    this.#concurrency = Math.min(this.#concurrency, this.#concurrencyMax);
  }

  /** What reads took before; null until it is known. */
  get baselineMs(): number | null {
    return this.#baselineMs;
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

  /** Called regularly with what reads take now (null: too few to tell) and how fast was copied lately. */
  adjust(p99Ms: number | null, bytesPerSecond: number): void {
    if (p99Ms === null) {
      this.#letGo(bytesPerSecond);
      return;
    }
    // Reads that begin only now have no value from before: the first one seen has to do.
    if (this.#baselineMs === null) {
      this.#baselineMs = p99Ms;
      this.#rate = Math.min(this.#rate, RATE_AT_START);
      this.#concurrency = 1;
    }
    const usualMs = Math.max(this.#baselineMs, LATENCY_FLOOR_MS);
    if (this.#settling > 0) this.#settling--;
    if (p99Ms <= usualMs * LATENCY_REST_FACTOR) this.#letGo(bytesPerSecond);
    else if (p99Ms > usualMs * LATENCY_FACTOR && this.#settling === 0) this.#holdBack(bytesPerSecond);
  }

  #holdBack(bytesPerSecond: number): void {
    this.#concurrency = Math.ceil(this.#concurrency / 2);
    // A limit far above what is copied would be none.
    const current = bytesPerSecond > 0 ? Math.min(this.#rate, bytesPerSecond) : this.#rate;
    if (Number.isFinite(current)) this.#rate = Math.max(THROTTLE_RATE_MIN, current * RATE_DECREASE);
    this.#settling = SETTLE_ADJUSTMENTS;
  }

  /** Whichever of the two is in the way is raised. */
  #letGo(bytesPerSecond: number): void {
    const isRateInTheWay = bytesPerSecond > this.#rate * RATE_USED_SHARE;
    if (!isRateInTheWay && this.#concurrency < this.#concurrencyMax) this.#concurrency += 1;
    else this.#rate *= RATE_INCREASE;
    // Far above what a copy takes, a limit says nothing.
    if (this.#rate > RATE_MAX) this.#rate = Number.POSITIVE_INFINITY;
  }

  get #concurrencyMax(): number {
    return this.#limits.concurrency ?? CONCURRENCY_DEFAULT;
  }
}
