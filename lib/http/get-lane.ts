import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../clock/clock.ts';
import { AppError } from '../errors/app-error.ts';

/** A GET in the one form that a lane takes. */
export interface LaneRequest {
  /** Path and query as received. */
  readonly target: string;
  /** The Range header; undefined when there is none. */
  readonly range: string | undefined;
}

/** Where the answer to a lane's request goes. The body must be as long as its head announced, or `cut`. */
export interface LaneAnswer {
  /** Keeps the head for the first piece, with which it is sent. Values must not have line breaks. */
  begin(status: number, headers: Readonly<Record<string, string | number>>): void;
  /**
   * Sends one piece. Its memory may be used again at once when nothing is returned, else when the promise resolves;
   * that rejects with `client_gone`.
   */
  write(piece: Buffer): Promise<void> | undefined;
  /** Ends the connection, so that a body that cannot be finished is not taken for a whole one. */
  cut(): void;
}

export interface GetLaneOptions {
  /** The targets that are answered here. */
  readonly target: RegExp;
  /** Must not reject. Resolves when the whole answer was written, or the connection was cut. */
  readonly answer: (request: LaneRequest, answer: LaneAnswer) => Promise<void>;
  readonly clock: Clock;
  /** Connections without a request for so long are closed, up to a quarter later. */
  readonly keepAliveTimeoutMs: number;
  /** Clients of which the operating system takes nothing for so long are cut, up to a quarter later. */
  readonly sendIdleTimeoutMs: number;
}

/**
 * Exactly what `ByteClient` sends for a GET, with nothing before or behind it. Everything else is for the HTTP server,
 * which knows the whole protocol.
 */
const PLAIN_GET = /^GET (\/[!-~]*) HTTP\/1\.1\r\nhost: [!-~]+\r\n(?:range: ([ -~]*)\r\n)?\r\n$/;
const PLAIN_GET_BYTES_MAX = 2048;
/** Looks at every connection so many times in the shorter of its timeouts. */
const LOOKS = 4;

/**
 * Answers plain GETs past Node's HTTP server, on the sockets themselves: its parser, request, response and their
 * events cost as much CPU time as moving a few hundred KiB. A connection is in the lane until its first request of
 * another form, which the HTTP server gets together with everything that follows it.
 */
export class GetLane {
  readonly #options: GetLaneOptions;
  readonly #connections = new Set<LaneConnection>();
  readonly #lookEveryMs: number;
  #cancelLook: (() => void) | undefined;

  constructor(options: GetLaneOptions) {
    this.#options = options;
    this.#lookEveryMs = Math.min(options.keepAliveTimeoutMs, options.sendIdleTimeoutMs) / LOOKS;
  }

  /** Takes a new connection; `handOver` gives it to the HTTP server. */
  accept(socket: Socket, handOver: () => void): void {
    const connection = new LaneConnection(socket, this.#options, handOver, () =>
      this.#connections.delete(connection),
    );
    this.#connections.add(connection);
    this.#cancelLook ??= this.#options.clock.after(this.#lookEveryMs, this.#look);
  }

