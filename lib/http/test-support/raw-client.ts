import { connect, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** An HTTP client that sends exactly what it is told, for requests that no library would send. */
export class RawClient implements Disposable {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #localPort: number | undefined;
  #wake: () => void = () => {};

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.on('data', (piece) => {
      this.#received = Buffer.concat([this.#received, piece]);
      this.#wake();
    });
    this.#socket.once('connect', () => {
      this.#localPort = this.#socket.localPort;
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  get received(): Buffer {
    return this.#received;
  }

  get localPort(): number | undefined {
    return this.#localPort;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...lines: string[]): void {
    this.#socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  }

  sendBytes(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** Ends this side only. */
  end(): void {
    this.#socket.end();
  }

  /** Takes nothing more from the network. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Resolves when the condition holds; rejects when the connection closes before. */
  async until(condition: (received: Buffer) => boolean): Promise<void> {
    while (!condition(this.#received)) {
      if (this.#isClosed)
        throw new Error(`the connection closed after: ${this.#received.toString('latin1')}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async untilClosed(): Promise<void> {
    while (!this.#isClosed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next response; its body by Content-Length, none for a HEAD. */
  async response(options: { head?: boolean } = {}): Promise<RawResponse> {
    await this.until((received) => received.includes('\r\n\r\n'));
    const headEnd = this.#received.indexOf('\r\n\r\n') + 4;
    const [statusLine, ...lines] = this.#received
      .subarray(0, headEnd - 4)
      .toString('latin1')
      .split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [
        line.slice(0, line.indexOf(':')).toLowerCase(),
        line.slice(line.indexOf(':') + 1).trim(),
      ]),
    );
    const length = options.head ? 0 : Number(headers['content-length'] ?? 0);
    await this.until((received) => received.length >= headEnd + length);
    const body = this.#received.subarray(headEnd, headEnd + length);
    this.#received = this.#received.subarray(headEnd + length);
    return { status: Number(statusLine!.split(' ')[1]), headers, body };
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
