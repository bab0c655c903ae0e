import type { Readable } from 'node:stream';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Failure } from '../../lib/worker-api/protocol.ts';
import type { Task, TaskResult } from '../../lib/worker-api/tasks.ts';
import type { ObjectAppender } from '../chunks/object-store.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { tasksAfterFailedCopy } from './fallback.ts';
import type { JobProgress } from './job-progress.ts';
import { LeaseDesk, type Wish } from './lease-desk.ts';
import {
  APPEND_BYTES_MAX,
  LEASES_WAITING_MAX,
  OUTPUT_BYTES_MAX,
  RELAPSE_DELAY_MS,
  WORKER_MEMORY_MS,
} from './limits.ts';
import { tellOfMedia } from './media-channel.ts';
import type { Output, OutputRepository } from './output-repository.ts';
import type { ResultCommit } from './result-commit.ts';
import type { HeldTask, LeasedTask, TaskRepository } from './task-repository.ts';
import type { WorkerRepository } from './worker-repository.ts';

export interface WorkerServiceOptions {
  readonly tasks: TaskRepository;
  readonly outputs: OutputRepository;
  readonly workers: WorkerRepository;
  readonly results: ResultCommit;
  readonly progress: JobProgress;
  readonly store: ObjectAppender;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** Tells all coordinators, once the transaction commits, that there may be a task. */
  readonly announceTasks: (transaction?: Transaction) => Promise<void>;
  /** Path and query of a video's bytes for whoever has it. */
  readonly sourceUrlOf: (videoId: string) => string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  /** How long outputs outlive the last heartbeat. */
  readonly outputLeaseMs: number;
}

/** A lease as a worker names it. */
export interface LeaseName {
  readonly taskId: string;
  readonly fence: number;
}

