import { connect, type Socket } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import { AppError, assert } from '../errors/app-error.ts';
import { HEAD_LIMIT_BYTES, parseResponseHead, protocolError, type ResponseHead } from './response-head.ts';

/**
 * Takes one piece of a body. The piece is memory that is read into again: it is valid only until the returned
 * promise resolves, and nothing more is read from the peer before.
 */
export type PieceConsumer = (piece: Buffer) => Promise<void> | undefined | void;

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly connectTimeoutMs: number;
  /** Makes the buffer that streamed bodies are read into. */
  readonly createStage: () => Buffer;
  /** Called when nobody uses that buffer any more, be it long after the connection was closed. */
  readonly onStageFree: (stage: Buffer) => void;
}

export interface ConnectionRequest {
  readonly head: string;
  readonly body: Uint8Array | undefined;
  /** Where a 200 or 206 body is to land. */
  readonly into: Buffer | undefined;
  readonly expectsBody: boolean;
  /** Longest time without a byte while the peer is expected to send. */
  readonly idleTimeoutMs: number;
}

const HEAD_END = '\r\n\r\n';

type State = 'idle' | 'head' | 'parked' | 'into' | 'piping' | 'closed';

/**
 * One keep-alive HTTP/1.1 client connection that carries one request at a time. The socket reads into memory
 * of ours (`onread`): either the caller's buffer, so that a body lands in place, or one buffer for heads and one
 * for streamed bodies that are used again and again. None allocates per read.
 */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #headBuffer = Buffer.allocUnsafeSlow(HEAD_LIMIT_BYTES);
  /** Only connections that stream bodies have one. */
  #stage: Buffer | undefined;
  #state: State = 'idle';
  #headText = '';
  #into: Buffer | undefined;
  #bodyLeft = 0;
  /** Body bytes that came with the head and wait in its buffer. */
  #early: Buffer | undefined;
  #keepAlive = true;
  #paused = false;
  #connected = false;
  #failure: Error | undefined;
  #expectsBody = true;
  #bodyEnded = false;
  #onHead: ((head: ResponseHead) => void) | undefined;
  #onBodyEnd: (() => void) | undefined;
  #onFailure: ((error: Error) => void) | undefined;
  #consume: PieceConsumer | undefined;
  #lastProgressMs = 0;
  #idleTimeoutMs = 0;
  #cancelTimer: (() => void) | undefined;
  #timerDueMs = 0;
  /** Whether a byte of the current response has arrived. */
  responding = false;
  /** Called once, when the connection can carry no further request. */
  onClosed: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = connect({
      host: options.host,
      port: options.port,
      noDelay: true,
      onread: {
        buffer: () => this.#readTarget(),
        callback: (byteCount, buffer) => this.#onBytes(byteCount, buffer as Buffer),
      },
    });
    this.#socket.on('connect', () => {
      this.#connected = true;
      this.#progress();
      if (this.#cancelTimer) this.#watch(this.#idleTimeoutMs);
    });
    this.#socket.on('error', (error) =>
      this.#fail(
        new AppError(this.#connected ? 'peer_closed' : 'peer_unreachable', error.message, {
          cause: error,
          retryable: true,
        }),
      ),
    );
    this.#socket.on('end', () => this.#fail(closedError()));
    this.#socket.on('close', () => this.#fail(closedError()));
    this.#socket.resume();
  }

  get usable(): boolean {
    return this.#state === 'idle';
  }

  /** Whether the last response was read whole. Stays true when the connection closes after it. */
  get bodyEnded(): boolean {
    return this.#bodyEnded;
  }

  /**
   * Sends a request. With `into`, a 200 or 206 answer must have exactly its length and lands in it. Resolves
   * with the head; the body is then to be taken with `finished`, `pipe` or dropped with `destroy`.
   */
  send(request: ConnectionRequest): Promise<ResponseHead> {
    assert(this.#state === 'idle', 'a connection carries one request at a time');
    this.#state = 'head';
    this.#headText = '';
    this.#into = request.into;
    this.#expectsBody = request.expectsBody;
    this.#bodyEnded = false;
    this.#idleTimeoutMs = request.idleTimeoutMs;
    this.responding = false;
    this.#progress();
    this.#watch(this.#connected ? this.#idleTimeoutMs : this.#options.connectTimeoutMs);
    this.#socket.cork();
    this.#socket.write(request.head, 'latin1');
    if (request.body) this.#socket.write(request.body);
    this.#socket.uncork();
    return new Promise((resolve, reject) => {
      this.#onHead = resolve;
      this.#onFailure = reject;
    });
  }

  /** Resolves when the body has been read whole: into `into`, or because there was none. */
  finished(): Promise<void> {
    if (this.#bodyEnded) return Promise.resolve();
    if (this.#state === 'closed') return Promise.reject(this.#failure);
    assert(this.#state === 'into', 'finished() is for bodies with a buffer of their own');
    return new Promise((resolve, reject) => {
      this.#onBodyEnd = resolve;
      this.#onFailure = reject;
    });
  }

  /** Hands the body to the consumer piece by piece; resolves after the last piece was taken. */
  pipe(consume: PieceConsumer): Promise<void> {
    if (this.#bodyEnded) return Promise.resolve();
    if (this.#state === 'closed') return Promise.reject(this.#failure);
    assert(this.#state === 'parked', 'a body can be piped once');
    return new Promise((resolve, reject) => {
      this.#state = 'piping';
      this.#consume = consume;
      this.#onBodyEnd = resolve;
      this.#onFailure = reject;
      const early = this.#early;
      this.#early = undefined;
      if (early && early.length > 0) this.#give(early);
      if (this.#bodyLeft > 0 && !this.#paused) this.#resume();
    });
  }

  /** Cuts the connection; whatever waits on it rejects with `error`. Idempotent. */
  destroy(error: Error = closedError()): void {
    this.#fail(error);
  }

  /** Where the next read is to land. Called by the socket after every read, also when it pauses. */
  #readTarget(): Buffer {
    if (this.#state === 'into') return this.#into!.subarray(this.#into!.length - this.#bodyLeft);
    if (this.#state === 'piping' || this.#state === 'parked') {
      this.#stage ??= this.#options.createStage();
      return this.#stage;
    }
    // A short first read keeps what comes along with the head, and must be copied, small.
    return this.#headBuffer;
  }

  /** The socket's read callback; false pauses reading. */
  #onBytes(byteCount: number, buffer: Buffer): boolean {
    this.#progress();
    this.responding = true;
    switch (this.#state) {
      case 'head':
        return this.#onHeadBytes(buffer.subarray(0, byteCount));
      case 'into':
        this.#bodyLeft -= byteCount;
        if (this.#bodyLeft === 0) this.#endBody();
        return true;
      case 'piping':
        this.#give(buffer.subarray(0, byteCount));
        return !this.#paused;
      default:
        this.#fail(protocolError('bytes came that nobody asked for'));
        return false;
    }
  }

  #onHeadBytes(bytes: Buffer): boolean {
    // Only the head is decoded: the read may have brought a good part of the body along.
    const before = this.#headText.length;
    const borderEnd = before === 0 ? 0 : Math.min(bytes.length, 3);
    const border =
      before === 0 ? -1 : (this.#headText + bytes.toString('latin1', 0, borderEnd)).indexOf(HEAD_END);
    const end = border >= 0 ? border - before : bytes.indexOf(HEAD_END);
    if (end === -1 && border < 0) {
      if (before + bytes.length > HEAD_LIMIT_BYTES) this.#fail(protocolError('the head is too long'));
      else this.#headText += bytes.toString('latin1');
      return true;
    }
    const text = end >= 0 ? this.#headText + bytes.toString('latin1', 0, end) : this.#headText.slice(0, end);
    const early = bytes.subarray(end + HEAD_END.length);
    this.#headText = '';
    let head: ResponseHead;
    try {
      head = parseResponseHead(text);
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    this.#keepAlive = head.keepAlive;
    return this.#startBody(head, early);
  }

  /** Decides where the body goes; true when reading goes on at once. */
  #startBody(head: ResponseHead, early: Buffer): boolean {
    const length = this.#expectsBody ? head.contentLength : 0;
    const onHead = this.#onHead;
    this.#onHead = undefined;
    if (early.length > length) {
      this.#fail(protocolError('the body is longer than its Content-Length'));
      return false;
    }
    this.#bodyLeft = length;
    if (length === 0) {
      this.#endBody();
    } else if (this.#into && (head.status === 200 || head.status === 206)) {
      if (length !== this.#into.length) {
        this.#fail(protocolError(`${length} bytes were announced where ${this.#into.length} were asked for`));
        return false;
      }
      early.copy(this.#into);
      this.#state = 'into';
      this.#bodyLeft -= early.length;
      if (this.#bodyLeft === 0) this.#endBody();
    } else {
      this.#state = 'parked';
      this.#early = early;
      this.#paused = false;
    }
    onHead?.(head);
    return this.#state !== 'parked';
  }

  #give(piece: Buffer): void {
    if (piece.length > this.#bodyLeft) {
      this.#fail(protocolError('the body is longer than its Content-Length'));
      return;
    }
    this.#bodyLeft -= piece.length;
    const taken = this.#consume!(piece);
    if (taken === undefined) {
      if (this.#bodyLeft === 0) this.#endBody();
      return;
    }
    this.#paused = true;
    taken.then(
      () => {
        this.#paused = false;
        if (this.#state === 'closed') this.#freeStage();
        if (this.#state !== 'piping') return;
        if (this.#bodyLeft === 0) this.#endBody();
        else this.#resume();
      },
      (error) => {
        this.#paused = false;
        if (this.#state === 'closed') this.#freeStage();
        else this.#fail(error as Error);
      },
    );
  }

  #freeStage(): void {
    if (this.#stage) this.#options.onStageFree(this.#stage);
    this.#stage = undefined;
  }

  #resume(): void {
    this.#progress();
    if (!this.#cancelTimer) this.#watch(this.#idleTimeoutMs);
    this.#socket.resume();
  }

  #endBody(): void {
    this.#into = undefined;
    this.#consume = undefined;
    this.#onFailure = undefined;
    const onBodyEnd = this.#onBodyEnd;
    this.#onBodyEnd = undefined;
    this.#bodyEnded = true;
    this.#state = 'idle';
    if (!this.#keepAlive) this.#fail(closedError());
    else this.#socket.resume();
    onBodyEnd?.();
  }

  #progress(): void {
    this.#lastProgressMs = this.#options.clock.monotonicMs();
  }

  /**
   * One timer for many answers: when it fires it is set anew for what is left since the last byte. A timer of an earlier
   * answer that fires before serves this one as well.
   */
  #watch(timeoutMs: number): void {
    const dueMs = this.#options.clock.monotonicMs() + timeoutMs;
    if (this.#cancelTimer && this.#timerDueMs <= dueMs) return;
    this.#stopWatch();
    this.#timerDueMs = dueMs;
    this.#cancelTimer = this.#options.clock.after(timeoutMs, () => {
      // After a blocked event loop timers run before reads; what has come by now is read before the immediate.
      const check = setImmediate(() => this.#checkIdle());
      this.#cancelTimer = () => clearImmediate(check);
    });
  }

  #checkIdle(): void {
    this.#cancelTimer = undefined;
    if (this.#state === 'idle') return;
    const waitsForConsumer = this.#state === 'parked' || (this.#state === 'piping' && this.#paused);
    const idleMs = waitsForConsumer ? 0 : this.#options.clock.monotonicMs() - this.#lastProgressMs;
    if (!this.#connected) {
      this.#fail(
        new AppError('peer_unreachable', 'The peer did not accept the connection in time.', {
          retryable: true,
        }),
      );
    } else if (idleMs >= this.#idleTimeoutMs - 1) {
      this.#fail(
        new AppError('peer_stalled', `The peer sent nothing for ${Math.round(idleMs)} ms.`, {
          retryable: true,
        }),
      );
    } else {
      this.#watch(this.#idleTimeoutMs - idleMs);
    }
  }

  #stopWatch(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #fail(error: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#failure = error;
    this.#stopWatch();
    this.#socket.destroy();
    if (!this.#paused) this.#freeStage();
    const onFailure = this.#onFailure;
    this.#onFailure = undefined;
    this.#onHead = undefined;
    this.#onBodyEnd = undefined;
    this.#consume = undefined;
    this.#into = undefined;
    onFailure?.(error);
    this.onClosed?.();
  }
}

function closedError(): AppError<'peer_closed'> {
  return new AppError('peer_closed', 'The peer closed the connection.', { retryable: true });
}
