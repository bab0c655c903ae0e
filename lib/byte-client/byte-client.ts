import type { Clock } from '../clock/clock.ts';
import { AppError, isAppError } from '../errors/app-error.ts';
import { Connection, type PieceConsumer } from './connection.ts';
import type { ResponseHead } from './response-head.ts';

export interface ByteClientOptions {
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
  /** Longest time without a byte from a peer that is expected to send. */
  readonly idleTimeoutMs: number;
  /** Connections kept open for the next request, per host and port. */
  readonly maxIdlePerHost: number;
  /** Size of the buffer a streamed body is read into; one per connection that streamed one. Default 256 KiB. */
  readonly stageBytes?: number;
  /** Larger ones, which cost less per byte, for the first connections that ask; the rest get by without. */
  readonly largeStages?: { readonly bytes: number; readonly max: number };
}

export interface ByteRequest {
  readonly method: string;
  /** Absolute http URL; path and query are sent as they stand. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Where the body of a 200 or 206 answer is to land; it must have exactly this length. */
  readonly into?: Buffer;
  readonly signal?: AbortSignal;
  /** Overrides the client's idle timeout for this exchange. */
  readonly idleTimeoutMs?: number;
}

export interface ByteResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly contentLength: number;
  /** With `into`: resolves when the last byte is there. */
  completed(): Promise<void>;
  /** Without `into`: hands the body on piece by piece, see PieceConsumer. Resolves after the last one. */
  pipe(consume: PieceConsumer): Promise<void>;
  /** The body as text, for problem documents; rejects when it is longer than the limit. */
  text(limitBytes: number): Promise<string>;
  /** Gives the response up and cuts its connection unless it has ended. */
  destroy(): void;
}

/**
 * A small HTTP/1.1 client for bulk bytes between this project's servers: pooled keep-alive connections, bodies
 * of known length that land in memory of ours, backpressure, timeouts, strict parsing. Every request must be
 * idempotent: one that fails on a reused connection before any answer is sent once more on a new connection.
 *
 * Errors are AppErrors: `peer_unreachable`, `peer_closed`, `peer_stalled`, `peer_protocol`, or the signal's reason.
 */
export class ByteClient implements AsyncDisposable {
  readonly #options: ByteClientOptions;
  readonly #idle = new Map<string, Connection[]>();
  readonly #open = new Set<Connection>();
  #largeStages = 0;
  #isClosed = false;

  constructor(options: ByteClientOptions) {
    this.#options = options;
  }

  async request(request: ByteRequest): Promise<ByteResponse> {
    request.signal?.throwIfAborted();
    if (this.#isClosed) throw new AppError('peer_closed', 'The client was closed.');
    const { host, port, key, target } = addressOf(request.url);
    const reused = this.#takeIdle(key);
    const connection = reused ?? this.#connect(host, port, key);
    try {
      return await this.#exchange(connection, key, target, request);
    } catch (error) {
      const stale = reused && !connection.responding && !request.signal?.aborted && !this.#isClosed;
      if (!stale || !isAppError(error) || error.code !== 'peer_closed') throw error;
      return await this.#exchange(this.#connect(host, port, key), key, target, request);
    }
  }

  async #exchange(
    connection: Connection,
    key: string,
    target: string,
    request: ByteRequest,
  ): Promise<ByteResponse> {
    const exchange = new Exchange(connection, request.signal, () => this.#giveBack(key, connection));
    try {
      const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body;
      const answer = await connection.send({
        head: headOf(request, key, target, body),
        body,
        into: request.into,
        expectsBody: request.method !== 'HEAD',
        idleTimeoutMs: request.idleTimeoutMs ?? this.#options.idleTimeoutMs,
      });
      if (connection.bodyEnded) exchange.end();
      return responseOf(exchange, answer);
    } catch (error) {
      exchange.end();
      throw error;
    }
  }

  #takeIdle(key: string): Connection | undefined {
    const idle = this.#idle.get(key);
    const connection = idle?.pop();
    if (idle?.length === 0) this.#idle.delete(key);
    return connection;
  }

  #giveBack(key: string, connection: Connection): void {
    if (!connection.usable) {
      connection.destroy();
      return;
    }
    let idle = this.#idle.get(key);
    if (!idle) {
      idle = [];
      this.#idle.set(key, idle);
    }
    if (idle.length >= this.#options.maxIdlePerHost) connection.destroy();
    else idle.push(connection);
  }

