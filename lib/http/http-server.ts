import type { Server, ServerOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';

export interface HttpServerOptions {
  /** A Hono app's `fetch`. */
  readonly fetch: (request: Request, env: HttpBindings) => Response | Promise<Response>;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly headersTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly maxHeaderBytes: number;
  /** How long open requests may go on once a stop began. */
  readonly drainTimeoutMs: number;
}

/** A listening HTTP/1.1 server. Disposing it stops accepting, lets open requests end, then cuts the rest. */
export class HttpServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #drainTimeoutMs: number;
  readonly host: string;
  readonly port: number;

  private constructor(server: Server, host: string, drainTimeoutMs: number) {
    this.#server = server;
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
    const server = createAdaptorServer({
      fetch: (request, env) => options.fetch(request, env as HttpBindings),
      overrideGlobalObjects: false,
      serverOptions,
    }) as Server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return new HttpServer(server, options.host, options.drainTimeoutMs);
  }

  /** The address to reach this server at from the same machine. */
  get url(): string {
    const host = this.host === '0.0.0.0' || this.host === '::' ? '127.0.0.1' : this.host;
    return `http://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), this.#drainTimeoutMs);
    await closed;
    clearTimeout(cut);
  }
}
