import { setImmediate as nextTurn } from 'node:timers/promises';
import { TURN_MS } from '../limits.ts';

/** Lets other requests have their turn when a query has worked for long enough. */
export class Turns {
  #startedMs = performance.now();

  /** To be awaited between two pieces of work. */
  pause(): Promise<void> | undefined {
    return performance.now() - this.#startedMs < TURN_MS ? undefined : this.#pause();
  }

  async #pause(): Promise<void> {
    await nextTurn();
    this.#startedMs = performance.now();
  }
}
