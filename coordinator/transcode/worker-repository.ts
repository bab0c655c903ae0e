import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { WORKER_SILENT_MS } from './limits.ts';
import type { Worker } from './task-repository.ts';

export interface KnownWorker extends Worker {
  readonly startedAt: Date;
  readonly seenAt: Date;
  readonly isRunning: boolean;
  /** That it does now. */
  readonly tasks: readonly { readonly id: string; readonly kind: string; readonly videoId: string }[];
}

/** The table `transcode_workers`: who has asked for work. */
export class WorkerRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** It was heard of just now. */
  async note({ id, name, concurrency }: Worker): Promise<void> {
    await sql`
      with setting as materialized (select set_config('synchronous_commit', 'off', true))
      insert into transcode_workers (id, name, concurrency)
      select ${id}::uuid, ${name}::text, ${concurrency}::integer from setting
      on conflict (id) do update set name = excluded.name, concurrency = excluded.concurrency, seen_at = now()
    `.execute(this.#database);
  }

  /** Those that were heard of last come first. */
  async list(limit: number): Promise<KnownWorker[]> {
    const { rows } = await sql<KnownWorker>`
      select worker.id, worker.name, worker.concurrency, worker.started_at as "startedAt", worker.seen_at as "seenAt",
        worker.seen_at > now() - ${WORKER_SILENT_MS}::integer * interval '1 millisecond' or task.tasks is not null as "isRunning",
        coalesce(task.tasks, '[]'::jsonb) as tasks
      from transcode_workers as worker
      left join (
        select task.worker_id, jsonb_agg(jsonb_build_object('id', task.id, 'kind', task.kind, 'videoId', job.video_id)) as tasks
        from transcode_tasks as task join transcode_jobs as job on job.id = task.job_id
        where task.state = 'running'
        group by task.worker_id
      ) as task on task.worker_id = worker.id
      order by worker.seen_at desc, worker.id
      limit ${limit}::integer
    `.execute(this.#database);
    return rows;
  }

  async forget(olderThanMs: number): Promise<void> {
    await sql`
      delete from transcode_workers where seen_at < now() - ${olderThanMs}::bigint * interval '1 millisecond'
    `.execute(this.#database);
  }
}
