import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadAnswer, LoadCommand, LoadLedger, LoadSample, LoadSettings } from './load-messages.ts';

const SCRIPT = fileURLToPath(new URL('read-write-load-process.ts', import.meta.url));
/** An upload that stalls may take this long to end. */
const ANSWER_TIMEOUT_MS = 120_000;

/** Uploaders and readers in a process of their own. */
export class LoadRunner implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<void>;
  #asking: Promise<unknown> = Promise.resolve();

  private constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#child = fork(SCRIPT, { execArgv: [], serialization: 'advanced' });
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  static async start(settings: LoadSettings, signal: AbortSignal): Promise<LoadRunner> {
    const runner = new LoadRunner(signal);
    await runner.#ask({ action: 'start', settings });
    return runner;
  }

  /** What happened since the sample before. */
  async sample(): Promise<LoadSample> {
    return sampleOf(await this.#ask({ action: 'sample' }));
  }

  /** What the uploaders have stored and deleted. */
  async ledger(): Promise<LoadLedger> {
    const answer = await this.#ask({ action: 'ledger' });
    if (!('ledger' in answer)) throw new Error('The load answered something else.');
    return answer.ledger;
  }

  /** Ends the load; resolves, with the last sample, when every request has ended. */
  async stop(): Promise<LoadSample> {
    return sampleOf(await this.#ask({ action: 'stop' }));
  }

  /** One question at a time. */
  #ask(command: LoadCommand): Promise<LoadAnswer> {
    const asked = this.#asking.then(() => this.#askNow(command));
    this.#asking = asked.catch(() => {});
    return asked;
  }

  async #askNow(command: LoadCommand): Promise<LoadAnswer> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<LoadAnswer>();
    const onAbort = () => reject(signal.reason as Error);
    const onExit = () => reject(new Error('The load ended by itself.'));
    signal.addEventListener('abort', onAbort);
    this.#child.once('message', resolve);
    this.#child.once('exit', onExit);
    try {
      this.#child.send(command);
      const answer = await promise;
      if ('error' in answer) throw new Error(answer.error);
      return answer;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#child.off('message', resolve);
      this.#child.off('exit', onExit);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

function sampleOf(answer: LoadAnswer): LoadSample {
  if ('sample' in answer) return answer.sample;
  throw new Error('The load answered something else.');
}
