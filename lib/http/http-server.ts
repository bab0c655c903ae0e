import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { PROBLEM_CONTENT_TYPE } from '../errors/problem.ts';
import { continueOnFirstRead } from './expect-continue.ts';
import type { GetLane } from './get-lane.ts';

/** Whether it answers the request; see `HttpServerOptions.direct`. */
export type DirectHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => boolean;

export interface HttpServerOptions {
  /** A Hono app's `fetch`. */
  readonly fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>;
  /**
   * Is shown every request first. True: it answers this one itself, and the app never hears of it. For the few
   * requests that carry the bytes, where an app's objects and promises would be a good part of the cost.
   */
  readonly direct?: DirectHandler;
  /** Gets every connection first, and hands it over with its first request that is not for the lane. */
  readonly lane?: GetLane;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** How long open requests may go on once a stop began. */
  readonly drainTimeoutMs: number;
  /** Connections open at the same time; further ones are closed unanswered. Default 4096. */
  readonly maxConnections?: number;
}

const MAX_CONNECTIONS = 4096;

/**
 * How long a refused client may take to read the answer and close its side. Bytes it still sends meanwhile are
 * dropped: cutting at once would reset the connection, and the client could lose the answer.
 */
const REFUSAL_LINGER_MS = 1000;

/** How often a stopping server looks for connections that have nothing left to do. */
const IDLE_CHECK_MS = 25;

/** A listening HTTP/1.1 server. Disposing it stops accepting, lets open requests end, then cuts the rest. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #lane: GetLane | undefined;
  readonly #drainTimeoutMs: number;
  readonly host: string;
  readonly port: number;

  private constructor(server: Server, options: HttpServerOptions) {
    const { host, drainTimeoutMs, lane } = options;
    this.#server = server;
    this.#lane = lane;
    this.#drainTimeoutMs = drainTimeoutMs;
    this.host = host;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Rejects with the system's error (for example EADDRINUSE) when it cannot listen. */
  static async open(options: HttpServerOptions): Promise<HttpServer> {
    const serverOptions: ServerOptions = {
      headersTimeout: options.headersTimeoutMs,
      keepAliveTimeout: options.keepAliveTimeoutMs,
      maxHeaderSize: options.maxHeaderBytes,
      // Bodies may take hours; the byte path has idle timeouts of its own.
      requestTimeout: 0,
      noDelay: true,
    };
    const answer = getRequestListener((request, env) => options.fetch(request, env as HttpBindings), {
      overrideGlobalObjects: false,
    });
    const { direct = () => false } = options;
    const server = createServer(serverOptions, (incoming, outgoing) => {
      if (!direct(incoming, outgoing)) void answer(incoming, outgoing);
    });
    server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
    server.on('clientError', refuseMalformed);
    if (options.lane) putInFront(options.lane, server);
    server.on('checkContinue', (incoming, outgoing) => {
      continueOnFirstRead(incoming, outgoing);
      server.emit('request', incoming, outgoing);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new HttpServer(server, options);
  }

  /** The address to reach this server at from the same machine. */
  get url(): string {
    const host = this.host === '0.0.0.0' || this.host === '::' ? '127.0.0.1' : this.host;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // A connection whose last request ends after this point would stay open for the next one.
    const closeIdle = () => {
      this.#lane?.closeIdle();
      this.#server.closeIdleConnections();
    };
    const closingIdle = setInterval(closeIdle, IDLE_CHECK_MS);
    const cut = setTimeout(() => {
      this.#lane?.closeAll();
      this.#server.closeAllConnections();
    }, this.#drainTimeoutMs);
    closeIdle();
    await closed;
    clearInterval(closingIdle);
    clearTimeout(cut);
  }
}

/** The listener for new connections that the server has by itself waits behind the lane. */
function putInFront(lane: GetLane, server: Server): void {
  const listeners = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket) =>
    lane.accept(socket, () => {
      for (const listener of listeners) listener.call(server, socket);
    }),
  );
}

/** What the HTTP parser refuses, by the error code of Node or llhttp; everything else is a malformed request. */
const REFUSALS: Readonly<Record<string, { status: string; code: string; detail: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    code: 'headers_too_large',
    detail: 'The request line and headers are longer than this server accepts.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    code: 'request_timeout',
    detail: 'The request did not arrive in time.',
  },
};

const refused = new WeakSet<Duplex>();

/** Answers what never became a request, and closes the connection: where the next request starts is unknown. */
function refuseMalformed(error: Error & { code?: string }, socket: Duplex): void {
  if (refused.has(socket)) return;
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS[error.code ?? ''] ?? {
    status: '400 Bad Request',
    code: 'malformed_request',
    detail: 'This is not HTTP, or more bytes followed a request than its headers announced.',
  };
  const [status, ...words] = refusal.status.split(' ');
  const body = JSON.stringify({
    type: `urn:orbitvids:problem:${refusal.code}`,
    title: words.join(' '),
    status: Number(status),
    detail: refusal.detail,
    code: refusal.code,
  });
  refused.add(socket);
  const cut = setTimeout(() => socket.destroy(), REFUSAL_LINGER_MS);
  cut.unref();
  socket.once('close', () => clearTimeout(cut));
  socket.end(
    `HTTP/1.1 ${refusal.status}\r\ncontent-type: ${PROBLEM_CONTENT_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
