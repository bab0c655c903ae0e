import type { Clock } from '../../lib/clock/clock.ts';

/** How long something took lately: the latest samples, by age and number bounded. */
export class RecentLatency {
  readonly #clock: Clock;
  readonly #windowMs: number;
  readonly #samples: Float64Array;
  readonly #times: Float64Array;
  #next = 0;

  constructor(clock: Clock, options: { readonly windowMs: number; readonly samplesMax: number }) {
    this.#clock = clock;
    this.#windowMs = options.windowMs;
    this.#samples = new Float64Array(options.samplesMax);
    this.#times = new Float64Array(options.samplesMax).fill(Number.NEGATIVE_INFINITY);
  }

  add(milliseconds: number): void {
    this.#samples[this.#next] = milliseconds;
    this.#times[this.#next] = this.#clock.monotonicMs();
    this.#next = (this.#next + 1) % this.#samples.length;
  }

  /**
   * The 99th percentile of the latest part of the window that has `enough` samples, but of no less than a third of it:
   * what has just changed shows soon when there are many. Null when there are fewer than `countMin`.
   */
  p99(countMin: number, enough = Number.POSITIVE_INFINITY): number | null {
    const nowMs = this.#clock.monotonicMs();
    const within = (windowMs: number) =>
      this.#samples.filter((_, index) => this.#times[index]! >= nowMs - windowMs);
    let recent = within(this.#windowMs / 3);
    if (recent.length < enough) recent = within(this.#windowMs);
    if (recent.length < countMin) return null;
    recent.sort();
    return recent[Math.min(recent.length - 1, Math.floor(recent.length * 0.99))]!;
  }
}