  #connect(host: string, port: number, key: string): Connection {
    const connection = new Connection({
      clock: this.#options.clock,
      host,
      port,
      connectTimeoutMs: this.#options.connectTimeoutMs,
      createStage: () => this.#createStage(),
      onStageFree: (stage) => {
        if (stage.length === this.#options.largeStages?.bytes) this.#largeStages -= 1;
      },
    });
    this.#open.add(connection);
    connection.onClosed = () => {
      this.#open.delete(connection);
      this.#forgetIdle(key, connection);
    };
    return connection;
  }

  #createStage(): Buffer {
    const { stageBytes = 256 * 1024, largeStages } = this.#options;
    if (!largeStages || this.#largeStages >= largeStages.max) return Buffer.allocUnsafeSlow(stageBytes);
    this.#largeStages += 1;
    return Buffer.allocUnsafeSlow(largeStages.bytes);
  }

  #forgetIdle(key: string, connection: Connection): void {
    const idle = this.#idle.get(key);
    const index = idle?.indexOf(connection) ?? -1;
    if (idle === undefined || index < 0) return;
    idle.splice(index, 1);
    if (idle.length === 0) this.#idle.delete(key);
  }

  /** Cuts every connection; requests that are under way, and any later ones, reject with `peer_closed`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const connection of this.#open) connection.destroy();
    this.#idle.clear();
  }
}

/** One request's hold on a connection; once it has ended the connection may serve somebody else. */
class Exchange {
  readonly #connection: Connection;
  readonly #signal: AbortSignal | undefined;
  readonly #giveBack: () => void;
  readonly #onAbort = () => this.#connection.destroy(reasonOf(this.#signal));
  #over = false;

  constructor(connection: Connection, signal: AbortSignal | undefined, giveBack: () => void) {
    this.#connection = connection;
    this.#signal = signal;
    this.#giveBack = giveBack;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Runs the rest of the exchange on its connection, unless it has ended. */
  async finishWith(rest: (connection: Connection) => Promise<void>): Promise<void> {
    if (this.#over) return;
    try {
      await rest(this.#connection);
    } finally {
      this.end();
    }
  }

  /** Gives the connection back, or cuts it when it is not at rest. Idempotent. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#giveBack();
  }
}

function responseOf(exchange: Exchange, head: ResponseHead): ByteResponse {
  const pipe = (consume: PieceConsumer) => exchange.finishWith((connection) => connection.pipe(consume));
  return {
    status: head.status,
    headers: head.headers,
    contentLength: head.contentLength,
    completed: () => exchange.finishWith((connection) => connection.finished()),
    pipe,
    async text(limitBytes) {
      if (head.contentLength > limitBytes) {
        exchange.end();
        throw new AppError('peer_protocol', `The peer's answer is longer than ${limitBytes} bytes.`);
      }
      const pieces: Buffer[] = [];
      await pipe((piece) => {
        pieces.push(Buffer.from(piece));
      });
      return Buffer.concat(pieces).toString('utf8');
    },
    destroy: () => exchange.end(),
  };
}

/** Splits an absolute http URL by hand: `new URL` normalises and costs more than the rest of a request's head. */
function addressOf(url: string): { host: string; port: number; key: string; target: string } {
  const match = /^http:\/\/(\[[0-9a-fA-F:.]+\]|[^/:?#[\]]+)(?::(\d{1,5}))?(\/[^\s#]*)?$/.exec(url);
  if (!match) throw new AppError('peer_protocol', 'The URL is not an absolute http URL.');
  const host = match[1]!.replace(/^\[|\]$/g, '');
  const port = match[2] === undefined ? 80 : Number(match[2]);
  return { host, port, key: `${match[1]}:${port}`, target: match[3] ?? '/' };
}

function headOf(request: ByteRequest, host: string, target: string, body: Uint8Array | undefined): string {
  let head = `${request.method} ${target} HTTP/1.1\r\nhost: ${host}\r\n`;
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (/[\r\n]/.test(name) || /[\r\n]/.test(value))
      throw new AppError('peer_protocol', 'A header has a line break.');
    head += `${name}: ${value}\r\n`;
  }
  if (body) head += `content-length: ${body.length}\r\n`;
  return `${head}\r\n`;
}

function reasonOf(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted');
}
