import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock/clock.ts';
import type { LaneAnswer } from '../../lib/http/get-lane.ts';
import { clientGone } from '../client-gone.ts';

/** Looks at the socket in one idle timeout; that many in a row without progress cut the client. */
const IDLE_CHECKS = 4;

/**
 * Writes a response's body straight to its socket. A piece is done with when `write` resolves: the operating
 * system has taken it, and its memory may be used again. However long a piece takes, a client is cut only when
 * the operating system took no bytes for the idle timeout; it takes them in steps, which bounds how slow one may be.
 */
export class ResponseSink implements LaneAnswer {
  readonly #outgoing: ServerResponse;
  readonly #clock: Clock;
  readonly #checkEveryMs: number;
  #resolve: (() => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  #idleChecks = 0;
  #waitingBytes = 0;
  #cancelCheck: (() => void) | undefined;
  readonly #onTaken = (error?: Error | null) => {
    const resolve = this.#resolve;
    if (error) this.#fail(clientGone(error));
    this.#resolve = undefined;
    this.#reject = undefined;
    resolve?.();
  };

  constructor(outgoing: ServerResponse, options: { clock: Clock; idleTimeoutMs: number }) {
    this.#outgoing = outgoing;
    this.#clock = options.clock;
    this.#checkEveryMs = options.idleTimeoutMs / IDLE_CHECKS;
    outgoing.once('close', () => {
      if (this.#reject) this.#fail(clientGone());
    });
  }

  begin(status: number, headers: OutgoingHttpHeaders): void {
    this.#outgoing.writeHead(status, headers);
  }

  /** Rejects with `client_gone`. One piece at a time. */
  write(piece: Buffer): Promise<void> {
    if (this.#outgoing.destroyed || this.#outgoing.socket?.destroyed) return Promise.reject(clientGone());
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      // One timer for all pieces: the first look at this one may come early and does not count.
      this.#idleChecks = this.#cancelCheck ? -1 : 0;
      this.#outgoing.write(piece, this.#onTaken);
      this.#waitingBytes = waitingBytes(this.#outgoing.socket);
      this.#cancelCheck ??= this.#clock.after(this.#checkEveryMs, this.#check);
    });
  }

  /** Ends the connection, so that a body that cannot be finished is not taken for a whole one. */
  cut(): void {
    this.#outgoing.destroy();
  }

  /** To be called when nothing more is to be written. */
  release(): void {
    this.#cancelCheck?.();
    this.#cancelCheck = undefined;
  }

  readonly #check = () => {
    const stillWaiting = waitingBytes(this.#outgoing.socket);
    const idle = this.#reject !== undefined && stillWaiting === this.#waitingBytes;
    this.#idleChecks = idle ? this.#idleChecks + 1 : 0;
    this.#waitingBytes = stillWaiting;
    if (this.#idleChecks >= IDLE_CHECKS) this.cut();
    else this.#cancelCheck = this.#clock.after(this.#checkEveryMs, this.#check);
  };

  #fail(error: Error): void {
    const reject = this.#reject;
    this.#resolve = undefined;
    this.#reject = undefined;
    reject?.(error);
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
