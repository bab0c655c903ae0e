import { type Selectable, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { RenditionsTable } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { withCommitted } from '../objects/commit-object.ts';
import type { ChunkRef, Manifest } from '../objects/manifest.ts';
import { assertPiece } from './piece-shape.ts';
import type {
  DerivedObject,
  OpenOutput,
  PictureFile,
  Rendition,
  RenditionPiece,
  RenditionRepository,
} from './rendition.ts';

export interface SqlRenditionRepositoryOptions {
  readonly database: Database;
  /** Tells all coordinators, once the transaction commits, to forget what they cached of what was derived of a video. */
  readonly announceChange: (transaction: Transaction, videoId: string) => Promise<void>;
}

/**
 * What was derived of videos, in the tables `renditions`, `rendition_pieces` and `pictures`. Whoever takes several locks takes
 * the video's first, then that of renditions: so nobody waits in a circle, and nothing can be added to what is being deleted.
 */
export class SqlRenditionRepository implements RenditionRepository {
  readonly #database: Database;
  readonly #announceChange: SqlRenditionRepositoryOptions['announceChange'];

  constructor({ database, announceChange }: SqlRenditionRepositoryOptions) {
    this.#database = database;
    this.#announceChange = announceChange;
  }

  async create(transaction: Transaction, rendition: Omit<Rendition, 'isReady'>): Promise<void> {
    const { id, videoId, name, origin, media, createdAt } = rendition;
    await lockVideo(transaction, videoId);
    await transaction
      .insertInto('renditions')
      .values({
        ...{ id, video_id: videoId, name, kind: media.kind, origin, created_at: createdAt },
        media: JSON.stringify(media),
      })
      .execute();
  }

  async addPiece(
    transaction: Transaction,
    renditionId: string,
    piece: Omit<RenditionPiece, 'object'>,
    output: OpenOutput,
  ): Promise<void> {
    assertPiece(piece, output.size);
    // A deletion, or a publication that replaces it, comes wholly before or wholly after the piece.
    const { rows } = await sql<{ is_ready: boolean }>`
      select is_ready from renditions where id = ${renditionId}::uuid for key share
    `.execute(transaction);
    if (rows[0] === undefined) throw renditionNotFound(renditionId);
    if (rows[0].is_ready) {
      throw new AppError<ErrorCode>('conflict', `The rendition ${renditionId} is complete already.`);
    }
    const before = await transaction
      .deleteFrom('rendition_pieces')
      .where('rendition_id', '=', renditionId)
      .where('index', '=', piece.index)
      .returning('object_id')
      .execute();
    await deleteObjects(transaction, before);
    const { durations, lengths, servedLengths } = piece;
    const inserted = await sql`
      ${withCommitted(output.objectId, noted(output))}
      insert into rendition_pieces (
        rendition_id, index, object_id, init, timescale, durations, lengths, served_lengths
      )
      select ${renditionId}::uuid, ${piece.index}::integer, committed.id, ${Buffer.from(piece.init)}::bytea,
        ${piece.timescale}::integer, ${[...durations]}::integer[], ${[...lengths]}::integer[],
        ${servedLengths && [...servedLengths]}::integer[]
      from committed
      returning index
    `.execute(transaction);
    if (inserted.rows.length === 0) throw expired();
    await assertWhole(transaction, output);
  }

  async publish(transaction: Transaction, renditionId: string): Promise<void> {
    const found = await transaction
      .selectFrom('renditions')
      .select('video_id')
      .where('id', '=', renditionId)
      .executeTakeFirst();
    if (found === undefined) throw renditionNotFound(renditionId);
    await lockVideo(transaction, found.video_id);
    const row = await transaction
      .updateTable('renditions')
      .set({ is_ready: true })
      .where('id', '=', renditionId)
      .returning(['video_id', 'name'])
      .executeTakeFirst();
    if (row === undefined) throw renditionNotFound(renditionId);
    const others = await transaction
      .selectFrom('renditions')
      .select('id')
      .where('video_id', '=', row.video_id)
      .where('name', '=', row.name)
      .where('id', '!=', renditionId)
      .forUpdate()
      .execute();
    await deleteRenditions(
      transaction,
      others.map(({ id }) => id),
    );
    await this.#announceChange(transaction, row.video_id);
  }

  async putPicture(
    transaction: Transaction,
    picture: Omit<PictureFile, 'object'>,
    output: OpenOutput,
  ): Promise<void> {
    const { videoId, name, contentType, width, height, createdAt } = picture;
    await lockVideo(transaction, videoId);
    const before = await transaction
      .deleteFrom('pictures')
      .where('video_id', '=', videoId)
      .where('name', '=', name)
      .returning('object_id')
      .execute();
    await deleteObjects(transaction, before);
    const { rows } = await sql`
      ${withCommitted(output.objectId, noted(output))}
      insert into pictures (object_id, video_id, name, content_type, width, height, created_at)
      select committed.id, ${videoId}::uuid, ${name}::text, ${contentType}::text, ${width}::integer,
        ${height}::integer, ${createdAt}::timestamptz
      from committed
      returning object_id
    `.execute(transaction);
    if (rows.length === 0) throw expired();
    await assertWhole(transaction, output);
    await this.#announceChange(transaction, videoId);
  }

  async discard(transaction: Transaction, renditionIds: readonly string[]): Promise<void> {
    if (renditionIds.length === 0) return;
    const rows = await transaction
      .selectFrom('renditions')
      .select('id')
      .where('id', 'in', renditionIds)
      .where('is_ready', '=', false)
      .orderBy('id')
      .forUpdate()
      .execute();
    await deleteRenditions(
      transaction,
      rows.map(({ id }) => id),
    );
  }

  async deleteAll(transaction: Transaction, videoId: string): Promise<DerivedObject[]> {
    const renditions = await transaction
      .selectFrom('renditions')
      .select('id')
      .where('video_id', '=', videoId)
      .orderBy('id')
      .forUpdate()
      .execute();
    const objects = await deletePieces(
      transaction,
      renditions.map(({ id }) => id),
    );
    const pictures = await transaction
      .deleteFrom('pictures')
      .where('video_id', '=', videoId)
      .returning('object_id')
      .execute();
    await transaction.deleteFrom('renditions').where('video_id', '=', videoId).execute();
    const objectIds = [...objects, ...pictures].map(({ object_id }) => object_id);
    const derived = await objectsOf(transaction, objectIds);
    await deleteObjects(transaction, [...objects, ...pictures]);
    await this.#announceChange(transaction, videoId);
    return derived;
  }

  async list(videoId: string): Promise<Rendition[]> {
    const rows = await this.#database
      .selectFrom('renditions')
      .selectAll()
      .where('video_id', '=', videoId)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
    return rows.map(toRendition);
  }

  async pieces(renditionId: string): Promise<RenditionPiece[]> {
    const rows = await this.#database
      .selectFrom('rendition_pieces')
      .selectAll()
      .where('rendition_id', '=', renditionId)
      .orderBy('index')
      .execute();
    const manifests = await manifestsOf(
      this.#database,
      rows.map(({ object_id }) => object_id),
    );
    return rows.map((row) => ({
      index: row.index,
      object: manifests.get(row.object_id)!,
      init: row.init,
      timescale: row.timescale,
      durations: row.durations,
      lengths: row.lengths,
      servedLengths: row.served_lengths,
    }));
  }

  async pictures(videoId: string): Promise<PictureFile[]> {
    const rows = await this.#database
      .selectFrom('pictures')
      .selectAll()
      .where('video_id', '=', videoId)
      .orderBy('name')
      .execute();
    const manifests = await manifestsOf(
      this.#database,
      rows.map(({ object_id }) => object_id),
    );
    return rows.map((row) => ({
      videoId: row.video_id,
      name: row.name,
      contentType: row.content_type,
      width: row.width,
      height: row.height,
      object: manifests.get(row.object_id)!,
      createdAt: row.created_at,
    }));
  }
}

/** What is made of a video is made for one that is there. */
async function lockVideo(transaction: Transaction, videoId: string): Promise<void> {
  const { rows } = await sql`
    select id from videos where id = ${videoId}::uuid for no key update
  `.execute(transaction);
  if (rows.length > 0) return;
  throw new AppError<ErrorCode>('video_not_found', `There is no video ${videoId}.`);
}

async function deleteRenditions(transaction: Transaction, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await deleteObjects(transaction, await deletePieces(transaction, ids));
  await transaction.deleteFrom('renditions').where('id', 'in', ids).execute();
}

async function deletePieces(
  transaction: Transaction,
  renditionIds: readonly string[],
): Promise<{ readonly object_id: string }[]> {
  if (renditionIds.length === 0) return [];
  return await transaction
    .deleteFrom('rendition_pieces')
    .where('rendition_id', 'in', renditionIds)
    .returning('object_id')
    .execute();
}

/** Their chunks die with them; the sweep finds those that nobody removes. */
async function deleteObjects(
  transaction: Transaction,
  rows: readonly { readonly object_id: string }[],
): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ object_id }) => object_id);
  await transaction.deleteFrom('objects').where('id', '=', sql<string>`any(${ids}::uuid[])`).execute();
}

