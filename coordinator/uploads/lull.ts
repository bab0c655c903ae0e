import type { Clock } from '../../lib/clock/clock.ts';
import { LULL_MS, LULL_WAIT_MAX_MS } from './limits.ts';

/**
 * Aborts after `asked` does, once no byte has come for a moment. Who asks for an upload has mostly lost the connection of the
 * request before; what that sent lies in buffers, is read faster than it came, and need not be sent again.
 */
export class Lull implements Disposable {
  readonly #clock: Clock;
  readonly #asked: AbortSignal;
  readonly #controller = new AbortController();
  #lastByteMs = 0;
  #cancel = () => {};

  constructor(clock: Clock, asked: AbortSignal) {
    this.#clock = clock;
    this.#asked = asked;
    if (asked.aborted) this.#onAsked();
    else asked.addEventListener('abort', this.#onAsked, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** To be called with every piece that comes. */
  noteBytes(): void {
    if (this.#asked.aborted) this.#lastByteMs = this.#clock.monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#asked.removeEventListener('abort', this.#onAsked);
  }

  readonly #onAsked = () => {
    const askedMs = this.#clock.monotonicMs();
    this.#lastByteMs = askedMs;
    const look = () => {
      const nowMs = this.#clock.monotonicMs();
      if (nowMs - this.#lastByteMs >= LULL_MS || nowMs - askedMs >= LULL_WAIT_MAX_MS) {
        this.#controller.abort(this.#asked.reason);
      } else this.#cancel = this.#clock.after(LULL_MS / 2, look);
    };
    this.#cancel = this.#clock.after(LULL_MS, look);
  };
}
