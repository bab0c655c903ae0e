import { CONCURRENCY_DEFAULT, LATENCY_FACTOR, LATENCY_FLOOR_MS, THROTTLE_RATE_MIN } from './limits.ts';
import type { RebalanceLimits } from './types.ts';

/**
 * How much may be copied at a time. The operator's limits are never exceeded; below them, copying makes room while
 * reads are slower than they were before: fewer copies at once, then less of each, and back step by step.
 */
export class Throttle {
  #limits: RebalanceLimits = {};
  /** What reads took before the copying began, milliseconds; null when there were none. */
  #baselineMs: number | null;
  #concurrency = CONCURRENCY_DEFAULT;
  /** Bytes a second that reads leave; Infinity: no limit of theirs. */
  #rate = Number.POSITIVE_INFINITY;

  constructor(baselineMs: number | null) {
    this.#baselineMs = baselineMs;
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

  /** What one of them may take; undefined: no limit. */
  get bytesPerSecondEach(): number | undefined {
    const rate = Math.min(this.#limits.bytesPerSecond ?? Number.POSITIVE_INFINITY, this.#rate);
    return Number.isFinite(rate) ? rate / this.#concurrency : undefined;
  }

  /** Whether copying gives way to reads now. */
  get isBackingOff(): boolean {
    return this.#concurrency < this.#concurrencyMax || Number.isFinite(this.#rate);
  }

  /** Called regularly with what reads take now (null: too few to tell) and how fast is being copied. */
  adjust(p99Ms: number | null, bytesPerSecond: number): void {
    if (p99Ms === null) {
      this.#letGo();
      return;
    }
    // Reads that begin only now have no value from before: the first one seen has to do.
    this.#baselineMs ??= p99Ms;
    const bearableMs = Math.max(this.#baselineMs, LATENCY_FLOOR_MS) * LATENCY_FACTOR;
    if (p99Ms <= bearableMs) this.#letGo();
    else if (this.#concurrency > 1) this.#concurrency = Math.ceil(this.#concurrency / 2);
    else {
      const current = Number.isFinite(this.#rate) ? this.#rate : bytesPerSecond;
      this.#rate = Math.max(THROTTLE_RATE_MIN, current / 2);
    }
  }

  #letGo(): void {
    if (Number.isFinite(this.#rate)) {
      this.#rate *= 1.25;
      // Far above what a copy takes, a limit says nothing.
      if (this.#rate > 1024 ** 3) this.#rate = Number.POSITIVE_INFINITY;
    } else if (this.#concurrency < this.#concurrencyMax) {
      this.#concurrency += 1;
    }
  }

  get #concurrencyMax(): number {
    return this.#limits.concurrency ?? CONCURRENCY_DEFAULT;
  }
}
