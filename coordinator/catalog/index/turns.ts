import { TURN_MS, WAIT_SHARE } from '../limits.ts';

interface Waiting {
  /** What the search has worked so far, milliseconds. */
  readonly spentMs: number;
  readonly sinceMs: number;
  readonly resume: () => void;
}

/**
 * Shares one thread among searches and all else that it does. Between two looks at what has come in meanwhile one search
 * works for about `TURN_MS`: the one that has worked least, so short ones do not wait for long ones; who waits is
 * preferred more and more.
 */
export class TurnQueue {
  #waiting: Waiting[] = [];
  #isScheduled = false;

  /** Resolves when it is the caller's turn. */
  wait(spentMs: number): Promise<void> {
    return new Promise((resume) => {
      this.#waiting.push({ spentMs, sinceMs: performance.now(), resume });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#next().resume();
      if (this.#waiting.length > 0) this.#schedule();
    });
  }

  #next(): Waiting {
    const nowMs = performance.now();
    const costOf = ({ spentMs, sinceMs }: Waiting) => spentMs - (nowMs - sinceMs) * WAIT_SHARE;
    let best = 0;
    for (let at = 1; at < this.#waiting.length; at++) {
      if (costOf(this.#waiting[at]!) < costOf(this.#waiting[best]!)) best = at;
    }
    return this.#waiting.splice(best, 1)[0]!;
  }
}

/** The turns of one search. */
export class Turns {
  readonly #queue: TurnQueue;
  #spentMs = 0;
  #startedMs = 0;

  constructor(queue: TurnQueue) {
    this.#queue = queue;
  }

  /** To be awaited before the work. */
  async begin(): Promise<void> {
    await this.#queue.wait(this.#spentMs);
    this.#startedMs = performance.now();
  }

  /** To be awaited between two pieces of work. */
  pause(): Promise<void> | undefined {
    const workedMs = performance.now() - this.#startedMs;
    if (workedMs < TURN_MS) return undefined;
    this.#spentMs += workedMs;
    return this.begin();
  }
}
