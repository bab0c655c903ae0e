import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Transaction } from '../database/database.ts';
import type { Leases } from '../database/leases.ts';
import type { ErrorCode } from '../errors.ts';
import type { RenditionRepository } from '../renditions/rendition.ts';
import type { JobState } from './job.ts';
import type { JobProgress } from './job-progress.ts';
import type { Job, JobPosition, JobRendition, JobRepository, JobTask } from './job-repository.ts';
import { BACKFILL_INTERVAL_MS, BACKFILL_WAITING_MAX } from './limits.ts';
import type { OutputRepository } from './output-repository.ts';
import { planInspection } from './planner.ts';
import { type LockedJob, lockJob, type TaskRepository } from './task-repository.ts';

export interface JobServiceOptions {
  readonly jobs: JobRepository;
  readonly tasks: TaskRepository;
  readonly outputs: OutputRepository;
  readonly progress: JobProgress;
  readonly renditions: Pick<RenditionRepository, 'discard'>;
  readonly leases: Leases;
  /** Whether jobs that are made from now on leave the source when they have made everything. */
  readonly keepsSource: boolean;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** Tells all coordinators, once the transaction commits, that there may be a task. */
  readonly announceTasks: (transaction?: Transaction) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
}

export interface JobDetails {
  readonly job: Job;
  readonly tasks: readonly JobTask[];
  readonly counts: Partial<Record<JobState, number>>;
  readonly renditions: readonly JobRendition[];
}

const BACKFILL_LEASE = 'transcode-backfill';

