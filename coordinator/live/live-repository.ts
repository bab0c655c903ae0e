import { sql } from 'kysely';
import type { Database } from '../database/database.ts';
import { PROGRESS } from '../transcode/job-repository.ts';
import type { LiveVideoJson } from './schema.ts';

type LiveJob = NonNullable<LiveVideoJson['job']>;

/** What is read for streams besides the videos themselves. */
export class LiveRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The latest job of each of these videos that has one, by the id of the video. */
  async jobsOf(videoIds: readonly string[]): Promise<ReadonlyMap<string, LiveJob>> {
    if (videoIds.length === 0) return new Map();
    // A rung is as far as the tasks that make it; what was published is there whatever becomes of them.
    const { rows } = await sql<LiveJob & { videoId: string }>`
      select media.video_id as "videoId", job.id, job.state, job.reason,
        case job.state when 'complete' then 1 else ${PROGRESS} end as progress,
        coalesce((
          select jsonb_agg(jsonb_build_object(
            'name', made.name, 'kind', made.kind, 'isPublished', made.is_published,
            'progress', case when made.is_published or made.pieces_done >= made.pieces then 1 else coalesce((
              select avg(case task.state when 'complete' then 1 when 'running' then task.progress else 0 end)
              from transcode_tasks as task
              where task.job_id = job.id and task.state <> 'cancelled' and made.name = any(task.renditions)
            ), 0) end
          ) order by made.kind desc, made.name)
          from transcode_renditions as made where made.job_id = job.id
        ), '[]'::jsonb) as renditions
      from video_media as media join transcode_jobs as job on job.id = media.job_id
      where media.video_id = any(${[...videoIds]}::uuid[])
    `.execute(this.#database);
    return new Map(rows.map(({ videoId, ...job }) => [videoId, rounded(job)]));
  }

  /** Ids of the owner's videos that are being processed, the latest ones first. */
  async underWay(ownerId: string, limit: number): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('videos')
      .innerJoin('video_media', 'video_media.video_id', 'videos.id')
      .select('videos.id')
      .where('videos.owner_id', '=', ownerId)
      .where('video_media.status', 'in', ['processing', 'playable'])
      .orderBy('videos.created_at', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  }
}

function rounded({ id, state, reason, progress, renditions }: LiveJob): LiveJob {
  return {
    ...{ id, state, reason, progress: share(progress) },
    renditions: renditions.map((one) => ({ ...one, progress: share(one.progress) })),
  };
}

function share(value: number): number {
  return Math.min(1, Math.round(value * 1000) / 1000);
}
