import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import type { TranscodeBench } from './transcode-part.ts';

const MAIN = join(import.meta.dirname, 'transcode-engine-main.ts');

/** `cpuSeconds`: of the process since it began. */
export type FromEngine = 'ready' | { readonly result: TaskResult; readonly cpuSeconds: number };

/** A process like a worker's child, which keeps one core busy: `core`, or whichever is free. */
export class Engine implements AsyncDisposable {
  readonly #process: ChildProcess;
  cpuSeconds = 0;

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Resolves when it waits for tasks, as a worker's children do before there are any. */
  static async start({ run, film }: TranscodeBench, directory: string, core?: number): Promise<Engine> {
    const args = [MAIN, film.path, directory, '1'];
    const pinned = core === undefined ? [] : ['taskset', '-c', String(core)];
    const [command, ...rest] = [...pinned, process.execPath, ...args];
    const child = spawn(command!, rest, {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'json',
      signal: run.signal,
    });
    const engine = new Engine(child);
    await engine.#hear();
    return engine;
  }

  async run(task: Task): Promise<TaskResult> {
    this.#process.send(task);
    const message = await this.#hear();
    if (message === 'ready') throw new Error('The engine was ready before.');
    this.cpuSeconds = message.cpuSeconds;
    return message.result;
  }

  async #hear(): Promise<FromEngine> {
    const ended = once(this.#process, 'exit').then(([code, signal]) => {
      throw new Error(`An engine ended by itself: ${code ?? signal}`);
    });
    const [message] = await Promise.race([once(this.#process, 'message'), ended]);
    ended.catch(() => {});
    return message as FromEngine;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.disconnect();
    await ended;
  }
}

export interface EnginesSample {
  /** From when the first task was given, to engines that were waiting, until all were done. */
  readonly wallSeconds: number;
  /** Of the processes from their beginning. */
  readonly cpuSeconds: number;
  readonly bytes: number;
}

/** Does tasks in as many engines as `cores` has entries: each takes the next task when it is done with one. */
export async function runEngines(
  bench: TranscodeBench,
  tasks: readonly Task[],
  cores: readonly (number | undefined)[],
): Promise<EnginesSample> {
  return await inDirectory(bench.run.directory, 'engines', async (directory) => {
    await using engines = new AsyncDisposableStack();
    const all = await Promise.all(
      cores.map(async (core) => engines.use(await Engine.start(bench, directory, core))),
    );
    const queue = [...tasks];
    const start = performance.now();
    await Promise.all(
      all.map(async (engine) => {
        for (let task = queue.shift(); task !== undefined; task = queue.shift()) await engine.run(task);
      }),
    );
    const wallSeconds = (performance.now() - start) / 1000;
    return { wallSeconds, cpuSeconds: all.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0) };
  });
}

/** What `work` resolves with, and the bytes that it has left in a directory that is gone afterwards. */
export async function inDirectory<Result>(
  parent: string,
  name: string,
  work: (directory: string) => Promise<Result>,
): Promise<Result & { readonly bytes: number }> {
  const directory = join(parent, name);
  mkdirSync(directory);
  try {
    const result = await work(directory);
    const bytes = readdirSync(directory).reduce((sum, file) => sum + statSync(join(directory, file)).size, 0);
    return { ...result, bytes };
  } finally {
    rmSync(directory, { recursive: true });
  }
}
