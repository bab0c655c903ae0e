import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';

const STOP_TIMEOUT_MS = 10_000;
const LISTEN_TIMEOUT_MS = 20_000;
const LAST_OUTPUT_CHARACTERS = 4000;

/** A server of somebody else's that runs in the foreground, in a process group of its own. */
export class ChildServer implements AsyncDisposable {
  readonly pid: number;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #lastOutput = '';

  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    // A group of its own because some servers signal their whole group when they stop.
    this.#child = spawn(command, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#keep(error.message);
        resolve();
      });
      this.#child.once('exit', () => resolve());
    });
    this.#child.stdout?.on('data', (chunk) => this.#keep(String(chunk)));
    this.#child.stderr?.on('data', (chunk) => this.#keep(String(chunk)));
    this.pid = this.#child.pid ?? 0;
  }

  /** Resolves when the port accepts connections; rejects when the process ends before. */
  async untilListening(port: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + LISTEN_TIMEOUT_MS;
    while (performance.now() < deadline) {
      signal.throwIfAborted();
      if (!this.#running) break;
      if (await accepts(port)) return;
      await new Promise((wake) => setTimeout(wake, 50));
    }
    throw new Error(`${this.#name} does not listen on port ${port}.\n${this.#lastOutput}`);
  }

  get #running(): boolean {
    return this.pid !== 0 && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #keep(text: string): void {
    this.#lastOutput = (this.#lastOutput + text).slice(-LAST_OUTPUT_CHARACTERS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#running) return;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => {
      // The group holds the workers too; nobody else is in it.
      process.kill(-this.pid, 'SIGKILL');
    }, STOP_TIMEOUT_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}

/** A port of this machine that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
