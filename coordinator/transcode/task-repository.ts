import { type Selectable, sql } from 'kysely';
import type { Probe, SegmentPlan, TaskKind } from '../../lib/worker-api/tasks.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { TranscodeJobsTable } from '../database/schema.ts';
import type { JobState, PlannedTask, TaskSpec } from './job.ts';
import { ATTEMPTS_MAX, RETRY_DELAY_MS } from './limits.ts';
import { TELL_OF_MEDIA } from './media-channel.ts';

export interface Worker {
  readonly id: string;
  readonly name: string;
  readonly concurrency: number;
}

/** A task that a worker has, and what it needs for it. */
export interface LeasedTask {
  readonly id: string;
  readonly fence: number;
  readonly kind: TaskKind;
  readonly spec: TaskSpec;
  readonly jobId: string;
  readonly videoId: string;
  readonly sourceBytes: number;
  readonly probe: Probe | null;
  readonly plan: SegmentPlan | null;
}

/** A task under its fence, with its job and video locked until the transaction ends. */
export interface HeldTask {
  readonly id: string;
  readonly fence: number;
  readonly spec: TaskSpec;
  readonly state: JobState;
  readonly attempts: number;
  readonly job: LockedJob;
}
export type LockedJob = Selectable<TranscodeJobsTable>;

/**
 * Tasks in the table `transcode_tasks`. A lease is a time in the task's row, by the database's clock, that heartbeats put off;
 * each lease has a fence. Whatever locks rows does so in this order: video, job, task.
 */
export class TaskRepository {
  readonly #database: Database;
  readonly leaseMs: number;

  constructor(database: Database, options: { readonly leaseMs: number }) {
    this.#database = database;
    this.leaseMs = options.leaseMs;
  }

  async insert(
    transaction: Transaction,
    jobId: string,
    tasks: readonly (PlannedTask & { readonly id: string })[],
  ): Promise<void> {
    if (tasks.length === 0) return;
    await sql`
      insert into transcode_tasks (id, job_id, kind, spec, renditions, priority, weight)
      select task.id, ${jobId}::uuid, task.spec->>'kind', task.spec,
        array(select jsonb_array_elements_text(task.renditions)), task.priority, task.weight
      from unnest(
        ${tasks.map(({ id }) => id)}::uuid[], ${tasks.map(({ spec }) => JSON.stringify(spec))}::jsonb[],
        ${tasks.map(({ renditions }) => JSON.stringify(renditions))}::jsonb[],
        ${tasks.map(({ priority }) => priority)}::bigint[], ${tasks.map(({ weight }) => weight)}::double precision[]
      ) as task (id, spec, renditions, priority, weight)
    `.execute(transaction);
  }

