import type { Clock } from '../../lib/clock/clock.ts';

/** Spreads transfers over time, so that together they stay below a rate. */
export class Pacer {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  #nextMs = 0;

  /** Without a rate nothing waits. */
  constructor(clock: Clock, bytesPerSecond: number | undefined) {
    this.#clock = clock;
    this.#bytesPerMs = (bytesPerSecond ?? Number.POSITIVE_INFINITY) / 1000;
  }

  /** Resolves when a transfer of that size may begin. */
  async admit(bytes: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#clock.monotonicMs();
    const startMs = Math.max(nowMs, this.#nextMs);
    this.#nextMs = startMs + bytes / this.#bytesPerMs;
    if (startMs > nowMs) await this.#clock.sleep(startMs - nowMs, signal);
  }
}