/** The chunks of an output have rows already. */
function noted({ size }: OpenOutput) {
  return { size, sha256: null, chunks: [], record: [] };
}

/** An object whose manifest is not as long as it says would be read beyond its end. */
async function assertWhole(transaction: Transaction, { objectId, size }: OpenOutput): Promise<void> {
  const { rows } = await sql<{ size: number }>`
    select coalesce(sum(length), 0)::bigint as size from chunks where object_id = ${objectId}::uuid and index >= 0
  `.execute(transaction);
  if (Number(rows[0]!.size) === size) return;
  throw new AppError<ErrorCode>('conflict', `The output ${objectId} does not have ${size} bytes.`);
}

async function objectsOf(
  database: Database | Transaction,
  objectIds: readonly string[],
): Promise<DerivedObject[]> {
  const manifests = await manifestsOf(database, objectIds);
  return [...manifests.values()].map(({ objectId, chunks }) => ({ objectId, chunks }));
}

async function manifestsOf(
  database: Database | Transaction,
  objectIds: readonly string[],
): Promise<Map<string, Manifest>> {
  const found = new Map<string, Manifest & { chunks: ChunkRef[] }>();
  if (objectIds.length === 0) return found;
  const rows = await database
    .selectFrom('chunks')
    .innerJoin('objects', 'objects.id', 'chunks.object_id')
    .select(['chunks.object_id', 'objects.size'])
    .select(['chunks.id', 'chunks.position', 'chunks.length', 'chunks.checksum'])
    .where('chunks.object_id', '=', sql<string>`any(${[...objectIds]}::uuid[])`)
    .where('chunks.index', '>=', 0)
    .orderBy('chunks.object_id')
    .orderBy('chunks.index')
    .execute();
  for (const { object_id: objectId, size, id, position, length, checksum } of rows) {
    let manifest = found.get(objectId);
    if (manifest === undefined) {
      manifest = { objectId, size: size!, chunks: [] };
      found.set(objectId, manifest);
    }
    manifest.chunks.push({ id, position, length, checksum });
  }
  return found;
}

function toRendition(row: Selectable<RenditionsTable>): Rendition {
  return {
    id: row.id,
    videoId: row.video_id,
    name: row.name,
    origin: row.origin,
    media: row.media,
    isReady: row.is_ready,
    createdAt: row.created_at,
  };
}

function expired(): AppError {
  return new AppError<ErrorCode>('upload_expired', 'The output took too long and was given up.');
}

function renditionNotFound(id: string): AppError {
  return new AppError<ErrorCode>('rendition_not_found', `There is no rendition ${id}, or not any more.`);
}
