import { sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { withCommitted } from '../objects/commit-object.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { Attachment, VideoAttachments } from '../videos/attachment.ts';

/** Attachments in the table `attachments`; their bytes are objects like all others. */
export class AttachmentRepository implements VideoAttachments {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async of(videoId: string): Promise<Attachment[]> {
    return await attachmentsOf(this.#database, videoId);
  }

  async deleteAll(transaction: Transaction, videoId: string): Promise<Attachment[]> {
    const all = await attachmentsOf(transaction, videoId);
    await this.delete(transaction, all);
    return all;
  }

  /** Inside the caller's transaction. */
  async delete(transaction: Transaction, attachments: readonly Attachment[]): Promise<void> {
    if (attachments.length === 0) return;
    const ids = attachments.map(({ objectId }) => objectId);
    await transaction.deleteFrom('objects').where('id', '=', sql<string>`any(${ids}::uuid[])`).execute();
  }

  /**
   * Commits the attachment's object, which is open, and inserts the attachment, inside the caller's transaction. Throws
   * `upload_expired` when the object is not open any more.
   */
  async insert(transaction: Transaction, videoId: string, attachment: Attachment): Promise<void> {
    const { objectId, name, kind, language, label, contentType, size, sha256, createdAt, chunks } =
      attachment;
    const { rows } = await sql`
      ${withCommitted(objectId, { size, sha256, chunks, record: [] })}
      insert into attachments (
        object_id, video_id, owner_id, name, kind, language, label, content_type, size, sha256, created_at
      )
      select committed.id, videos.id, videos.owner_id, ${name}::text, ${kind}::text, ${language}::text, ${label}::text,
        ${contentType}::text, ${size}::bigint, ${sha256}::bytea, ${createdAt}::timestamptz
      from committed, videos
      where videos.id = ${videoId}::uuid
      returning object_id
    `.execute(transaction);
    if (rows.length > 0) return;
    throw new AppError<ErrorCode>('upload_expired', 'The upload took too long and was given up.');
  }
}

async function attachmentsOf(database: Database | Transaction, videoId: string): Promise<Attachment[]> {
  const rows = await database
    .selectFrom('attachments')
    .innerJoin('chunks', 'chunks.object_id', 'attachments.object_id')
    .selectAll('attachments')
    .select(['chunks.id as chunk_id', 'chunks.position', 'chunks.length', 'chunks.checksum'])
    .where('attachments.video_id', '=', videoId)
    .orderBy('attachments.name')
    .orderBy('chunks.index')
    .execute();
  const found = new Map<string, Attachment & { chunks: ChunkRef[] }>();
  for (const row of rows) {
    let attachment = found.get(row.object_id);
    if (attachment === undefined) {
      const { name, kind, language, label, size, sha256 } = row;
      attachment = {
        ...{ objectId: row.object_id, name, kind, language, label, size, sha256 },
        ...{ contentType: row.content_type, createdAt: row.created_at, chunks: [] },
      };
      found.set(row.object_id, attachment);
    }
    const { chunk_id: id, position, length, checksum } = row;
    attachment.chunks.push({ id, position, length, checksum });
  }
  return [...found.values()];
}
