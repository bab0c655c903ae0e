import type { Clock } from '../../lib/clock/clock.ts';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';

/**
 * How often something happened a moment ago that has a name. Two generations take turns: what happened is remembered for half of
 * `REDIRECT_MEMORY_MS` at least and all of it at most, or less when there is more than fits.
 */
export class RecentRedirects {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #now = new Map<string, number>();
  #before = new Map<string, number>();
  #sinceMs = 0;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  count(name: string): number {
    this.#age();
    return this.#now.get(name) ?? this.#before.get(name) ?? 0;
  }

  /** Once more than `before` times. */
  add(name: string, before: number): void {
    this.#now.set(name, before + 1);
    if (this.#now.size >= REMEMBERED_REDIRECTS_MAX / 2) this.#turn();
  }

  #age(): void {
    const agedMs = this.#clock.monotonicMs() - this.#sinceMs;
    if (agedMs < REDIRECT_MEMORY_MS / 2) return;
    this.#turn();
    if (agedMs >= REDIRECT_MEMORY_MS) this.#before.clear();
  }

  #turn(): void {
    this.#before = this.#now;
    this.#now = new Map();
    this.#sinceMs = this.#clock.monotonicMs();
  }
}
