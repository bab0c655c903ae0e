/** What may be begun before it is paid for. */
const AHEAD_MS = 100;

/**
 * Keeps all copies together below a rate. A copy is begun when what was copied before has been paid for: nodes keep to
 * their share within a copy, but most copies are too short for that to matter.
 */
export class CopyBudget {
  #freeAtMs = Number.NEGATIVE_INFINITY;

  /** `bytesPerSecond` is the rate that counts now; Infinity: no limit. */
  spend(bytes: number, bytesPerSecond: number, nowMs: number): void {
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (bytes / bytesPerSecond) * 1000;
  }

  /** Milliseconds until a copy may begin; 0 when one may now. Short ones are begun several at a time. */
  waitMs(nowMs: number): number {
    const waitMs = this.#freeAtMs - nowMs;
    return waitMs <= AHEAD_MS ? 0 : waitMs;
  }
}
