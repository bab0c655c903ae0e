import type { Clock } from '../lib/clock/clock.ts';

/** Spreads transfers over time, so that together they stay below a rate. */
export class Pacer {
  readonly #clock: Clock;
  /** May be changed at any time; counts for what is admitted afterwards. Without a rate nothing waits. */
  bytesPerSecond: number | undefined;
  #nextMs = 0;

  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.#clock = clock;
    this.bytesPerSecond = bytesPerSecond;
  }

  /** Resolves when a transfer of that size may begin. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const startMs = Math.max(nowMs, this.#nextMs);
    const bytesPerMs = (this.bytesPerSecond ?? Number.POSITIVE_INFINITY) / 1000;
    this.#nextMs = startMs + bytes / bytesPerMs;
    if (startMs > nowMs) await this.#clock.sleep(startMs - nowMs, signal);
  }
}
