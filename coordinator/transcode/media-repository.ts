import { sql } from 'kysely';
import type { Probe } from '../../lib/worker-api/tasks.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { MediaStatus, VideoMedia } from '../videos/video-media.ts';
import { PROGRESS } from './job-repository.ts';

/** The table `video_media`. */
export class MediaRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** By the ids of the videos; those that are gone are not in it. */
  async of(videoIds: readonly string[]): Promise<ReadonlyMap<string, VideoMedia>> {
    return videoIds.length === 0 ? new Map() : await this.#read(this.#database, videoIds);
  }

  /** As the transaction sees it. */
  async find(transaction: Transaction, videoId: string): Promise<VideoMedia | undefined> {
    return (await this.#read(transaction, [videoId])).get(videoId);
  }

  async #read(
    database: Database | Transaction,
    videoIds: readonly string[],
  ): Promise<ReadonlyMap<string, VideoMedia>> {
    const { rows } = await sql<VideoMedia & { videoId: string }>`
      select media.video_id as "videoId", media.status, media.reason, media.probe,
        exists (select from pictures where video_id = media.video_id and name = 'poster.jpg') as "hasPoster",
        case when media.status = 'ready' then 1 else ${PROGRESS} end as progress
      from video_media as media left join transcode_jobs as job on job.id = media.job_id
      where media.video_id = any(${[...videoIds]}::uuid[])
    `.execute(database);
    return new Map(rows.map(({ videoId, ...media }) => [videoId, media]));
  }

  async setProbe(transaction: Transaction, videoId: string, probe: Probe): Promise<void> {
    await transaction
      .updateTable('video_media')
      .set({ probe: JSON.stringify(probe) })
      .where('video_id', '=', videoId)
      .execute();
  }

  /** The status before; null when the video is gone. */
  async lock(transaction: Transaction, videoId: string): Promise<MediaStatus | null> {
    const row = await transaction
      .selectFrom('video_media')
      .select('status')
      .where('video_id', '=', videoId)
      .forUpdate()
      .executeTakeFirst();
    return row?.status ?? null;
  }

  async setStatus(
    transaction: Transaction,
    videoId: string,
    status: MediaStatus,
    reason: string | null,
  ): Promise<void> {
    await transaction
      .updateTable('video_media')
      .set({ status, reason, updated_at: sql<Date>`now()` })
      .where('video_id', '=', videoId)
      .execute();
  }

  /** Whether players are given something of the video now. */
  async canBePlayed(transaction: Transaction, videoId: string, hasPictures: boolean): Promise<boolean> {
    const row = await transaction
      .selectFrom('renditions')
      .select('id')
      .where('video_id', '=', videoId)
      .where('is_ready', '=', true)
      .where('kind', '=', hasPictures ? 'video' : 'audio')
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }
}
