import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A chunk in this process's memory that nodes may fetch until the offer is withdrawn. */
export interface Offer {
  /** Absolute URL that answers GET with the chunk's bytes. Not guessable: knowing it is the permission. */
  readonly url: string;
  /** Cuts transfers that are under way. When it returns nobody reads the pages any more. Idempotent. */
  withdraw(): void;
}

interface Entry {
  readonly pages: readonly Buffer[];
  readonly length: number;
  readonly responses: Set<ServerResponse>;
}

/**
 * Where storage nodes pull new chunks from. A node that pulls reads into its own chunk buffer and pays half of
 * what receiving a PUT costs it, and the coordinator writes the same pages to all owners without a copy.
 */
export class ChunkOutbox implements AsyncDisposable {
  readonly #server: Server;
  readonly #entries = new Map<string, Entry>();
  readonly #baseUrl: string;
  readonly #createToken: () => string;

  private constructor(server: Server, baseUrl: string, createToken: () => string) {
    this.#server = server;
    this.#baseUrl = baseUrl;
    this.#createToken = createToken;
    server.on('request', (request, response) =>
      this.#answer(request.url ?? '', request.method ?? '', response),
    );
  }

  /**
   * Listens on `host`:`port` (0 picks a port). `advertiseHost` is how nodes reach this machine. `createToken`
   * yields at least 128 random bits as URL-safe text.
   */
  static async open(options: {
    host: string;
    port: number;
    advertiseHost: string;
    createToken: () => string;
  }): Promise<ChunkOutbox> {
    const server = createServer({ keepAliveTimeout: 60_000, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port, options.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    const { port } = server.address() as AddressInfo;
    const host = options.advertiseHost.includes(':') ? `[${options.advertiseHost}]` : options.advertiseHost;
    return new ChunkOutbox(server, `http://${host}:${port}`, options.createToken);
  }

  offer(pages: readonly Buffer[], length: number): Offer {
    const token = this.#createToken();
    const entry: Entry = { pages, length, responses: new Set() };
    this.#entries.set(token, entry);
    return {
      url: `${this.#baseUrl}/${token}`,
      withdraw: () => {
        this.#entries.delete(token);
        for (const response of entry.responses) response.destroy();
        entry.responses.clear();
      },
    };
  }

  #answer(target: string, method: string, response: ServerResponse): void {
    const entry = this.#entries.get(target.slice(1));
    if (!entry || method !== 'GET') {
      response.writeHead(404, { 'content-length': 0 }).end();
      return;
    }
    entry.responses.add(response);
    response.on('close', () => entry.responses.delete(response));
    response.writeHead(200, { 'content-length': entry.length, 'content-type': 'application/octet-stream' });
    response.cork();
    for (const page of entry.pages) response.write(page);
    response.end();
    response.uncork();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}
