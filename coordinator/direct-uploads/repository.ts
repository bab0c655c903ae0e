import { sql } from 'kysely';
import { z } from 'zod';
import type { Database } from '../database/database.ts';
import { visibilitySchema } from '../videos/schema.ts';
import type { DirectUpload, PartAttempt } from './direct-upload.ts';

/** As it was checked when the upload began. */
const metadataSchema = z.object({
  title: z.string().optional(),
  description: z.string().optional(),
  filename: z.string().optional(),
  contentType: z.string().optional(),
  visibility: visibilitySchema.optional(),
});

/** Direct uploads in the tables `direct_uploads` and `direct_parts`; they go when their object does. */
export class DirectUploadRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Its object must be open. */
  async insert(upload: Omit<DirectUpload, 'expiresAt'>): Promise<void> {
    const { id, videoId, ownerId, size, partBytes, nonce, sha256, metadata } = upload;
    await this.#database
      .insertInto('direct_uploads')
      .values({
        ...{ id, video_id: videoId, owner_id: ownerId, size, part_bytes: partBytes, nonce, sha256 },
        metadata: JSON.stringify(metadata),
      })
      .execute();
  }

  /** Null as well when its time has run out. */
  async find(id: string): Promise<DirectUpload | null> {
    const row = await this.#database
      .selectFrom('direct_uploads')
      .innerJoin('objects', 'objects.id', 'direct_uploads.id')
      .selectAll('direct_uploads')
      .select(['objects.lease_expires_at', 'objects.state'])
      .where('direct_uploads.id', '=', id)
      .where(sql<boolean>`(objects.state = 'committed' or objects.lease_expires_at > now())`)
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      id: row.id,
      videoId: row.video_id,
      ownerId: row.owner_id,
      size: row.size,
      partBytes: row.part_bytes,
      nonce: row.nonce,
      sha256: row.sha256,
      metadata: metadataSchema.parse(JSON.parse(row.metadata)),
      expiresAt: row.state === 'committed' ? null : row.lease_expires_at,
    };
  }

  /** Of the parts from `first` to `last` (inclusive), by index, then attempt. */
  async attempts(uploadId: string, first: number, last: number): Promise<PartAttempt[]> {
    const rows = await this.#database
      .selectFrom('direct_parts')
      .select(['index', 'attempt', 'node_id'])
      .where('upload_id', '=', uploadId)
      .where('index', '>=', first)
      .where('index', '<=', last)
      .orderBy('index')
      .orderBy('attempt')
      .execute();
    return rows.map(({ index, attempt, node_id }) => ({ index, attempt, nodeId: node_id }));
  }

  /** Those that exist already stay as they are: of two that say different nodes the first counts. */
  async addAttempts(uploadId: string, attempts: readonly PartAttempt[]): Promise<void> {
    if (attempts.length === 0) return;
    await sql`
      insert into direct_parts (upload_id, index, attempt, node_id)
      select ${uploadId}::uuid, part.index, part.attempt, part.node_id
      from unnest(
        ${attempts.map(({ index }) => index)}::integer[], ${attempts.map(({ attempt }) => attempt)}::smallint[],
        ${attempts.map(({ nodeId }) => nodeId)}::uuid[]
      ) as part (index, attempt, node_id)
      on conflict do nothing
    `.execute(this.#database);
  }

  /** What nobody will ask of a complete upload again. */
  async finish(id: string): Promise<void> {
    await sql`
      with finished as (update direct_uploads set completed_at = now() where id = ${id}::uuid returning id)
      delete from direct_parts using finished where direct_parts.upload_id = finished.id
    `.execute(this.#database);
  }

  /** Forgets uploads that were completed so long ago; returns how many. */
  async forgetCompleted(olderThanMs: number): Promise<number> {
    const { rows } = await sql`
      delete from direct_uploads using objects
      where objects.id = direct_uploads.id and objects.state = 'committed'
        and coalesce(completed_at, direct_uploads.created_at + interval '7 days')
          < now() - ${olderThanMs}::bigint * interval '1 millisecond'
      returning direct_uploads.id
    `.execute(this.#database);
    return rows.length;
  }
}
