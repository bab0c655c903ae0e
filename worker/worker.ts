import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { v4 as uuidv4 } from 'uuid';
import type { Logger } from '../lib/logging/logger.ts';
import type { Lease } from '../lib/worker-api/protocol.ts';
import type { TaskKind } from '../lib/worker-api/tasks.ts';
import type { WorkerConfig } from './config.ts';
import { CoordinatorClient, isPassing, type LeaseName, persistently, Refused } from './coordinator-client.ts';
import {
  CHILD_RESTART_DELAY_MS,
  CHILD_TASKS_MAX,
  LEASE_WAIT_MS,
  RETRY_DELAY_MAX_MS,
  RETRY_DELAY_MIN_MS,
  TRANSFER_RETRY_MS,
} from './limits.ts';
import { type Outcome, TaskChild } from './task-child.ts';

export interface WorkerOptions {
  readonly config: WorkerConfig;
  /** URL of the module with `runTask`. */
  readonly engine: string;
  readonly logger: Logger;
}

/** Beside the tasks that a worker does at a time: nobody who has uploaded something waits for them. */
const EXPRESS: readonly TaskKind[] = ['inspect'];

/**
 * Leases tasks and has child processes do them. It keeps no state that matters: whatever it loses, another worker does again.
 * Disposing it lets what runs go on for a while, and hands back what is not done then.
 */
