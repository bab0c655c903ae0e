import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock/clock.ts';
import { clientGone } from '../client-gone.ts';

/** Looks at the socket in one idle timeout; that many in a row without progress cut the client. */
const IDLE_CHECKS = 4;

/**
 * Writes a response's body straight to its socket. A piece is done with when `write` resolves: the operating
 * system has taken it, and its memory may be used again. However long a piece takes, a client is cut only when
 * the operating system took no bytes for the idle timeout; it takes them in steps, which bounds how slow one may be.
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
      let cancelTimer = () => {};
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
      let waiting = waitingBytes(this.#outgoing.socket);
      let idleChecks = 0;
      const check = () => {
        const stillWaiting = waitingBytes(this.#outgoing.socket);
        idleChecks = stillWaiting === waiting ? idleChecks + 1 : 0;
        waiting = stillWaiting;
        if (idleChecks === IDLE_CHECKS) this.cut();
        else cancelTimer = this.#clock.after(this.#idleTimeoutMs / IDLE_CHECKS, check);
      };
      cancelTimer = this.#clock.after(this.#idleTimeoutMs / IDLE_CHECKS, check);
    });
  }

  /** Ends the connection, so that a body that cannot be finished is not taken for a whole one. */
  cut(): void {
    this.#outgoing.destroy();
  }
}

/**
 * Bytes of the current write that the operating system has not taken. Only the handle sees it take a part of a
 * piece: `bytesWritten` and `writableLength` move when a piece is taken whole.
 */
function waitingBytes(socket: Socket | null): number {
  const handle = (socket as { _handle?: { writeQueueSize?: number } | null } | null)?._handle;
  return handle?.writeQueueSize ?? 0;
}
