import type { ServerResponse } from 'node:http';
import type { Clock } from '../../lib/clock/clock.ts';
import { clientGone } from '../client-gone.ts';

/**
 * Writes a response's body straight to its socket. A piece is done with when `write` resolves: the operating
 * system has taken it, and its memory may be used again.
 */
export class ResponseSink {
  readonly #outgoing: ServerResponse;
  readonly #clock: Clock;
  readonly #idleTimeoutMs: number;
  #reject: ((error: Error) => void) | undefined;

  constructor(outgoing: ServerResponse, options: { clock: Clock; idleTimeoutMs: number }) {
    this.#outgoing = outgoing;
    this.#clock = options.clock;
    this.#idleTimeoutMs = options.idleTimeoutMs;
    outgoing.once('close', () => this.#reject?.(clientGone()));
  }

  /** Rejects with `client_gone`. */
  write(piece: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#outgoing.destroyed || this.#outgoing.socket?.destroyed) {
        reject(clientGone());
        return;
      }
      const cancelTimer = this.#clock.after(this.#idleTimeoutMs, () => this.cut());
      this.#reject = (error) => {
        cancelTimer();
        reject(error);
      };
      this.#outgoing.write(piece, (error) => {
        cancelTimer();
        this.#reject = undefined;
        if (error) reject(clientGone(error));
        else resolve();
      });
    });
  }

  /** Ends the connection, so that a body that cannot be finished is not taken for a whole one. */
  cut(): void {
    this.#outgoing.destroy();
  }
}