/** Which videos are transcoded, and what their owners decide about it. */
export class JobService implements AsyncDisposable {
  readonly #options: JobServiceOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(options: JobServiceOptions) {
    this.#options = options;
  }

  /** Gives jobs to videos that have none: those of a recovery, and from before there were jobs. */
  start(): void {
    const { clock, logger } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, BACKFILL_INTERVAL_MS, signal, async () => {
      try {
        await this.backfill();
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'videos without a job cannot be looked up');
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the jobs are closed'));
    await this.#loop;
  }

  /** Has a video transcoded that comes to be in this transaction. */
  async begin(
    transaction: Transaction,
    videoId: string,
    options: { readonly isUrgent: boolean },
  ): Promise<string> {
    const { jobs, createId, clock, keepsSource } = this.#options;
    const id = createId();
    const source = keepsSource ? ('keep' as const) : ('drop' as const);
    const task = planInspection({ createdAtS: clock.nowMs() / 1000, ...options });
    await jobs.begin(transaction, { id, videoId, source, ...options }, { ...task, id: createId() });
    return id;
  }

  /** Has a video transcoded once more; what it has stays until there is something in its place. Throws `job_running` or `source_required`. */
  async restart(videoId: string): Promise<Job> {
    const { jobs, renditions, inTransaction } = this.#options;
    const id = await inTransaction(async (transaction) => {
      const before = await jobs.lockLatest(transaction, videoId);
      if (before !== null && isOpen(before.state)) throw jobRunning();
      if (before !== null) {
        const left = (await jobs.renditions(transaction, before.id)).filter((one) => !one.is_published);
        await renditions.discard(
          transaction,
          left.map((one) => one.rendition_id),
        );
        // The later one decides.
        if (before.source === 'drop') await jobs.update(transaction, before.id, { source: 'keep' });
      }
      const id = await this.begin(transaction, videoId, { isUrgent: true });
      // Whoever does it again and again fills no table.
      await jobs.forgetOld(transaction, videoId);
      return id;
    });
    return await this.find(id);
  }

  /** Throws `job_not_found`. */
  async find(id: string): Promise<Job> {
    const job = await this.#options.jobs.find(id);
    if (job === null) throw jobNotFound(id);
    return job;
  }

  async details(job: Job): Promise<JobDetails> {
    const { jobs } = this.#options;
    return { job, ...(await jobs.tasks(job.id)), renditions: await jobs.renditionsOf(job.id) };
  }

  /** Newest first; `next` is where the following page begins. */
  async list(page: {
    readonly limit: number;
    readonly after?: JobPosition | undefined;
    readonly state?: JobState | undefined;
    readonly videoId?: string | undefined;
    readonly ownerId?: string | undefined;
  }): Promise<{ readonly jobs: Job[]; readonly next: JobPosition | null }> {
    const found = await this.#options.jobs.list({ ...page, limit: page.limit + 1 });
    const jobs = found.slice(0, page.limit);
    return { jobs, next: found.length > page.limit ? jobs.at(-1)! : null };
  }

  /**
   * Has everything that failed tried again, or what one rendition needs of it. Throws `nothing_to_do` when nothing failed
   * or the job was cancelled, `conflict` when the video has a later job, `source_required` when its source was dropped.
   */
  async retry(job: Job, rendition?: string): Promise<void> {
    const { jobs, tasks, inTransaction, announceTasks } = this.#options;
    await inTransaction(async (transaction) => {
      const locked = await this.#lockLatest(transaction, job);
      if (locked.state === 'cancelled') {
        // The pieces of its renditions are gone, and with them what the failed ones would go with.
        throw new AppError<ErrorCode>('nothing_to_do', 'The job was cancelled; begin another one.');
      }
      if (!(await tasks.requeueFailed(transaction, job.id, rendition))) {
        const what = rendition === undefined ? 'Nothing of the job' : `Nothing that ${rendition} needs`;
        throw new AppError<ErrorCode>('nothing_to_do', `${what} has failed.`);
      }
      await jobs.update(transaction, job.id, { state: 'running', reason: null, finished_at: null });
      await this.#options.progress.settle(transaction, { ...locked, reason: null });
      await announceTasks(transaction);
    });
  }

  /** What is published stays. Throws `nothing_to_do` when the job is at its end. */
  async cancel(job: Job): Promise<void> {
    const { jobs, tasks, outputs, progress, renditions, inTransaction } = this.#options;
    await inTransaction(async (transaction) => {
      const locked = await lockJob(transaction, job.videoId, job.id);
      if (locked === null) throw jobNotFound(job.id);
      if (!isOpen(locked.state)) throw new AppError<ErrorCode>('nothing_to_do', 'The job is at its end.');
      const cancelled = await tasks.cancelAll(transaction, job.id);
      await outputs.abandon(transaction, cancelled);
      const left = (await jobs.renditions(transaction, job.id)).filter((one) => !one.is_published);
      await renditions.discard(
        transaction,
        left.map((one) => one.rendition_id),
      );
      await jobs.update(transaction, job.id, { state: 'cancelled', finished_at: new Date() });
      await progress.settleCancelled(transaction, locked);
    });
  }

  /** Returns how many videos got a job. A bounded number of them waits at a time, behind all other jobs. */
  async backfill(): Promise<number> {
    const { jobs, leases, inTransaction } = this.#options;
    const [first] = await jobs.videosWithoutJob(1);
    if (first === undefined || !(await leases.acquire(BACKFILL_LEASE, BACKFILL_INTERVAL_MS))) return 0;
    let begun = 0;
    try {
      const room = BACKFILL_WAITING_MAX - (await jobs.countIdle());
      for (const videoId of room > 0 ? await jobs.videosWithoutJob(room) : []) {
        if (this.#stop.signal.aborted) break;
        await inTransaction(async (transaction) => {
          if (!(await jobs.lacksJob(transaction, videoId))) return;
          await this.begin(transaction, videoId, { isUrgent: false });
          begun += 1;
        });
      }
    } finally {
      await leases.release(BACKFILL_LEASE).catch(() => {});
    }
    return begun;
  }

  async #lockLatest(transaction: Transaction, { id, videoId }: Job): Promise<LockedJob> {
    const latest = await this.#options.jobs.lockLatest(transaction, videoId);
    if (latest?.id === id) return latest;
    throw new AppError<ErrorCode>('conflict', 'The video has a later job, or is gone.');
  }
}

function isOpen(state: JobState): boolean {
  return state === 'queued' || state === 'running';
}

/** Also for those who may not know that there is one. */
export function jobNotFound(id: string): AppError {
  return new AppError<ErrorCode>('job_not_found', `There is no job ${id}.`);
}

function jobRunning(): AppError {
  return new AppError<ErrorCode>('job_running', 'The video is being transcoded; cancel that first.');
}
