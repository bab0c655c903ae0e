import { type RawBuilder, type Selectable, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { VideosTable } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { withCommitted } from '../objects/commit-object.ts';
import type { StoredObject } from '../objects/object-repository.ts';
import type { OnVideoEvent } from './video-event.ts';
import type { Video, VideoChanges, VideoPage, VideoRepository } from './video-repository.ts';

/** Videos in the table `videos`. */
export class SqlVideoRepository implements VideoRepository {
  readonly #database: Database;
  readonly #onEvent: OnVideoEvent | undefined;

  /** `onEvent` is told of every video that is inserted or deleted. */
  constructor(database: Database, { onEvent }: { readonly onEvent?: OnVideoEvent } = {}) {
    this.#database = database;
    this.#onEvent = onEvent;
  }

  async insert(video: Video, stored: StoredObject, within?: Transaction): Promise<void> {
    const onEvent = this.#onEvent;
    if (onEvent === undefined) return this.#insert(video, stored, within ?? this.#database);
    const work = async (transaction: Transaction) => {
      await this.#insert(video, stored, transaction);
      await onEvent(transaction, { type: 'video.uploaded', video, reason: null });
    };
    if (within !== undefined) await work(within);
    else await this.#database.transaction().execute(work);
  }

  async #insert(video: Video, stored: StoredObject, database: Database): Promise<void> {
    // One statement, because each is a way to the database and back.
    const { rows } = await sql`
      ${withCommitted(video.objectId, stored)}
      insert into videos (
        id, object_id, owner_id, visibility, title, description, filename, content_type, size, sha256, version,
        created_at, updated_at
      )
      select
        ${video.id}::uuid, committed.id, ${video.ownerId}::uuid, ${video.visibility}::text, ${video.title}::text, ${video.description}::text, ${video.filename}::text,
        ${video.contentType}::text, ${video.size}::bigint, ${video.sha256}::bytea, ${video.version}::integer,
        ${video.createdAt}::timestamptz, ${video.updatedAt}::timestamptz
      from committed
      returning id
    `.execute(database);
    if (rows.length === 0) {
      throw new AppError<ErrorCode>('upload_expired', 'The upload took too long and was given up.');
    }
  }

  async find(id: string, within?: Transaction): Promise<Video | null> {
    const database = within ?? this.#database;
    const row = await database.selectFrom('videos').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toVideo(row) : null;
  }

  async findAll(ids: readonly string[]): Promise<Video[]> {
    if (ids.length === 0) return [];
    const rows = await this.#database
      .selectFrom('videos')
      .selectAll()
      .where('id', 'in', [...ids])
      .execute();
    return rows.map(toVideo);
  }

  async list({ limit, audience, after, ownerId }: VideoPage): Promise<Video[]> {
    let query = this.#database.selectFrom('videos').selectAll();
    if (ownerId !== undefined) query = query.where('owner_id', '=', ownerId);
    if (audience !== 'everything') {
      const { userId } = audience;
      query = query.where((eb) =>
        userId === null
          ? eb('visibility', '=', 'public')
          : eb.or([eb('visibility', '=', 'public'), eb('owner_id', '=', userId)]),
      );
    }
    if (after !== undefined) {
      query = query.where((eb) =>
        eb(eb.refTuple('created_at', 'id'), '<', eb.tuple(after.createdAt, after.id)),
      );
    }
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toVideo);
  }

  async update(
    transaction: Transaction,
    id: string,
    changes: VideoChanges,
    options: { readonly updatedAt: Date; readonly version?: number | undefined },
  ): Promise<Video | null> {
    const { title, description, filename, contentType, visibility, ownerId } = changes;
    const row = await transaction
      .updateTable('videos')
      .set((eb) => ({
        ...(title !== undefined && { title }),
        ...(description !== undefined && { description }),
        ...(filename !== undefined && { filename }),
        ...(contentType !== undefined && { content_type: contentType }),
        ...(visibility !== undefined && { visibility }),
        ...(ownerId !== undefined && { owner_id: ownerId }),
        version: eb('version', '+', 1),
        updated_at: options.updatedAt,
      }))
      .where('id', '=', id)
      .$if(options.version !== undefined, (query) => query.where('version', '=', options.version!))
      .returningAll()
      .executeTakeFirst();
    return row ? toVideo(row) : null;
  }

  async delete(
    transaction: Transaction,
    id: string,
    options: { readonly version?: number | undefined },
  ): Promise<Video | null> {
    const row = await transaction
      .deleteFrom('videos')
      .where('id', '=', id)
      .$if(options.version !== undefined, (query) => query.where('version', '=', options.version!))
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return null;
    const video = toVideo(row);
    await this.#onEvent?.(transaction, { type: 'video.deleted', video, reason: null });
    return video;
  }

  async lock(transaction: Transaction, id: string, version: number): Promise<Video | null> {
    const row = await transaction
      .selectFrom('videos')
      .selectAll()
      .where('id', '=', id)
      .where('version', '=', version)
      .forUpdate()
      .executeTakeFirst();
    return row ? toVideo(row) : null;
  }

  async fillSha256(
    transaction: Transaction,
    id: string,
    sha256: Uint8Array,
    { version }: { readonly version: number },
  ): Promise<Video | null> {
    const row = await transaction
      .updateTable('videos')
      .set((eb) => ({ sha256, version: eb('version', '+', 1) }))
      .where('id', '=', id)
      .where('version', '=', version)
      .where('sha256', 'is', null)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return null;
    await transaction.updateTable('objects').set({ sha256 }).where('id', '=', row.object_id).execute();
    return toVideo(row);
  }

  async dropSource(transaction: Transaction, id: string, at: Date): Promise<Video | null> {
    // A job that begins locks the video first: it is seen below, or sees that there is no source.
    const locked = await transaction
      .selectFrom('videos')
      .select('id')
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    if (locked === undefined) return null;
    const row = await transaction
      .updateTable('videos')
      .set((eb) => ({ source_dropped_at: at, version: eb('version', '+', 1), updated_at: at }))
      .where('id', '=', id)
      .where('id', '=', sql<string>`any(${droppable(sql`and job.video_id = ${id}::uuid`)})`)
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return null;
    await transaction
      .updateTable('transcode_jobs')
      .set({ source: 'dropped' })
      .where('video_id', '=', id)
      .where('source', '=', 'drop')
      .execute();
    return toVideo(row);
  }

  async withSourceToDrop(limit: number, after?: string): Promise<string[]> {
    const rest = after === undefined ? sql`` : sql`and job.video_id > ${after}::uuid`;
    const { rows } = await sql<{ video_id: string }>`
      ${droppable(rest)} order by job.video_id limit ${limit}::integer
    `.execute(this.#database);
    return rows.map(({ video_id }) => video_id);
  }

  async withoutSha256(limit: number, after?: string): Promise<Video[]> {
    const rows = await this.#database
      .selectFrom('videos')
      .selectAll()
      .where('sha256', 'is', null)
      .$if(after !== undefined, (query) => query.where('id', '>', after!))
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(toVideo);
  }

  async withoutRecord(limit: number, after?: string): Promise<string[]> {
    const rows = await this.#database
      .selectFrom('videos')
      .select('id')
      .$if(after !== undefined, (query) => query.where('id', '>', after!))
      // The others' record went with their bytes.
      .where('source_dropped_at', 'is', null)
      .where(({ not, exists, selectFrom }) =>
        not(
          exists(
            selectFrom('chunks')
              .select('chunks.index')
              .whereRef('chunks.object_id', '=', 'videos.object_id')
              .where('chunks.index', '<', 0),
          ),
        ),
      )
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(({ id }) => id);
  }
}

function toVideo(row: Selectable<VideosTable>): Video {
  return {
    id: row.id,
    objectId: row.object_id,
    ownerId: row.owner_id,
    visibility: row.visibility,
    title: row.title,
    description: row.description,
    filename: row.filename,
    contentType: row.content_type,
    size: row.size,
    sha256: row.sha256,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    ...(row.source_dropped_at !== null && { sourceDroppedAt: row.source_dropped_at }),
  };
}

/** A query for videos whose source may go now, with more conditions. */
function droppable(conditions: RawBuilder<unknown>): RawBuilder<string> {
  return sql<string>`
    select job.video_id
    from transcode_jobs as job
      join video_media as media on media.job_id = job.id
      join videos as video on video.id = job.video_id
    where job.source = 'drop' and job.state = 'complete' and media.status = 'ready'
      and video.source_dropped_at is null and video.sha256 is not null
      and not exists (
        select from renditions where renditions.video_id = job.video_id and is_ready and origin = 'virtual'
      )
      ${conditions}
  `;
}
