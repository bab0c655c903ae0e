import type { Clock } from '../../lib/clock/clock.ts';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';

interface Entry {
  count: number;
  untilMs: number;
}

/** How often somebody was sent elsewhere for the same thing a moment ago. The oldest are forgotten for further ones. */
export class RecentRedirects {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** In the order of their times. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  count(who: string, what: string): number {
    const entry = this.#entries.get(`${who} ${what}`);
    return entry !== undefined && entry.untilMs > this.#clock.monotonicMs() ? entry.count : 0;
  }

  add(who: string, what: string): void {
    const key = `${who} ${what}`;
    const count = this.count(who, what) + 1;
    this.#entries.delete(key);
    this.#entries.set(key, { count, untilMs: this.#clock.monotonicMs() + REDIRECT_MEMORY_MS });
    if (this.#entries.size <= REMEMBERED_REDIRECTS_MAX) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }
}
