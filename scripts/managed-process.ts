import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

export interface ManagedProcessOptions {
  /** Shown in messages, for example `node-3`. */
  readonly name: string;
  /** Path of the TypeScript file to run with this process's own Node. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where its output is kept; nowhere when absent. */
  readonly logFile?: string;
  /** Sees every line that is not a JSON log line, such as a secret that is printed once. */
  readonly onPlainLine?: (line: string) => void;
  readonly startTimeoutMs?: number;
  /** Aborting ends a process that does not listen yet. */
  readonly signal?: AbortSignal;
}

/** A server of this project as a child process that says when it listens. */
export class ManagedProcess implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Base URL it listens at. */
  readonly url: string;
  /** Fields of its "listening" log line. */
  readonly announced: Readonly<Record<string, unknown>>;
  /** Resolves with a description when the process has ended, for whatever reason. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;

  private constructor(
    name: string,
    child: ChildProcess,
    announced: Record<string, unknown>,
    exited: Promise<string>,
  ) {
    this.name = name;
    this.pid = child.pid!;
    this.url = String(announced.url);
    this.announced = announced;
    this.exited = exited;
    this.#child = child;
  }

  /** Resolves when the process logs that it listens; rejects with its last lines when it ends before. */
  static async start(options: ManagedProcessOptions): Promise<ManagedProcess> {
    const child = spawn(process.execPath, [options.script, ...(options.args ?? [])], {
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log =
      options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' });
    const exited = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ? `ended by ${signal}` : `exited with ${code}`));
    });
    const lastLines: string[] = [];
    const listening = Promise.withResolvers<Record<string, unknown>>();
    const onLine = (line: string) => {
      log?.write(`${line}\n`);
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
      const entry = parseLogLine(line);
      if (!entry) options.onPlainLine?.(line);
      else if (entry.msg === 'listening') listening.resolve(entry);
    };
    createInterface({ input: child.stdout! }).on('line', onLine);
    createInterface({ input: child.stderr! }).on('line', onLine);
    void exited.then(() => closeLog(log));

    const giveUp = () => child.kill('SIGKILL');
    options.signal?.addEventListener('abort', giveUp);
    if (options.signal?.aborted) giveUp();
    const timer = setTimeout(() => {
      giveUp();
      listening.reject(new Error(`${options.name} did not listen in time.\n${lastLines.join('\n')}`));
    }, options.startTimeoutMs ?? 60_000);
    void exited.then((how) =>
      listening.reject(new Error(`${options.name} ${how}.\n${lastLines.join('\n')}`)),
    );
    try {
      return new ManagedProcess(options.name, child, await listening.promise, exited);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends the process without warning, as a crash would; resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Asks the process to stop and waits; after `timeoutMs` it is killed. Resolves with how it ended. */
  async stop(timeoutMs = 30_000): Promise<string> {
    if (this.running) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs);
    const how = await this.exited;
    clearTimeout(timer);
    return how;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A stopped process (SIGSTOP) would not hear SIGTERM.
    this.#child.kill('SIGCONT');
    await this.stop();
  }
}

function parseLogLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function closeLog(log: WriteStream | undefined): void {
  log?.end();
}
