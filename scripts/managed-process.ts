import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, createWriteStream, openSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

/** With it a coordinator starts in half the time: its files are stripped of types and compiled once. */
const COMPILE_CACHE = fileURLToPath(new URL('../node_modules/.cache/orbitvids/compiled', import.meta.url));
/** How long a process that is asked to give up its start may take before it is killed. */
const GIVE_UP_TIMEOUT_MS = 10_000;

export interface ManagedProcessOptions {
  /** Shown in messages, for example `node-3`. */
  readonly name: string;
  /** Path of the TypeScript file to run with this process's own Node. */
  readonly script: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Where its JSON log lines and everything on stderr is kept, readable by the owner alone; nowhere when absent. */
  readonly logFile?: string;
  /** Sees every line of stdout that is no JSON log line, such as a secret printed once. No file keeps these. */
  readonly onPlainLine?: (line: string) => void;
  readonly startTimeoutMs?: number;
  /**
   * The process gets a process group of its own, so that Ctrl-C in the terminal reaches only the parent, whose
   * task it is to stop its children in order. It is still told to stop when the parent exits without doing so.
   */
  readonly ownProcessGroup?: boolean;
  /** Aborting stops a process that does not listen yet; `start` rejects when it is gone. */
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
  /** Resolves with a description when the process has ended, for whatever reason, and its log is written. */
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
    const log = options.logFile === undefined ? undefined : openLog(options.logFile);
    const child = spawn(process.execPath, [options.script, ...(options.args ?? [])], {
      env: {
        PATH: process.env.PATH ?? '',
        HOME: process.env.HOME ?? '',
        NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? COMPILE_CACHE,
        ...options.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.ownProcessGroup ?? false,
    });
    const stopWithParent = () => child.kill('SIGTERM');
    if (options.ownProcessGroup) process.once('exit', stopWithParent);
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      // Not `exit`: the last lines may still be in the pipes.
      child.once('close', (code, signal) => resolve(signal ? `ended by ${signal}` : `exited with ${code}`));
    });
    const exited = ended.then(async (how) => {
      process.off('exit', stopWithParent);
      await closeLog(log);
      return how;
    });
    const lastLines: string[] = [];
    const listening = Promise.withResolvers<Record<string, unknown>>();
    const keep = (line: string) => {
      log?.write(`${line}\n`);
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
    };
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const entry = parseLogLine(line);
      if (!entry) {
        options.onPlainLine?.(line);
        return;
      }
      keep(line);
      if (entry.msg === 'listening') listening.resolve(entry);
    });
    createInterface({ input: child.stderr! }).on('line', keep);

    let killTimer: NodeJS.Timeout | undefined;
    const giveUp = () => {
      child.kill('SIGTERM');
      killTimer = setTimeout(() => child.kill('SIGKILL'), GIVE_UP_TIMEOUT_MS);
    };
    options.signal?.addEventListener('abort', giveUp);
    if (options.signal?.aborted) giveUp();
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      listening.reject(new Error(`${options.name} did not listen in time.\n${lastLines.join('\n')}`));
    }, options.startTimeoutMs ?? 60_000);
    void exited.then((how) => {
      clearTimeout(killTimer);
      listening.reject(new Error(`${options.name} ${how}.\n${lastLines.join('\n')}`));
    });
    try {
      const announced = await listening.promise;
      if (options.signal?.aborted) {
        await exited;
        throw new Error(`${options.name} was stopped.`);
      }
      return new ManagedProcess(options.name, child, announced, exited);
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

/** Logs name titles and addresses of viewers: only the owner reads them, also those of an earlier start. */
function openLog(path: string): WriteStream {
  const file = openSync(path, 'a', 0o600);
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  // A full disk costs log lines, not the processes that are watched over.
  return createWriteStream(path, { fd: file }).on('error', () => {});
}

async function closeLog(log: WriteStream | undefined): Promise<void> {
  if (!log) return;
  log.end();
  await finished(log).catch(() => {});
}
