import type { Clock } from '../../lib/clock/clock.ts';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';

interface Entry {
  count: number;
  untilMs: number;
}

/** How often something happened a moment ago that has a name. The oldest are forgotten for further ones. */
export class RecentRedirects {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** In the order of their times. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  count(name: string): number {
    const entry = this.#entries.get(name);
    return entry !== undefined && entry.untilMs > this.#clock.monotonicMs() ? entry.count : 0;
  }

  /** Once more than `before` times. */
  add(name: string, before: number): void {
    if (before > 0) this.#entries.delete(name);
    this.#entries.set(name, { count: before + 1, untilMs: this.#clock.monotonicMs() + REDIRECT_MEMORY_MS });
    if (this.#entries.size <= REMEMBERED_REDIRECTS_MAX) return;
    for (const oldest of this.#entries.keys()) {
      this.#entries.delete(oldest);
      break;
    }
  }
}
