import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Failure } from '../lib/worker-api/protocol.ts';
import type { TaskResult } from '../lib/worker-api/tasks.ts';
import type { FromChild, ToChild } from './child-messages.ts';
import { CHILD_START_MS, WATCH_INTERVAL_MS } from './limits.ts';

const CHILD = fileURLToPath(new URL('./engine/child.ts', import.meta.url));
/** Of Linux's memory pages. */
const PAGE_BYTES = 4096;
/** Of what a child says on stderr the end is kept. */
const LAST_WORDS_MAX = 2000;

/** Of the worker's environment. By the certificates it trusts the coordinator that its worker trusts. */
const PASSED_VARIABLES = [
  ...['PATH', 'HOME', 'TZ', 'NODE_COMPILE_CACHE', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
];

export interface ChildLimits {
  /** Memory that is resident, bytes. */
  readonly memoryBytes: number;
  /** Longest time without progress. */
  readonly stallMs: number;
  /** Longest time for a task. */
  readonly totalMs: number;
}

export type Outcome =
  | { readonly result: TaskResult }
  | { readonly failure: Failure; readonly detail: string | undefined };

/** A process that does tasks, one after the other, and that is ended when it does not keep to its limits. */
export class TaskChild {
  readonly #process: ChildProcess;
  readonly #limits: ChildLimits;
  readonly #ready: Promise<void>;
  /** Resolves when it is gone. */
  readonly exited: Promise<void>;
  #lastWords = '';
  #how = '';
  #onMessage: (message: FromChild) => void = () => {};
  #done = 0;
  #isEnded = false;

  /** `engine` is the URL of the module with `runTask`. */
  constructor(engine: string, limits: ChildLimits) {
    this.#limits = limits;
    // No secrets in its environment: what it needs it is told.
    const passed = PASSED_VARIABLES.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
    this.#process = fork(CHILD, [engine], {
      env: Object.fromEntries(passed),
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Ctrl-C in the terminal is the worker's, which ends its children itself.
      detached: true,
    });
    this.#process.stderr!.on('data', (bytes: Buffer) => {
      this.#lastWords = `${this.#lastWords}${bytes}`.slice(-LAST_WORDS_MAX);
    });
    const ready = Promise.withResolvers<void>();
    this.#ready = ready.promise;
    this.#ready.catch(() => {});
    const timer = setTimeout(() => this.kill(), CHILD_START_MS);
    this.#process.on('message', (message: FromChild) => {
      if (message.type === 'ready') ready.resolve();
      else this.#onMessage(message);
    });
    this.exited = new Promise((resolve) => {
      const end = (how: string) => {
        clearTimeout(timer);
        this.#how ||= how;
        ready.reject(new Error(`the process for tasks ${how}: ${this.#lastWords}`));
        resolve();
      };
      this.#process.once('error', (error) => end(error.message));
      this.#process.once('close', (code, signal) =>
        end(signal ? `was ended by ${signal}` : `exited with ${code}`),
      );
    });
    void this.#ready.then(
      () => clearTimeout(timer),
      () => {},
    );
  }

  get isAlive(): boolean {
    const { exitCode, signalCode, pid } = this.#process;
    return !this.#isEnded && exitCode === null && signalCode === null && pid !== undefined;
  }

  /** Undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Tasks that it has done. */
  get done(): number {
    return this.#done;
  }

  /** Rejects when it does not come up. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** Ends it without warning. */
  kill(): void {
    // It is of no use from now on, also before it has gone.
    this.#isEnded = true;
    this.#process.kill('SIGKILL');
  }

  /** The source of the running task is at another address. */
  tell(message: ToChild & { type: 'source' }): void {
    if (this.#process.connected) this.#process.send(message satisfies ToChild);
  }

  /**
   * Does a task; the child has to be ready. `onProgress` is called whenever it says how far it is. When it dies or breaks a
   * limit, that is a failure with a reason, and the child cannot be used again.
   */
  async run(message: ToChild & { type: 'task' }, onProgress: (share: number) => void): Promise<Outcome> {
    const outcome = Promise.withResolvers<Outcome>();
    const startMs = performance.now();
    let saidAtMs = startMs;
    this.#onMessage = (said) => {
      saidAtMs = performance.now();
      if (said.type === 'progress') onProgress(said.share);
      else if (said.type === 'done') outcome.resolve({ result: said.result });
      else if (said.type === 'failed') outcome.resolve({ failure: said.failure, detail: said.stack });
    };
    const stop = (reason: string, retryable: boolean) => {
      outcome.resolve(failed(reason, retryable, this.#lastWords));
      this.kill();
    };
    const watch = setInterval(async () => {
      const { memoryBytes, stallMs, totalMs } = this.#limits;
      const nowMs = performance.now();
      const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;
      if (nowMs - startMs > totalMs) stop(`It took longer than ${seconds(totalMs)}.`, false);
      else if (nowMs - saidAtMs > stallMs) stop(`Nothing came of it for ${seconds(stallMs)}.`, true);
      else if ((await residentBytes(this.#process.pid!)) > memoryBytes) {
        stop(`It needed more than ${Math.round(memoryBytes / 1024 ** 2)} MiB of memory.`, false);
      }
    }, WATCH_INTERVAL_MS);
    void this.exited.then(() => {
      outcome.resolve(failed(`The process that did it ${this.#how}.`, true, this.#lastWords));
    });
    try {
      this.#process.send(message satisfies ToChild, (error) => error && this.kill());
      const result = await outcome.promise;
      this.#done += 1;
      return result;
    } finally {
      clearInterval(watch);
      this.#onMessage = () => {};
    }
  }
}

function failed(reason: string, retryable: boolean, detail: string): Outcome {
  return { failure: { code: 'failed', reason, retryable }, detail };
}

/** 0 where the system does not say. */
async function residentBytes(pid: number): Promise<number> {
  try {
    const [, resident] = (await readFile(`/proc/${pid}/statm`, 'latin1')).split(' ');
    return Number(resident) * PAGE_BYTES;
  } catch {
    return 0;
  }
}
