import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { SUSPICION_FLUSH_MS } from './limits.ts';
import type { RepairRepository } from './repair-repository.ts';

export interface SuspicionsOptions {
  readonly repository: Pick<RepairRepository, 'suspect'>;
  /** The range of a position. */
  readonly rangeOf: (position: number) => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Ranges in which an owner may lack a good copy, on their way to the database. Adding costs next to nothing. A
 * suspicion counts from when it is stored, which is after it arose; so no check that missed its cause can clear it.
 * A process that dies takes the last ones along, which is why the death of a coordinator makes every range suspected.
 */
export class Suspicions implements AsyncDisposable {
  readonly #options: SuspicionsOptions;
  #waiting = new Map<number, string>();
  #cancelTimer: () => void = () => {};
  #isTimed = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(options: SuspicionsOptions) {
    this.#options = options;
  }

  /** How many are not stored yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  add(position: number, why: string): void {
    this.#waiting.set(this.#options.rangeOf(position), why);
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#cancelTimer = this.#options.clock.after(SUSPICION_FLUSH_MS, () => {
      this.#isTimed = false;
      void this.flush();
    });
  }

  /** Resolves when everything added before is stored, or could not be and will be tried again. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#store());
    return this.#flushing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelTimer();
    await this.flush();
  }

  async #store(): Promise<void> {
    if (this.#waiting.size === 0) return;
    const taken = this.#waiting;
    this.#waiting = new Map();
    try {
      const byReason = new Map<string, number[]>();
      for (const [range, why] of taken) byReason.set(why, [...(byReason.get(why) ?? []), range]);
      for (const [why, ranges] of byReason) await this.#options.repository.suspect(ranges, why);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'suspicions could not be stored yet');
      for (const [range, why] of taken) if (!this.#waiting.has(range)) this.#waiting.set(range, why);
      if (!this.#isTimed) {
        this.#isTimed = true;
        this.#cancelTimer = this.#options.clock.after(SUSPICION_FLUSH_MS * 5, () => {
          this.#isTimed = false;
          void this.flush();
        });
      }
    }
  }
}
