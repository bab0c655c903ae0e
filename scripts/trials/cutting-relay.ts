import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

export interface RelayOptions {
  /** Where connections lead. */
  readonly target: string;
  /** The connection is cut each time that so many bytes have gone to the target in all; ascending. */
  readonly cutAfterBytes: readonly number[];
  /** How the n-th cut is made: in order, or with a reset that throws away what is still on its way. */
  readonly resets: (cut: number) => boolean;
  /** Of the line, each way. */
  readonly bytesPerSecond: number;
}

const SLICE_MS = 10;

/** A bad line to a server: as fast as it is said to be, and cut at given places. Counts what is sent over it. */
export class CuttingRelay implements AsyncDisposable {
  readonly #server: Server;
  readonly #options: RelayOptions;
  readonly #sockets = new Set<Socket>();
  #sentBytes = 0;
  #cuts = 0;

  private constructor(server: Server, options: RelayOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (client) => this.#relay(client));
  }

  static async open(options: RelayOptions): Promise<CuttingRelay> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', () => resolve());
    });
    return new CuttingRelay(server, options);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes that went to the target, those of heads included, whether they arrived or not. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get cuts(): number {
    return this.#cuts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #relay(client: Socket): void {
    const { hostname, port } = new URL(this.#options.target);
    const target = connect({ host: hostname, port: Number(port), noDelay: true });
    for (const socket of [client, target]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        target.destroy();
      });
    }
    target.pipe(client);
    client.on('data', (piece: Buffer) => this.#forward(client, target, piece));
  }

  #forward(client: Socket, target: Socket, piece: Buffer): void {
    const { cutAfterBytes, bytesPerSecond, resets } = this.#options;
    const left = (cutAfterBytes[this.#cuts] ?? Number.POSITIVE_INFINITY) - this.#sentBytes;
    const part = piece.subarray(0, left);
    this.#sentBytes += part.length;
    client.pause();
    target.write(part, () => {
      if (part.length < piece.length || part.length === left) {
        this.#cuts += 1;
        client.resetAndDestroy();
        if (resets(this.#cuts)) target.resetAndDestroy();
        else target.end();
        return;
      }
      setTimeout(() => client.resume(), Math.max(0, (part.length / bytesPerSecond) * 1000 - SLICE_MS / 10));
    });
  }
}
