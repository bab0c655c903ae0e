import { type Selectable, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { TranscodeRenditionsTable, TranscodeTasksTable } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { JobState, PlannedRendition, PlannedTask, SourceFate } from './job.ts';
import { JOBS_KEPT_MAX, TASKS_SHOWN_MAX } from './limits.ts';
import { TELL_OF_MEDIA } from './media-channel.ts';
import { TELL_OF_TASKS } from './task-channel.ts';
import type { LockedJob } from './task-repository.ts';

/** A job as it is shown. */
export interface Job {
  readonly id: string;
  readonly videoId: string;
  readonly ownerId: string | null;
  readonly state: JobState;
  readonly reason: string | null;
  readonly source: SourceFate;
  /** 0 to 1. */
  readonly progress: number;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

export interface JobPosition {
  readonly createdAt: Date;
  readonly id: string;
}

export type JobTask = Omit<Selectable<TranscodeTasksTable>, 'spec'>;
export type JobRendition = Selectable<TranscodeRenditionsTable>;

/** Of the work that is known, what is done. The inspection, which says what there is, does not count. */
export const PROGRESS = sql<number>`coalesce((
  select sum(task.weight * case task.state when 'complete' then 1 when 'running' then task.progress else 0 end)
    / nullif(sum(task.weight), 0)
  from transcode_tasks as task where task.job_id = job.id and task.kind <> 'inspect'
), 0)::double precision`;

/** Jobs and the renditions that they make, in the tables `transcode_jobs` and `transcode_renditions`. */
export class JobRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Makes it the latest of its video, with its first task, inside the caller's transaction; all coordinators are told when that
   * commits. Every upload does this, so it is one statement: each is a way to the database and back.
   */
  async begin(
    transaction: Transaction,
    job: {
      readonly id: string;
      readonly videoId: string;
      readonly isUrgent: boolean;
      readonly source: SourceFate;
    },
    task: PlannedTask & { readonly id: string },
  ): Promise<void> {
    const { id, videoId, isUrgent, source } = job;
    await sql`
      with job as (
        insert into transcode_jobs (id, video_id, is_urgent, source)
        values (${id}::uuid, ${videoId}::uuid, ${isUrgent}::boolean, ${source}::text)
      ), media as (
        update video_media set job_id = ${id}::uuid, updated_at = now() where video_id = ${videoId}::uuid
      ), task as (
        insert into transcode_tasks (id, job_id, kind, spec, renditions, priority, weight)
        values (
          ${task.id}::uuid, ${id}::uuid, ${task.spec.kind}::text, ${JSON.stringify(task.spec)}::jsonb,
          ${[...task.renditions]}::text[], ${task.priority}::bigint, ${task.weight}::double precision
        )
      )
      select ${TELL_OF_MEDIA}, ${TELL_OF_TASKS} from videos as video where video.id = ${videoId}::uuid
    `.execute(transaction);
  }

  /** Forgets all but the latest jobs of a video, inside the transaction that has locked it. All that go are at their end. */
  async forgetOld(transaction: Transaction, videoId: string): Promise<void> {
    await sql`
      delete from transcode_jobs where id in (
        select id from transcode_jobs where video_id = ${videoId}::uuid
        order by created_at desc, id desc offset ${JOBS_KEPT_MAX}::integer
      )
    `.execute(transaction);
  }

  async find(id: string): Promise<Job | null> {
    const { rows } = await this.#select(sql`where job.id = ${id}::uuid`);
    return rows[0] ?? null;
  }

  /** Newest first, from behind `after`; of this owner's videos, when one is named. */
  async list(page: {
    readonly limit: number;
    readonly after?: JobPosition | undefined;
    readonly state?: JobState | undefined;
    readonly videoId?: string | undefined;
    readonly ownerId?: string | undefined;
  }): Promise<Job[]> {
    const { limit, after, state, videoId, ownerId } = page;
    const conditions = [
      sql`true`,
      ...(state === undefined ? [] : [sql`job.state = ${state}::text`]),
      ...(videoId === undefined ? [] : [sql`job.video_id = ${videoId}::uuid`]),
      ...(ownerId === undefined ? [] : [sql`video.owner_id = ${ownerId}::uuid`]),
      ...(after === undefined
        ? []
        : [sql`(job.created_at, job.id) < (${after.createdAt}::timestamptz, ${after.id}::uuid)`]),
    ];
    const { rows } = await this.#select(
      sql`where ${sql.join(conditions, sql` and `)} order by job.created_at desc, job.id desc limit ${limit}::integer`,
    );
    return rows;
  }

  #select(rest: ReturnType<typeof sql>) {
    return sql<Job>`
      select job.id, job.video_id as "videoId", video.owner_id as "ownerId", job.state, job.reason, job.source,
        case job.state when 'complete' then 1 else ${PROGRESS} end as progress,
        job.created_at as "createdAt", job.started_at as "startedAt", job.finished_at as "finishedAt"
      from transcode_jobs as job join videos as video on video.id = job.video_id
      ${rest}
    `.execute(this.#database);
  }

  /** In the order in which they are done; a bounded number of them, and how many there are in each state. */
  async tasks(
    jobId: string,
  ): Promise<{ readonly tasks: JobTask[]; readonly counts: Partial<Record<JobState, number>> }> {
    const tasks = await this.#database
      .selectFrom('transcode_tasks')
      .selectAll()
      .where('job_id', '=', jobId)
      .orderBy('priority')
      .orderBy('id')
      .limit(TASKS_SHOWN_MAX)
      .execute();
    return { tasks, counts: await this.countTasks(this.#database, jobId) };
  }

  async countTasks(
    database: Database | Transaction,
    jobId: string,
  ): Promise<Partial<Record<JobState, number>>> {
    const rows = await database
      .selectFrom('transcode_tasks')
      .select(({ fn }) => ['state', fn.countAll<number>().as('count')])
      .where('job_id', '=', jobId)
      .groupBy('state')
      .execute();
    return Object.fromEntries(rows.map(({ state, count }) => [state, Number(count)]));
  }

  async renditions(database: Database | Transaction, jobId: string): Promise<JobRendition[]> {
    return await database
      .selectFrom('transcode_renditions')
      .selectAll()
      .where('job_id', '=', jobId)
      .orderBy('kind', 'desc')
      .orderBy('name')
      .execute();
  }

  async renditionsOf(jobId: string): Promise<JobRendition[]> {
    return await this.renditions(this.#database, jobId);
  }

  async insertRenditions(
    transaction: Transaction,
    jobId: string,
    renditions: readonly (PlannedRendition & { readonly id: string })[],
  ): Promise<void> {
    if (renditions.length === 0) return;
    await transaction
      .insertInto('transcode_renditions')
      .values(
        renditions.map(({ id, name, kind, pieces }) => ({
          job_id: jobId,
          name,
          kind,
          rendition_id: id,
          pieces,
        })),
      )
      // A copy may bring what the inspection has promised already.
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }

  /** Returns the ids of those with these names, which the job makes anew. */
  async forgetRenditions(
    transaction: Transaction,
    jobId: string,
    names: readonly string[],
  ): Promise<string[]> {
    if (names.length === 0) return [];
    const rows = await transaction
      .deleteFrom('transcode_renditions')
      .where('job_id', '=', jobId)
      .where('name', 'in', names)
      .returning('rendition_id')
      .execute();
    return rows.map(({ rendition_id }) => rendition_id);
  }

  /**
   * Whether something that is played is made of the source's own bytes, nothing can be played, or one of these is not
   * there.
   */
  async needsSource(transaction: Transaction, videoId: string, names: readonly string[]): Promise<boolean> {
    const rows = await transaction
      .selectFrom('renditions')
      .select(['name', 'origin'])
      .where('video_id', '=', videoId)
      .where('is_ready', '=', true)
      .execute();
    const ready = new Set(rows.map(({ name }) => name));
    return (
      ready.size === 0 ||
      rows.some(({ origin }) => origin === 'virtual') ||
      names.some((name) => !ready.has(name))
    );
  }

  async update(
    transaction: Transaction,
    jobId: string,
    changes: {
      readonly state?: JobState;
      readonly reason?: string | null;
      readonly source?: SourceFate;
      readonly probe?: string;
      readonly plan?: string;
      readonly finished_at?: Date | null;
    },
  ): Promise<void> {
    await transaction.updateTable('transcode_jobs').set(changes).where('id', '=', jobId).execute();
  }

  /**
   * The latest job of a video, locked together with the video; null when there is none, or no video. Throws
   * `source_required` when the video's source was dropped.
   */
  async lockLatest(transaction: Transaction, videoId: string): Promise<LockedJob | null> {
    const video = await transaction
      .selectFrom('videos')
      .select('source_dropped_at')
      .where('id', '=', videoId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (video !== undefined && video.source_dropped_at !== null) throw sourceRequired();
    const job = await transaction
      .selectFrom('transcode_jobs as job')
      .innerJoin('video_media as media', 'media.job_id', 'job.id')
      .selectAll('job')
      .where('media.video_id', '=', videoId)
      .forUpdate('job')
      .executeTakeFirst();
    return job ?? null;
  }

  /** Ids of videos without any job, at most `limit`. */
  async videosWithoutJob(limit: number): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('video_media')
      .select('video_id')
      .where('job_id', 'is', null)
      .orderBy('video_id')
      .limit(limit)
      .execute();
    return rows.map(({ video_id }) => video_id);
  }

  /** Whether a video that is there still has no job; it stays so until the transaction ends. */
  async lacksJob(transaction: Transaction, videoId: string): Promise<boolean> {
    await transaction
      .selectFrom('videos')
      .select('id')
      .where('id', '=', videoId)
      .forNoKeyUpdate()
      .executeTakeFirst();
    const row = await transaction
      .selectFrom('video_media')
      .select('job_id')
      .where('video_id', '=', videoId)
      .forUpdate()
      .executeTakeFirst();
    return row !== undefined && row.job_id === null;
  }

  /** Jobs that nobody waits for and that are not at their end. */
  async countIdle(): Promise<number> {
    const { count } = await this.#database
      .selectFrom('transcode_jobs')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .where('state', 'in', ['queued', 'running'])
      .where('is_urgent', '=', false)
      .executeTakeFirstOrThrow();
    return Number(count);
  }
}

function sourceRequired(): AppError {
  return new AppError<ErrorCode>(
    'source_required',
    'This takes the bytes that were uploaded, and they were dropped after the transcoding.',
  );
}