export class Worker implements AsyncDisposable {
  readonly #options: WorkerOptions;
  readonly #client: CoordinatorClient;
  readonly #id = uuidv4();
  /** No new tasks. */
  readonly #stop = new AbortController();
  /** No tasks at all. */
  readonly #end = new AbortController();
  #loops: Promise<void>[] = [];
  #running = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    const { coordinatorUrl: url, token } = options.config;
    this.#client = new CoordinatorClient({ url, token });
  }

  start(): void {
    const { concurrency } = this.#options.config;
    this.#loops = Array.from({ length: concurrency }, () => this.#work(null));
    this.#loops.push(this.#work(EXPRESS));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { config, logger } = this.#options;
    this.#stop.abort(new Error('the worker is being stopped'));
    const all = Promise.all(this.#loops);
    if (this.#running > 0) logger.info({ running: this.#running }, 'tasks that run go on for a moment');
    const timer = setTimeout(() => this.#end.abort(new Error('the worker is stopped')), config.stopGraceMs);
    await all;
    clearTimeout(timer);
    await this.#client[Symbol.asyncDispose]();
  }

  /** One task after the other, of these kinds or of any. */
  async #work(kinds: readonly TaskKind[] | null): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stop;
    let child: TaskChild | undefined;
    let delayMs = RETRY_DELAY_MIN_MS;
    while (!signal.aborted) {
      try {
        // A task waits for nobody to start a process.
        child = await this.#childReady(child, signal);
        const askedAtMs = performance.now();
        const lease = await this.#client.lease(this.#request(kinds), signal);
        delayMs = RETRY_DELAY_MIN_MS;
        if (lease !== null) await this.#perform(child, lease);
        // One that is being stopped holds nobody.
        else if (performance.now() - askedAtMs < RETRY_DELAY_MAX_MS)
          await sleep(delayMs, undefined, { signal });
      } catch (error) {
        if (signal.aborted) break;
        if (delayMs === RETRY_DELAY_MIN_MS) logger.warn({ err: error }, 'no task can be had now');
        await sleep(delayMs, undefined, { signal }).catch(() => {});
        delayMs = Math.min(RETRY_DELAY_MAX_MS, delayMs * 2);
      }
    }
    child?.kill();
    await child?.exited;
  }

  #request(kinds: readonly TaskKind[] | null) {
    const { name, concurrency } = this.#options.config;
    return {
      ...{ workerId: this.#id, name, concurrency, waitMs: LEASE_WAIT_MS },
      ...(kinds !== null && { kinds: [...kinds] }),
    };
  }

  async #childReady(before: TaskChild | undefined, signal: AbortSignal): Promise<TaskChild> {
    const { engine, config, logger } = this.#options;
    if (before?.isAlive && before.done < CHILD_TASKS_MAX) return before;
    before?.kill();
    for (;;) {
      const child = new TaskChild(engine, {
        memoryBytes: config.taskMemory,
        stallMs: config.stallTimeoutMs,
        totalMs: config.taskTimeoutMs,
      });
      const kill = () => child.kill();
      signal.addEventListener('abort', kill, { once: true });
      try {
        await child.ready();
        return child;
      } catch (error) {
        signal.throwIfAborted();
        logger.error({ err: error }, 'no process for tasks could be started');
        await sleep(CHILD_RESTART_DELAY_MS, undefined, { signal });
      } finally {
        signal.removeEventListener('abort', kill);
      }
    }
  }

  /** Never rejects: what comes of a task is told to the coordinator, or found out by it. */
  async #perform(child: TaskChild, lease: Lease): Promise<void> {
    const { config, logger } = this.#options;
    const { task, fence, sourceUrl } = lease;
    const name: LeaseName = { taskId: task.taskId, fence };
    const log = logger.child({ taskId: task.taskId, videoId: task.videoId, kind: task.kind });
    const startMs = performance.now();
    const over = new AbortController();
    const heartbeats = this.#beat(child, lease, over, log);
    const onEnd = () => over.abort(HANDED_BACK);
    this.#end.signal.addEventListener('abort', onEnd, { once: true });
    if (this.#end.signal.aborted) onEnd();
    this.#running += 1;
    log.debug('a task begins');
    try {
      const { coordinatorUrl, token } = config;
      const cores = Math.max(1, Math.floor(availableParallelism() / config.concurrency));
      const message = { type: 'task' as const, task, fence, sourceUrl, coordinatorUrl, token, cores };
      const given = Promise.withResolvers<null>();
      over.signal.addEventListener('abort', () => given.resolve(null), { once: true });
      const run = child.run(message, heartbeats.note);
      const outcome = await Promise.race([run, given.promise]);
      if (outcome === null) {
        child.kill();
        await child.exited;
      }
      await this.#report(name, outcome, over.signal, log);
      log.info({ ms: Math.round(performance.now() - startMs) }, 'a task is over');
    } catch (error) {
      log.warn({ err: error }, 'what became of a task could not be told');
    } finally {
      this.#running -= 1;
      this.#end.signal.removeEventListener('abort', onEnd);
      over.abort(new Error('the task is over'));
      await heartbeats.stopped;
    }
  }

  /** `outcome` is null when the task was given up here. */
  async #report(name: LeaseName, outcome: Outcome | null, over: AbortSignal, log: Logger): Promise<void> {
    if (outcome === null) {
      if (over.reason === HANDED_BACK) await this.#client.release(name);
      else log.info('a task is not wanted any more');
      return;
    }
    // Heartbeats go on meanwhile, and say when it is of no use.
    const tries = { maxMs: TRANSFER_RETRY_MS, signal: over };
    if ('failure' in outcome) {
      log.warn({ failure: outcome.failure, detail: outcome.detail }, 'a task failed');
      await persistently(() => this.#client.fail(name, outcome.failure), tries);
      return;
    }
    try {
      await persistently(() => this.#client.complete(name, outcome.result), tries);
    } catch (error) {
      if (!(error instanceof Refused) || isPassing(error) || error.code === 'lease_lost') throw error;
      const reason = `The coordinator does not take what was made: ${error.message}`.slice(0, 1000);
      // What was made is gone, because nobody could be told for so long; made again it is as good.
      const retryable = error.code === 'upload_expired';
      await this.#client.fail(name, { code: 'failed', reason, retryable });
    }
  }

  /** Keeps the lease until `over` is aborted, and aborts it when the lease is lost. */
  #beat(child: TaskChild, { task, fence, heartbeatMs }: Lease, over: AbortController, log: Logger) {
    let share = 0;
    let hasFailed = false;
    const name = { taskId: task.taskId, fence };
    const loop = async () => {
      const { signal } = over;
      while (!signal.aborted) {
        // One that did not arrive is said again soon: the lease does not wait.
        const pauseMs = hasFailed ? Math.min(heartbeatMs, RETRY_DELAY_MIN_MS) : heartbeatMs;
        await sleep(pauseMs, undefined, { signal }).catch(() => {});
        if (signal.aborted) return;
        try {
          // A coordinator that says nothing is not waited for: by another connection there may be another one.
          const enough = AbortSignal.any([signal, AbortSignal.timeout(2 * heartbeatMs)]);
          const { sourceUrl } = await this.#client.heartbeat(name, share, enough);
          child.tell({ type: 'source', sourceUrl });
          if (hasFailed) log.info('heartbeats arrive again');
          hasFailed = false;
        } catch (error) {
          if (signal.aborted) return;
          if (!isPassing(error)) over.abort(error);
          else if (!hasFailed) log.warn({ err: error }, 'heartbeats do not arrive');
          hasFailed = true;
        }
      }
    };
    const note = (progress: number) => {
      share = progress;
    };
    return { note, stopped: loop() };
  }
}

const HANDED_BACK = new Error('the task is handed back');
