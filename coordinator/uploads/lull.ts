import type { Readable } from 'node:stream';
import type { Clock } from '../../lib/clock/clock.ts';
import { LULL_LOOKS, LULL_MS, LULL_WAIT_MAX_MS } from './limits.ts';

/**
 * Aborts after `asked` does, once no byte has come for a moment. Who asks for an upload has mostly lost the connection of the
 * request before; what that sent lies in buffers, is read faster than it came, and need not be sent again.
 */
export class Lull implements Disposable {
  readonly #clock: Clock;
  readonly #asked: AbortSignal;
  readonly #source: Pick<Readable, 'isPaused'>;
  readonly #controller = new AbortController();
  /** Looks in a row that saw nothing come. */
  #silentLooks = 0;
  #cancel = () => {};

  /** A source that is paused on this side is not silent. */
  constructor(clock: Clock, asked: AbortSignal, source: Pick<Readable, 'isPaused'>) {
    this.#clock = clock;
    this.#asked = asked;
    this.#source = source;
    if (asked.aborted) this.#onAsked();
    else asked.addEventListener('abort', this.#onAsked, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** To be called with every piece that comes. */
  noteBytes(): void {
    this.#silentLooks = 0;
  }

  [Symbol.dispose](): void {
    this.#cancel();
    this.#asked.removeEventListener('abort', this.#onAsked);
  }

  readonly #onAsked = () => {
    const deadlineMs = this.#clock.monotonicMs() + LULL_WAIT_MAX_MS;
    this.#silentLooks = 0;
    const look = () => {
      this.#silentLooks = this.#source.isPaused() ? 0 : this.#silentLooks + 1;
      if (this.#silentLooks > LULL_LOOKS || this.#clock.monotonicMs() >= deadlineMs) {
        this.#controller.abort(this.#asked.reason);
      } else this.#lookSoon(look);
    };
    this.#lookSoon(look);
  };

  #lookSoon(look: () => void): void {
    this.#cancel = this.#clock.after(LULL_MS / LULL_LOOKS, look);
  }
}