/** What workers ask for. Everything they change is changed under the fence of their lease. */
export class WorkerService implements AsyncDisposable {
  readonly leaseMs: number;
  readonly #options: WorkerServiceOptions;
  readonly #desk: LeaseDesk;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: WorkerServiceOptions) {
    this.#options = options;
    this.leaseMs = options.tasks.leaseMs;
    this.#desk = new LeaseDesk({
      claim: (worker, kinds) => options.tasks.claim(worker, kinds),
      giveBack: ({ id, fence }) => this.release({ taskId: id, fence }),
      clock: options.clock,
      logger: options.logger,
      waitingMax: LEASES_WAITING_MAX,
    });
  }

  /** Looks after leases from now on: a fifth of their length is what a take-over takes longer at most. */
  start(): void {
    const { clock, logger, tasks } = this.#options;
    const { signal } = this.#stop;
    // Workers that could not be heard, because this coordinator or the database was away, are not lost.
    let wasDeaf = true;
    this.#loop = repeat(clock, this.leaseMs / 5, signal, async () => {
      try {
        if (wasDeaf) {
          if ((await tasks.overdue()).hasDue) this.#desk.wake();
          wasDeaf = false;
          await clock.sleep(this.leaseMs, signal);
        }
        await this.runOnce();
      } catch (error) {
        wasDeaf = true;
        if (!signal.aborted) logger.warn({ err: error }, 'tasks of lost workers cannot be looked up');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the queue is closed'));
    this.#desk.close();
    await this.#loop;
  }

  /** There may be a task: somebody said so, or messages may have been lost. */
  wake(): void {
    this.#desk.wake();
  }

  /** Lets those who wait go, so that a stop does not have to wait for them. */
  close(): void {
    this.#desk.close();
  }

  /** Null when there is no task in time. */
  async lease(
    wish: Wish,
  ): Promise<{ readonly task: Task; readonly fence: number; readonly sourceUrl: string } | null> {
    const { workers, sourceUrlOf } = this.#options;
    await workers.note(wish.worker);
    const leased = this.#stop.signal.aborted ? null : await this.#desk.take(wish);
    if (leased === null) return null;
    return { task: toTask(leased), fence: leased.fence, sourceUrl: sourceUrlOf(leased.videoId) };
  }

  /** Returns a fresh address of the source. Throws `lease_lost`. */
  async heartbeat({ taskId, fence }: LeaseName, progress: number): Promise<{ readonly sourceUrl: string }> {
    const { tasks, outputLeaseMs, sourceUrlOf } = this.#options;
    const videoId = await tasks.renew(taskId, fence, { progress, outputLeaseMs });
    if (videoId === null) throw leaseLost();
    return { sourceUrl: sourceUrlOf(videoId) };
  }

  /** May be repeated. Throws `lease_lost`. */
  async openOutput(
    lease: LeaseName,
    wanted: { readonly name: string; readonly contentType: string },
  ): Promise<Output> {
    const { outputs, createId, outputLeaseMs } = this.#options;
    const output = await outputs.open(lease, { objectId: createId(), ...wanted }, outputLeaseMs);
    if (output === null) throw leaseLost();
    return output;
  }

  /**
   * Adds the body, `bytes` long, to an output that is `offset` long; resolves with its length when they are on the disks of a
   * write quorum. One that was added before, and whose answer got lost, is not added again. Throws `lease_lost`,
   * `upload_offset_mismatch` with the output's `size`, and what `ObjectAppender.append` does.
   */
  async append(
    lease: LeaseName,
    name: string,
    body: {
      readonly offset: number;
      readonly bytes: number;
      readonly source: Readable;
      readonly signal: AbortSignal;
    },
  ): Promise<number> {
    const { outputs, store } = this.#options;
    const { offset, bytes, source, signal } = body;
    const found = await outputs.find(lease, name);
    if (found === null) throw leaseLost();
    if (found.size === offset + bytes) {
      source.resume();
      return found.size;
    }
    if (found.size !== offset || offset + bytes > OUTPUT_BYTES_MAX) throw offsetMismatch(found.size);
    let { size, chunkCount } = found;
    let received = 0;
    await store.append(found.objectId, source, {
      firstIndex: chunkCount,
      hash: {
        update: (piece) => {
          received += piece.length;
        },
      },
      limitBytes: APPEND_BYTES_MAX,
      signal,
      flushMaxMs: 0,
      verify: () => {
        if (received !== bytes) throw incomplete();
      },
      persist: async (chunks) => {
        const isOurs = await outputs.addChunks(lease, { objectId: found.objectId, size, chunkCount }, chunks);
        if (!isOurs) {
          // The lease is lost, or the same addition has come twice and the other one was faster.
          const now = await outputs.find(lease, name);
          throw now === null ? leaseLost() : offsetMismatch(now.size);
        }
        chunkCount += chunks.length;
        size += chunks.reduce((sum, { length }) => sum + length, 0);
      },
    });
    return size;
  }

  /**
   * Commits what the task has made, all of it or nothing; may be repeated. Throws `lease_lost`, `invalid_request`, or
   * `upload_expired`: then it has to be made again.
   */
  async complete(lease: LeaseName, result: TaskResult): Promise<void> {
    const { results, progress, inTransaction, clock } = this.#options;
    await inTransaction(async (transaction) => {
      const task = await this.#hold(transaction, lease);
      // The answer got lost.
      if (task.state === 'complete') return;
      await results.apply(transaction, task, result, new Date(clock.nowMs()));
      await progress.settle(transaction, task.job);
      await this.#options.announceTasks(transaction);
    });
  }

  /** Throws `lease_lost`. */
  async fail(lease: LeaseName, failure: Failure): Promise<void> {
    const { inTransaction, logger } = this.#options;
    const isFinal = await inTransaction(async (transaction) => {
      const task = await this.#hold(transaction, lease);
      if (task.state === 'complete') throw leaseLost();
      return await this.#fail(transaction, task, failure);
    });
    logger.info({ taskId: lease.taskId, ...failure, isFinal }, 'an attempt at a task failed');
  }

  /** Hands a task back that the worker cannot go on with; it counts for nothing. Throws `lease_lost`. */
  async release({ taskId, fence }: LeaseName): Promise<void> {
    const { tasks, outputs, inTransaction, announceTasks } = this.#options;
    await inTransaction(async (transaction) => {
      if (!(await tasks.release(transaction, taskId, fence))) throw leaseLost();
      await outputs.abandon(transaction, [taskId]);
      await announceTasks(transaction);
    });
  }

  /** Takes tasks from workers that were silent for too long, and sees to those whose time has come. Returns how many it took. */
  async runOnce(): Promise<number> {
    const { tasks, logger } = this.#options;
    const { lost, hasDue } = await tasks.overdue();
    if (hasDue) this.#desk.wake();
    for (const lease of lost) {
      try {
        await this.#takeBack(lease);
      } catch (error) {
        // The others are not to wait for it.
        logger.warn({ err: error, taskId: lease.id }, 'a task cannot be taken from its lost worker');
      }
    }
    return lost.length;
  }

  async #takeBack({ id, fence }: Pick<HeldTask, 'id' | 'fence'>): Promise<void> {
    const { tasks, inTransaction, logger } = this.#options;
    await inTransaction(async (transaction) => {
      const task = await tasks.hold(transaction, id, fence);
      // It may have said something meanwhile.
      if (task === null || !(await tasks.isOverdue(transaction, id))) return;
      const reason = 'The worker that had it was lost.';
      await this.#fail(transaction, task, {
        ...{ code: 'failed', reason, retryable: true },
        delayMs: task.attempts === 0 ? 0 : RELAPSE_DELAY_MS,
      });
      logger.warn({ taskId: id, attempts: task.attempts + 1 }, 'the worker of a task was lost');
    });
  }

  /** Forgets workers that have long gone. */
  async forgetWorkers(): Promise<void> {
    await this.#options.workers.forget(WORKER_MEMORY_MS);
  }

  async #hold(transaction: Transaction, { taskId, fence }: LeaseName): Promise<HeldTask> {
    const task = await this.#options.tasks.hold(transaction, taskId, fence);
    if (task === null) throw leaseLost();
    return task;
  }

  /** Returns whether the task was given up. */
  async #fail(
    transaction: Transaction,
    task: HeldTask,
    failure: Failure & { readonly delayMs?: number },
  ): Promise<boolean> {
    const { tasks, outputs, progress, results, announceTasks } = this.#options;
    await outputs.abandon(transaction, [task.id]);
    const isFinal = await tasks.fail(transaction, task, failure);
    if (isFinal) {
      const instead = tasksAfterFailedCopy(task);
      if (instead !== null) {
        await tasks.replace(transaction, task.id);
        await results.enqueue(transaction, task.job, instead);
      }
      const { reason, code } = failure;
      await progress.settle(
        transaction,
        task.job,
        instead === null ? { reason, isUnplayable: code === 'unplayable' } : undefined,
      );
    }
    // The end of a task is told by `settle`; that it begins once more is here.
    if (!isFinal) await tellOfMedia(transaction, task.job.video_id);
    await announceTasks(transaction);
    return isFinal;
  }
}

function toTask({ id, videoId, sourceBytes, spec, probe, plan }: LeasedTask): Task {
  const base = { taskId: id, videoId, sourceBytes };
  if (spec.kind === 'inspect') return { ...base, ...spec };
  // Only an inspection comes before the probe.
  if (probe === null) throw new Error(`the task ${id} has no probe`);
  switch (spec.kind) {
    case 'copy':
    case 'pictures':
      return { ...base, ...spec, probe };
    case 'audio':
      return { ...base, ...spec, probe, plan };
    case 'encode': {
      if (plan === null) throw new Error(`the task ${id} has no plan`);
      const { piece: _, ...rest } = spec;
      return { ...base, ...rest, probe, plan };
    }
  }
}

function leaseLost(): AppError {
  return new AppError<ErrorCode>('lease_lost', 'The task is not, or not any more, this worker’s.');
}

function offsetMismatch(size: number): AppError {
  return new AppError<ErrorCode>('upload_offset_mismatch', `The output has ${size} bytes.`, {
    details: { size },
  });
}

function incomplete(): AppError {
  return new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.');
}
