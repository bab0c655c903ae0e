import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { LoadAnswer, LoadCommand, LoadPhase, LoadResult } from './load-plan.ts';

const SCRIPT = fileURLToPath(new URL('load-process.ts', import.meta.url));
/** What a phase may take beyond its own limit before the generator is given up. */
const GRACE_SECONDS = 120;

/** The load generator's process. One phase at a time. */
export class LoadGenerator implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #signal: AbortSignal;
  readonly #ended: Promise<void>;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.#child = fork(SCRIPT, { execArgv: [], serialization: 'advanced' });
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  /** Makes one request of the phase's kind and compares the bytes; rejects when they are wrong. */
  check(phase: LoadPhase): Promise<LoadResult> {
    return this.#ask({ action: 'check', phase });
  }

  /** Loads until the phase's time or count is used up; rejects on the first wrong answer. */
  run(phase: LoadPhase): Promise<LoadResult> {
    return this.#ask({ action: 'run', phase });
  }

  async #ask(command: LoadCommand): Promise<LoadResult> {
    this.#signal.throwIfAborted();
    const limitMs = (command.phase.secondsMax + GRACE_SECONDS) * 1000;
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(limitMs)]);
    const { promise, resolve, reject } = Promise.withResolvers<LoadAnswer>();
    const onAbort = () => reject(signal.reason as Error);
    const onExit = () => reject(new Error('The load generator ended.'));
    signal.addEventListener('abort', onAbort);
    this.#child.once('message', resolve);
    this.#child.once('exit', onExit);
    try {
      this.#child.send(command);
      const answer = await promise;
      if ('error' in answer) throw new Error(answer.error);
      return answer.result;
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
