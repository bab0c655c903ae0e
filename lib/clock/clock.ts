/**
 * Time as a dependency, so that a whole cluster can run in one process on simulated time. Service code takes
 * a Clock; only process edges and tests name `systemClock`.
 */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. May jump. */
  nowMs(): number;
  /** Monotonic milliseconds from an arbitrary start. Never jumps; use it for durations and timeouts. */
  monotonicMs(): number;
  /** Runs `action` once after `delayMs`. The returned function cancels it and is idempotent. */
  after(delayMs: number, action: () => void): () => void;
  /** Resolves after `delayMs`; rejects with the signal's reason as soon as the signal aborts. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action) {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
};

/** `sleep` in terms of `after`; implementations of Clock share it. */
export function sleepOn(clock: Pick<Clock, 'after'>, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/**
 * Calls `action` again and again, `intervalMs` after the previous call ended, until the signal aborts.
 * `action` must handle its own errors: a rejection ends the loop and rejects the returned promise.
 */
export async function repeat(
  clock: Clock,
  intervalMs: number,
  signal: AbortSignal,
  action: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await action();
    try {
      await clock.sleep(intervalMs, signal);
    } catch {
      return;
    }
  }
}