  /** Closes the connections that answer nothing now. */
  closeIdle(): void {
    for (const connection of this.#connections) connection.closeIfIdle();
  }

  closeAll(): void {
    for (const connection of this.#connections) connection.cut();
  }

  /** One timer for all connections: setting one for every answer shows. */
  readonly #look = () => {
    for (const connection of this.#connections) connection.checkProgress(this.#lookEveryMs);
    const goOn = this.#connections.size > 0;
    this.#cancelLook = goOn ? this.#options.clock.after(this.#lookEveryMs, this.#look) : undefined;
  };
}

class LaneConnection implements LaneAnswer {
  readonly #socket: Socket;
  readonly #options: GetLaneOptions;
  readonly #handOver: () => void;
  readonly #onLeave: () => void;
  #busy = false;
  /** What came while an answer was under way. */
  #queued: Buffer | undefined;
  #ended = false;
  #head: string | undefined;
  /** Writes that the socket has not called back for; its callbacks come in order. */
  #unconfirmed = 0;
  #resolve: (() => void) | undefined;
  #reject: ((error: Error) => void) | undefined;
  /** Since the last look at which something had moved. */
  #quietMs = 0;
  #waitingBytes = 0;

  constructor(socket: Socket, options: GetLaneOptions, handOver: () => void, onLeave: () => void) {
    this.#socket = socket;
    this.#options = options;
    this.#handOver = handOver;
    this.#onLeave = onLeave;
    socket.on('data', this.#onData).on('end', this.#onEnd);
    socket.on('error', ignore).on('close', this.#onClose);
  }

  begin(status: number, headers: Readonly<Record<string, string | number>>): void {
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ndate: ${dateOf(this.#options.clock.nowMs())}\r\n`;
    for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
    this.#head = `${head}connection: keep-alive\r\n\r\n`;
  }

  write(piece: Buffer): Promise<void> | undefined {
    const socket = this.#socket;
    if (socket.destroyed) return Promise.reject(clientGone());
    this.#quietMs = 0;
    this.#unconfirmed += 1;
    if (this.#head === undefined) {
      socket.write(piece, this.#onTaken);
    } else {
      socket.cork();
      socket.write(this.#head, 'latin1');
      socket.write(piece, this.#onTaken);
      socket.uncork();
      this.#head = undefined;
    }
    // The operating system took all of it at once; the socket says so later.
    if (socket.writableLength === 0) return undefined;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  cut(): void {
    this.#socket.destroy();
  }

  closeIfIdle(): void {
    if (!this.#busy) this.#socket.destroy();
  }

  checkProgress(sinceMs: number): void {
    const waitingBytes = waitingBytesOf(this.#socket);
    const { keepAliveTimeoutMs, sendIdleTimeoutMs } = this.#options;
    const moved = this.#busy && (waitingBytes !== this.#waitingBytes || waitingBytes === 0);
    this.#waitingBytes = waitingBytes;
    this.#quietMs = moved ? 0 : this.#quietMs + sinceMs;
    if (this.#quietMs > (this.#busy ? sendIdleTimeoutMs : keepAliveTimeoutMs)) this.cut();
  }

  readonly #onData = (bytes: Buffer) => {
    if (!this.#busy) {
      this.#take(bytes);
      return;
    }
    this.#socket.pause();
    this.#queued = this.#queued ? Buffer.concat([this.#queued, bytes]) : bytes;
  };

  #take(bytes: Buffer): void {
    const plain = bytes.length <= PLAIN_GET_BYTES_MAX ? PLAIN_GET.exec(bytes.toString('latin1')) : null;
    if (!plain || !this.#options.target.test(plain[1]!)) {
      this.#leaveWith(bytes);
      return;
    }
    this.#busy = true;
    this.#quietMs = 0;
    void this.#options.answer({ target: plain[1]!, range: plain[2] }, this).then(this.#next);
  }

  readonly #next = () => {
    this.#busy = false;
    this.#quietMs = 0;
    const queued = this.#queued;
    if (queued) {
      this.#queued = undefined;
      this.#take(queued);
      if (!this.#busy) return;
      this.#socket.resume();
    } else if (this.#ended) {
      this.#socket.end();
    }
  };

  #leaveWith(bytes: Buffer): void {
    const socket = this.#socket;
    socket.off('data', this.#onData).off('end', this.#onEnd);
    socket.off('error', ignore).off('close', this.#onClose);
    this.#onLeave();
    socket.pause();
    this.#handOver();
    socket.unshift(bytes);
    socket.resume();
  }

  readonly #onTaken = (error?: Error | null) => {
    this.#unconfirmed -= 1;
    if (error || this.#unconfirmed > 0) return;
    this.#resolve?.();
    this.#resolve = undefined;
    this.#reject = undefined;
  };

  readonly #onEnd = () => {
    this.#ended = true;
    if (!this.#busy) this.#socket.end();
  };

  readonly #onClose = () => {
    this.#onLeave();
    this.#resolve = undefined;
    this.#reject?.(clientGone());
    this.#reject = undefined;
  };
}

function ignore(): void {}

function clientGone(): AppError<'client_gone'> {
  return new AppError('client_gone', 'The client went away.');
}

/** Bytes of the current write that the operating system has not taken. Only the handle sees it take a part of them. */
function waitingBytesOf(socket: Socket): number {
  const handle = (socket as { _handle?: { writeQueueSize?: number } | null })._handle;
  return handle?.writeQueueSize ?? 0;
}

let dateSecond = 0;
let dateText = '';
/** The Date header, made once a second. */
function dateOf(nowMs: number): string {
  const second = Math.floor(nowMs / 1000);
  if (second !== dateSecond || dateText === '') {
    dateSecond = second;
    dateText = new Date(nowMs).toUTCString();
  }
  return dateText;
}
