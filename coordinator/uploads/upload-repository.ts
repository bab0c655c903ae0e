import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import type { UploadKind, UploadsTable } from '../database/schema.ts';
import { column } from '../objects/commit-object.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { UploadDescription } from './schema.ts';

/** A resumable upload, as far as it has come. */
export interface StoredUpload {
  readonly id: string;
  /** Null for a part that has become one. */
  readonly objectId: string | null;
  readonly ownerId: string | null;
  readonly kind: UploadKind;
  /** Bytes; null as long as nobody has said. */
  readonly length: number | null;
  /** Bytes that are on the disks of a write quorum, and known to be. */
  readonly received: number;
  readonly chunkCount: number;
  readonly description: UploadDescription;
  /** `Upload-Concat` of a final one. */
  readonly concat: string | null;
  readonly finalId: string | null;
  /** Null until it is complete. */
  readonly videoId: string | null;
  readonly fence: number;
  /** Whether a coordinator takes bytes for it now. */
  readonly isHeld: boolean;
  readonly expiresAt: Date;
  readonly isExpired: boolean;
  readonly createdAt: Date;
}

export type NewUpload = Pick<StoredUpload, 'id' | 'ownerId' | 'kind' | 'length' | 'description'> & {
  readonly objectId: string;
};

/** What only the holder of an upload may do is done under its fence. */
export interface Fenced {
  readonly id: string;
  readonly fence: number;
}

type Row = Selectable<UploadsTable> & { is_held: boolean; is_expired: boolean };

/**
 * Uploads in the table `uploads`. All times are the database's. An upload and its open object have one expiry, which every
 * request that adds to it puts off.
 */
export class UploadRepository {
  readonly #database: Database;
  readonly #expiryMs: number;

  /** An upload expires `expiryMs` after it was last added to, and is remembered as long when it is complete. */
  constructor(database: Database, options: { readonly expiryMs: number }) {
    this.#database = database;
    this.#expiryMs = options.expiryMs;
  }