  /** The task of these kinds, or of any, that is next, for this worker from now on; null when none is due. */
  async claim(worker: Worker, kinds: readonly TaskKind[] | null): Promise<LeasedTask | null> {
    const { rows } = await sql<Omit<LeasedTask, 'fence'> & { fence: number; jobState: JobState }>`
      with next as (
        select id from transcode_tasks
        where state = 'queued' and due_at <= clock_timestamp()
          ${kinds === null ? sql`` : sql`and kind = any(${[...kinds]}::text[])`}
        order by priority, id limit 1 for update skip locked
      )
      update transcode_tasks as task
      set state = 'running', fence = task.fence + 1, worker_id = ${worker.id}::uuid, worker_name = ${worker.name}::text,
        progress = 0, started_at = clock_timestamp(), lease_expires_at = ${inMs(this.leaseMs)}
      from next, transcode_jobs as job, videos as video
      where task.id = next.id and job.id = task.job_id and video.id = job.video_id
      returning task.id, task.fence, task.kind, task.spec, job.id as "jobId", job.state as "jobState",
        job.video_id as "videoId", video.size as "sourceBytes", job.probe, job.plan
    `.execute(this.#database);
    const [row] = rows;
    if (row === undefined) return null;
    const { jobState, ...task } = row;
    // On its own, because a cancel locks the job before its tasks.
    if (jobState === 'queued') await this.#noteBegin(task.jobId);
    return { ...task, fence: Number(task.fence), sourceBytes: Number(task.sourceBytes) };
  }

  async #noteBegin(jobId: string): Promise<void> {
    await sql`
      with begun as (
        update transcode_jobs set state = 'running', started_at = now()
        where id = ${jobId}::uuid and state = 'queued'
        returning video_id
      )
      select ${TELL_OF_MEDIA} from begun join videos as video on video.id = begun.video_id
    `.execute(this.#database);
  }

  /**
   * The video of a task that is leased under this fence; null when it is not, or not any more. Keeps its outputs open, and
   * tells of the progress.
   */
  async renew(
    id: string,
    fence: number,
    { progress, outputLeaseMs }: { readonly progress: number; readonly outputLeaseMs: number },
  ): Promise<string | null> {
    const { rows } = await sql<{ videoId: string }>`
      with setting as materialized (select set_config('synchronous_commit', 'off', true)),
      held as (
        update transcode_tasks as task
        set lease_expires_at = ${inMs(this.leaseMs)}, progress = ${progress}::real
        from setting
        where task.id = ${id}::uuid and task.fence = ${fence}::bigint and task.state = 'running'
        returning task.job_id
      ), kept as (
        update objects set lease_expires_at = ${inMs(outputLeaseMs)}
        from held, transcode_outputs as output
        where output.task_id = ${id}::uuid and output.fence = ${fence}::bigint
          and objects.id = output.object_id and objects.state = 'open'
      )
      select job.video_id as "videoId", ${TELL_OF_MEDIA}
      from held join transcode_jobs as job on job.id = held.job_id join videos as video on video.id = job.video_id
    `.execute(this.#database);
    return rows[0]?.videoId ?? null;
  }

  /** Null when nobody has it under this fence, or its video is gone. One that is at its end is found as well. */
  async hold(transaction: Transaction, id: string, fence: number): Promise<HeldTask | null> {
    const found = await transaction
      .selectFrom('transcode_tasks')
      .innerJoin('transcode_jobs', 'transcode_jobs.id', 'transcode_tasks.job_id')
      .select(['transcode_jobs.id', 'transcode_jobs.video_id'])
      .where('transcode_tasks.id', '=', id)
      .executeTakeFirst();
    const job = found && (await lockJob(transaction, found.video_id, found.id));
    if (!job) return null;
    const task = await transaction
      .selectFrom('transcode_tasks')
      .select(['spec', 'state', 'attempts'])
      .where('id', '=', id)
      .where('fence', '=', fence)
      .where('state', 'in', ['running', 'complete'])
      .forUpdate()
      .executeTakeFirst();
    return task === undefined ? null : { id, fence, ...task, job };
  }

  async complete(transaction: Transaction, id: string): Promise<void> {
    await transaction
      .updateTable('transcode_tasks')
      .set({ state: 'complete', progress: 1, reason: null, lease_expires_at: null, finished_at: NOW })
      .where('id', '=', id)
      .execute();
  }

  /** To be done again after a while, or given up when that has been tried often enough. Returns whether it is given up. */
  async fail(
    transaction: Transaction,
    { id, attempts }: Pick<HeldTask, 'id' | 'attempts'>,
    failure: { readonly reason: string; readonly retryable: boolean; readonly delayMs?: number },
  ): Promise<boolean> {
    const isFinal = !failure.retryable || attempts + 1 >= ATTEMPTS_MAX;
    const delayMs = failure.delayMs ?? RETRY_DELAY_MS * 4 ** attempts;
    await transaction
      .updateTable('transcode_tasks')
      .set({
        ...{ state: isFinal ? ('failed' as const) : ('queued' as const), attempts: attempts + 1 },
        ...{ reason: failure.reason, progress: 0, lease_expires_at: null, due_at: inMs(delayMs) },
        ...(isFinal ? { finished_at: NOW } : { worker_id: null, worker_name: null }),
      })
      .where('id', '=', id)
      .execute();
    return isFinal;
  }

  /** False when none has failed. Those of a job that was cancelled are gone for good. */
  async requeueFailed(transaction: Transaction, jobId: string, rendition?: string): Promise<boolean> {
    const rows = await transaction
      .updateTable('transcode_tasks')
      .set({
        ...{ state: 'queued', attempts: 0, progress: 0, due_at: NOW, finished_at: null },
        ...{ worker_id: null, worker_name: null },
      })
      .where('job_id', '=', jobId)
      .where('state', '=', 'failed')
      .$if(rendition !== undefined, (query) =>
        query.where(sql<boolean>`${rendition!}::text = any(renditions)`),
      )
      .returning('id')
      .execute();
    return rows.length > 0;
  }

  /** Returns the ids of those that were not at their end. */
  async cancelAll(transaction: Transaction, jobId: string): Promise<string[]> {
    const rows = await transaction
      .updateTable('transcode_tasks')
      .set({ state: 'cancelled', lease_expires_at: null, finished_at: NOW })
      .where('job_id', '=', jobId)
      .where('state', 'in', ['queued', 'running'])
      .returning('id')
      .execute();
    return rows.map(({ id }) => id);
  }

  /** Others do what it could not: it did not fail. */
  async replace(transaction: Transaction, id: string): Promise<void> {
    await transaction
      .updateTable('transcode_tasks')
      .set({ state: 'cancelled' })
      .where('id', '=', id)
      .execute();
  }

  /** Gives a task back that was not begun in vain: the next worker takes it at once. False when it was not held. */
  async release(transaction: Transaction, id: string, fence: number): Promise<boolean> {
    const row = await transaction
      .updateTable('transcode_tasks')
      .set({
        ...{ state: 'queued', progress: 0, lease_expires_at: null, worker_id: null, worker_name: null },
        due_at: NOW,
      })
      .where('id', '=', id)
      .where('fence', '=', fence)
      .where('state', '=', 'running')
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /** Tasks whose workers have been silent for too long, and how long until the next retry is due, if one waits. */
  async overdue(): Promise<{
    readonly lost: { readonly id: string; readonly fence: number }[];
    readonly hasDue: boolean;
  }> {
    const { rows } = await sql<{ id: string | null; fence: number | null }>`
      (select id, fence from transcode_tasks
        where state = 'running' and lease_expires_at < clock_timestamp() order by lease_expires_at limit 100)
      union all
      (select null, null from transcode_tasks where state = 'queued' and due_at <= clock_timestamp() limit 1)
    `.execute(this.#database);
    return {
      lost: rows.flatMap(({ id, fence }) => (id === null ? [] : [{ id, fence: Number(fence) }])),
      hasDue: rows.some(({ id }) => id === null),
    };
  }

  /** Whether its lease has run out, inside a transaction that has locked it. */
  async isOverdue(transaction: Transaction, id: string): Promise<boolean> {
    const row = await transaction
      .selectFrom('transcode_tasks')
      .select('id')
      .where('id', '=', id)
      .where('state', '=', 'running')
      .where('lease_expires_at', '<', sql<Date>`clock_timestamp()`)
      .executeTakeFirst();
    return row !== undefined;
  }
}

/** Locks the video against deletion, then the job; null when one of them is gone. */
export async function lockJob(
  transaction: Transaction,
  videoId: string,
  jobId: string,
): Promise<LockedJob | null> {
  const video = await transaction
    .selectFrom('videos')
    .select('id')
    .where('id', '=', videoId)
    .forNoKeyUpdate()
    .executeTakeFirst();
  if (video === undefined) return null;
  const job = await transaction
    .selectFrom('transcode_jobs')
    .selectAll()
    .where('id', '=', jobId)
    .forUpdate()
    .executeTakeFirst();
  return job ?? null;
}

const NOW = sql<Date>`clock_timestamp()`;

function inMs(milliseconds: number) {
  return sql<Date>`clock_timestamp() + ${milliseconds}::bigint * interval '1 millisecond'`;
}
