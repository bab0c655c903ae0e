import { COPY_CREDIT_MS } from './limits.ts';

/** What may be begun before it is paid for. */
const AHEAD_MS = 100;

/**
 * Keeps all copies together below a rate. A copy is begun when what was copied before has been paid for: nodes keep to
 * their share within a copy, but most copies are too short for that to matter. Copies that could not begin in time, since
 * a step of the ring was on its way, are made up for.
 */
export class CopyBudget {
  #freeAtMs: number | null = null;

  /** `bytesPerSecond` is the rate that counts now; Infinity: no limit. */
  spend(bytes: number, bytesPerSecond: number, nowMs: number): void {
    const fromMs = Math.max(this.#freeAtMs ?? nowMs, nowMs - COPY_CREDIT_MS);
    this.#freeAtMs = fromMs + (bytes / bytesPerSecond) * 1000;
  }

  /** Milliseconds until a copy may begin; 0 when one may now. Short ones are begun several at a time. */
  waitMs(nowMs: number): number {
    const waitMs = (this.#freeAtMs ?? nowMs) - nowMs;
    return waitMs <= AHEAD_MS ? 0 : waitMs;
  }
}