  /** The object must be open; from now on it stays so until the upload expires. Null when it is not open any more. */
  async insert(upload: NewUpload): Promise<StoredUpload | null> {
    const { id, objectId, ownerId, kind, length, description } = upload;
    const { rows } = await sql<Row>`
      with kept as (
        update objects set lease_expires_at = ${this.#expiry} where id = ${objectId}::uuid and state = 'open'
        returning id, lease_expires_at
      )
      insert into uploads (id, object_id, owner_id, kind, length, metadata, expires_at)
      select ${id}::uuid, kept.id, ${ownerId}::uuid, ${kind}::text, ${length}::bigint,
        ${JSON.stringify(description)}::jsonb, kept.lease_expires_at
      from kept
      returning *, false as is_held, false as is_expired
    `.execute(this.#database);
    return rows[0] === undefined ? null : toUpload(rows[0]);
  }

  async find(id: string, within?: Transaction): Promise<StoredUpload | null> {
    const [found] = await this.findAll([id], within);
    return found ?? null;
  }

  /** Those that exist, in no order; inside a transaction they stay as they are until it ends. */
  async findAll(ids: readonly string[], within?: Transaction): Promise<StoredUpload[]> {
    const { rows } = await sql<Row>`
      select *, ${IS_HELD} as is_held, expires_at <= clock_timestamp() as is_expired
      from uploads where id = any(${[...ids]}::uuid[]) order by id
      ${within === undefined ? sql`` : sql`for update`}
    `.execute(within ?? this.#database);
    return rows.map(toUpload);
  }

  /** The upload, held by `holder` for `ttlMs` from now; null when it is held already, has expired or is not there. */
  async acquire(id: string, holder: string, ttlMs: number): Promise<StoredUpload | null> {
    const { rows } = await sql<Row>`
      with held as (
        update uploads
        set holder = ${holder}::uuid, fence = fence + 1, held_since = clock_timestamp(),
          lock_expires_at = ${inMs(ttlMs)}, expires_at = ${this.#expiry}
        where id = ${id}::uuid and not ${IS_HELD} and expires_at > clock_timestamp()
        returning *, true as is_held, false as is_expired
      ), kept as (
        update objects set lease_expires_at = ${this.#expiry} from held
        where objects.id = held.object_id and objects.state = 'open'
      )
      select * from held
    `.execute(this.#database);
    return rows[0] === undefined ? null : toUpload(rows[0]);
  }

  /** Holds on to the uploads; returns the ids of those that are lost. */
  async renew(held: readonly Fenced[], ttlMs: number): Promise<string[]> {
    if (held.length === 0) return [];
    const { rows } = await sql<{ id: string }>`
      with setting as materialized (select set_config('synchronous_commit', 'off', true))
      update uploads set lock_expires_at = ${inMs(ttlMs)}
      from setting, unnest(${held.map(({ id }) => id)}::uuid[], ${held.map(({ fence }) => fence)}::bigint[]) as wanted (id, fence)
      where uploads.id = wanted.id and uploads.fence = wanted.fence and uploads.holder is not null
      returning uploads.id
    `.execute(this.#database);
    const renewed = new Set(rows.map(({ id }) => id));
    return held.flatMap(({ id }) => (renewed.has(id) ? [] : [id]));
  }

  /** Nothing happens when another one holds it. */
  async release({ id, fence }: Fenced): Promise<void> {
    await this.#database
      .updateTable('uploads')
      .set({ holder: null, lock_expires_at: null, held_since: null })
      .where('id', '=', id)
      .where('fence', '=', fence)
      .execute();
  }

  /** False when the holder has lost it. */
  async setLength({ id, fence }: Fenced, length: number): Promise<boolean> {
    const row = await this.#database
      .updateTable('uploads')
      .set({ length })
      .where('id', '=', id)
      .where('fence', '=', fence)
      .where('length', 'is', null)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Notes chunks behind those that the upload has, or from place `firstIndex` on in their stead; `bytes` more are received
   * then. False, and nothing is noted, when the holder has lost it or something else was received than it thinks.
   */
  async addChunks(
    { id, fence }: Fenced,
    wanted: {
      readonly chunks: readonly ChunkRef[];
      readonly firstIndex: number;
      readonly received: number;
      readonly bytes: number;
    },
  ): Promise<boolean> {
    const { chunks, firstIndex, received, bytes } = wanted;
    const { rows } = await sql`
      with held as (
        update uploads
        set received = received + ${bytes}::bigint, chunk_count = ${firstIndex + chunks.length}::integer,
          expires_at = ${this.#expiry}
        where id = ${id}::uuid and fence = ${fence}::bigint and received = ${received}::bigint and video_id is null
        returning object_id
      ), kept as (
        update objects set lease_expires_at = ${this.#expiry} from held
        where objects.id = held.object_id and objects.state = 'open'
        returning objects.id
      )
      insert into chunks as chunk (object_id, index, id, position, length, checksum)
      select kept.id, ${firstIndex}::integer + added.place - 1, added.id, added.position, added.length, added.checksum
      from kept, unnest(
        ${column(chunks, 'id')}::text[], ${column(chunks, 'position')}::bigint[],
        ${column(chunks, 'length')}::integer[], ${column(chunks, 'checksum')}::bigint[]
      ) with ordinality as added (id, position, length, checksum, place)
      on conflict (object_id, index) do update
      set id = excluded.id, position = excluded.position, length = excluded.length, checksum = excluded.checksum
      returning index
    `.execute(this.#database);
    return rows.length > 0;
  }

  /** What an object consists of so far, in order. */
  async chunks(objectId: string): Promise<ChunkRef[]> {
    return await this.#database
      .selectFrom('chunks')
      .select(['id', 'position', 'length', 'checksum'])
      .where('object_id', '=', objectId)
      .where('index', '>=', 0)
      .orderBy('index')
      .execute();
  }

  async lastChunk(objectId: string): Promise<ChunkRef | undefined> {
    return await this.#database
      .selectFrom('chunks')
      .select(['id', 'position', 'length', 'checksum'])
      .where('object_id', '=', objectId)
      .where('index', '>=', 0)
      .orderBy('index', 'desc')
      .limit(1)
      .executeTakeFirst();
  }

  /** Makes the upload a complete one, inside the transaction that makes its video. False when the holder has lost it. */
  async complete(transaction: Transaction, { id, fence }: Fenced, videoId: string): Promise<boolean> {
    const row = await transaction
      .updateTable('uploads')
      .set({ video_id: videoId, expires_at: this.#expiry })
      .where('id', '=', id)
      .where('fence', '=', fence)
      .where('video_id', 'is', null)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Stores a final upload that is complete, whose object has the chunks of these parts in order, inside the transaction that
   * makes its video. The parts' own objects go, with what they reserved.
   */
  async join(
    transaction: Transaction,
    final: NewUpload & { readonly concat: string; readonly videoId: string },
    partials: readonly StoredUpload[],
  ): Promise<void> {
    const { id, objectId, ownerId, length, description, concat, videoId } = final;
    const objectIds = partials.map((partial) => partial.objectId!);
    let next = 0;
    const firsts = partials.map(({ chunkCount }) => {
      next += chunkCount;
      return next - chunkCount;
    });
    await sql`
      insert into uploads (id, object_id, owner_id, kind, length, received, chunk_count, metadata, concat, video_id, expires_at)
      values (
        ${id}::uuid, ${objectId}::uuid, ${ownerId}::uuid, 'final', ${length}::bigint, ${length}::bigint, ${next}::integer,
        ${JSON.stringify(description)}::jsonb, ${concat}::text, ${videoId}::uuid, ${this.#expiry}
      )`.execute(transaction);
    await sql`
      update chunks set object_id = ${objectId}::uuid, index = chunks.index + part.first
      from unnest(${objectIds}::uuid[], ${firsts}::integer[]) as part (object_id, first)
      where chunks.object_id = part.object_id
    `.execute(transaction);
    await transaction
      .updateTable('uploads')
      .set({ final_id: id, object_id: null, expires_at: this.#expiry })
      .where('id', '=', sql<string>`any(${partials.map((partial) => partial.id)}::uuid[])`)
      .execute();
    await sql`delete from objects where id = any(${objectIds}::uuid[])`.execute(transaction);
  }

  /** Removes an upload and, unless it is complete, its object with all it has reserved. */
  async delete({ id, fence }: Fenced): Promise<boolean> {
    const { rows } = await sql`
      with gone as (
        delete from uploads where id = ${id}::uuid and fence = ${fence}::bigint returning object_id
      ), abandoned as (
        delete from objects using gone where objects.id = gone.object_id and objects.state = 'open'
      )
      select * from gone
    `.execute(this.#database);
    return rows.length > 0;
  }

  /** Forgets expired uploads that are complete or part of one; the others go with their objects. Returns how many. */
  async expire(): Promise<number> {
    const { rows } = await sql`
      delete from uploads where expires_at <= clock_timestamp() and (video_id is not null or object_id is null) returning id
    `.execute(this.#database);
    return rows.length;
  }

  get #expiry(): RawBuilder<Date> {
    return inMs(this.#expiryMs);
  }
}

const IS_HELD = sql<boolean>`(holder is not null and lock_expires_at > clock_timestamp())`;

function inMs(ms: number): RawBuilder<Date> {
  return sql<Date>`clock_timestamp() + ${ms}::bigint * interval '1 millisecond'`;
}

function toUpload(row: Row): StoredUpload {
  return {
    id: row.id,
    objectId: row.object_id,
    ownerId: row.owner_id,
    kind: row.kind,
    length: numberOf(row.length),
    received: Number(row.received),
    chunkCount: row.chunk_count,
    description: (typeof row.metadata === 'string'
      ? JSON.parse(row.metadata)
      : row.metadata) as UploadDescription,
    concat: row.concat,
    finalId: row.final_id,
    videoId: row.video_id,
    fence: Number(row.fence),
    isHeld: row.is_held,
    expiresAt: row.expires_at,
    isExpired: row.is_expired,
    createdAt: row.created_at,
  };
}

function numberOf(value: number | null): number | null {
  return value === null ? null : Number(value);
}
