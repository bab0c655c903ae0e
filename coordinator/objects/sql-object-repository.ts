import { type RawBuilder, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import { positionOf } from '../../lib/hashring/index.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { objectIdOf } from './chunk-id.ts';
import { column } from './commit-object.ts';
import type { ChunkRef, Manifest } from './manifest.ts';
import type { ObjectRepository, RangeUsage, StoredObject } from './object-repository.ts';
import { insertOpen, unsynced } from './open-object.ts';

/**
 * Objects, manifests and records in the tables `objects`, `chunks` and `record_writes`. A record's chunks have the
 * indices -1, -2 and so on, so whoever reads chunks by position meets them like all others. Leases run by the
 * database's clock.
 */
export class SqlObjectRepository implements ObjectRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async open(objectId: string, leaseMs: number): Promise<void> {
    await sql`
      with setting as materialized (${unsynced}) ${insertOpen(objectId, leaseMs, 'setting')}
    `.execute(this.#database);
  }

  async renew(objectIds: readonly string[], leaseMs: number): Promise<string[]> {
    if (objectIds.length === 0) return [];
    const rows = await this.#database
      .updateTable('objects')
      .set({ lease_expires_at: inMs(leaseMs) })
      .where('id', '=', anyOf(objectIds, 'uuid'))
      .where('state', '=', 'open')
      .returning('id')
      .execute();
    const renewed = new Set(rows.map(({ id }) => id));
    return objectIds.filter((id) => !renewed.has(id));
  }

  async abandon(objectId: string): Promise<void> {
    await this.#database
      .deleteFrom('objects')
      .where('id', '=', objectId)
      .where('state', '=', 'open')
      .execute();
  }

  async manifest(objectId: string): Promise<Manifest | null> {
    const rows = await this.#database
      .selectFrom('objects')
      .leftJoin('chunks', (join) =>
        join.onRef('chunks.object_id', '=', 'objects.id').on('chunks.index', '>=', 0),
      )
      .select(['objects.size', 'chunks.id', 'chunks.position', 'chunks.length', 'chunks.checksum'])
      .where('objects.id', '=', objectId)
      .where('objects.state', '=', 'committed')
      .orderBy('chunks.index')
      .execute();
    const [first] = rows;
    if (first === undefined) return null;
    const chunks = rows.flatMap(({ id, position, length, checksum }): ChunkRef[] =>
      // An empty object has one row without a chunk.
      id === null ? [] : [{ id, position: position!, length: length!, checksum: checksum! }],
    );
    return { objectId, size: first.size!, chunks };
  }

  async delete(transaction: Transaction, objectId: string): Promise<ChunkRef[]> {
    const record = await deleteRecord(transaction, objectId);
    await transaction
      .deleteFrom('objects')
      .where('id', '=', objectId)
      .where('state', '=', 'committed')
      .execute();
    return record;
  }

  async empty(
    transaction: Transaction,
    objectId: string,
  ): Promise<{ readonly chunks: ChunkRef[]; readonly record: ChunkRef[] }> {
    await transaction
      .updateTable('objects')
      .set({ size: 0, sha256: null })
      .where('id', '=', objectId)
      .where('state', '=', 'committed')
      .execute();
    const record = await deleteRecord(transaction, objectId);
    const chunks = await transaction
      .deleteFrom('chunks')
      .where('object_id', '=', objectId)
      .returning(['id', 'position', 'length', 'checksum'])
      .execute();
    return { chunks, record };
  }

  async record(objectId: string): Promise<ChunkRef[]> {
    return await this.#database
      .selectFrom('chunks')
      .select(['id', 'position', 'length', 'checksum'])
      .where('object_id', '=', objectId)
      .where('index', '<', 0)
      .orderBy('index', 'desc')
      .execute();
  }

  async openRecord(objectId: string, writeId: string, leaseMs: number): Promise<boolean> {
    // Like an open object this need not survive a crash: `replaceRecord` finds out.
    const { rows } = await sql`
      with setting as materialized (${unsynced})
      insert into record_writes (id, object_id, lease_expires_at)
      select ${writeId}::uuid, objects.id, ${inMs(leaseMs)} from objects, setting
      where objects.id = ${objectId}::uuid and objects.state = 'committed'
      returning id
    `.execute(this.#database);
    return rows.length > 0;
  }

  async replaceRecord(
    transaction: Transaction,
    objectId: string,
    writeId: string,
    record: readonly ChunkRef[],
  ): Promise<ChunkRef[]> {
    const row = await transaction
      .deleteFrom('record_writes')
      .where('id', '=', writeId)
      .returning('id')
      .executeTakeFirst();
    if (row === undefined) {
      throw new AppError<ErrorCode>('upload_expired', 'The change took too long and was given up.', {
        retryable: true,
      });
    }
    const before = await deleteRecord(transaction, objectId);
    await insertChunks(transaction, objectId, { chunks: [], record });
    return before;
  }

  async abandonRecord(writeId: string): Promise<void> {
    await this.#database.deleteFrom('record_writes').where('id', '=', writeId).execute();
  }

  async aliveAmong(chunkIds: readonly string[]): Promise<Set<string>> {
    if (chunkIds.length === 0) return new Set();
    // All parts have to see one snapshot: an object that is committed between two statements would be in
    // neither, and its chunks would be swept.
    const { rows } = await sql<{ id: string }>`
      select asked.id
      from unnest(
        ${[...chunkIds]}::text[], ${chunkIds.map(positionOf)}::bigint[],
        ${chunkIds.map((id) => objectIdOf(id) ?? null)}::uuid[]
      ) as asked (id, position, object_id)
      where exists (select from chunks where chunks.position = asked.position and chunks.id = asked.id)
        or exists (select from objects where objects.id = asked.object_id and objects.state = 'open')
        or exists (select from record_writes where record_writes.object_id = asked.object_id)
    `.execute(this.#database);
    return new Set(rows.map(({ id }) => id));
  }

  async usageByRange(rangeCount: number, within?: Transaction): Promise<RangeUsage> {
    const width = 2 ** 32 / rangeCount;
    const { rows } = await sql<{ range: number; chunks: number; bytes: number }>`
      select (position / ${width}::bigint)::integer as range, count(*) as chunks, sum(length)::bigint as bytes
      from chunks group by 1
    `.execute(within ?? this.#database);
    const usage = { chunks: new Float64Array(rangeCount), bytes: new Float64Array(rangeCount) };
    for (const { range, chunks, bytes } of rows) {
      usage.chunks[range] = Number(chunks);
      usage.bytes[range] = Number(bytes);
    }
    return usage;
  }

  async chunksBetween(
    { first, last }: { readonly first: number; readonly last: number },
    { after, limit }: { readonly after: ChunkRef | null; readonly limit: number },
  ): Promise<ChunkRef[]> {
    // The order of storage nodes' listings: that of bytes, whatever the database's own collation.
    const { rows } = await sql<ChunkRef>`
      select id, position, length, checksum from chunks
      where position between ${after?.position ?? first}::bigint and ${last}::bigint
        and (position, id collate "C") > (${after?.position ?? -1}::bigint, ${after?.id ?? ''})
      order by position, id collate "C"
      limit ${limit}::integer
    `.execute(this.#database);
    return rows.map(chunkOf);
  }

  async chunksWithin(
    intervals: readonly { readonly first: number; readonly last: number }[],
    limit: number,
  ): Promise<ChunkRef[] | null> {
    const { rows } = await sql<ChunkRef>`
      select chunk.id, chunk.position, chunk.length, chunk.checksum
      from unnest(${intervals.map(({ first }) => first)}::bigint[], ${intervals.map(({ last }) => last)}::bigint[])
        as part (first, last)
      cross join lateral (
        select id, position, length, checksum from chunks
        where position between part.first and part.last
        order by position, id collate "C"
        limit ${limit + 1}::integer
      ) as chunk
      order by chunk.position, chunk.id collate "C"
      limit ${limit + 1}::integer
    `.execute(this.#database);
    if (rows.length > limit) return null;
    return rows.map(chunkOf);
  }

  async expireOpen(): Promise<number> {
    // A row that is locked is being renewed or committed at this moment: leave it to the next call.
    const rows = await this.#database
      .deleteFrom('objects')
      .where('id', 'in', (select) =>
        select
          .selectFrom('objects')
          .select('id')
          .where('state', '=', 'open')
          .where('lease_expires_at', '<', sql<Date>`now()`)
          .forUpdate()
          .skipLocked(),
      )
      .returning('id')
      .execute();
    const writes = await this.#database
      .deleteFrom('record_writes')
      .where('lease_expires_at', '<', sql<Date>`now()`)
      .returning('id')
      .execute();
    return rows.length + writes.length;
  }
}

async function insertChunks(
  transaction: Transaction,
  objectId: string,
  { chunks, record }: Pick<StoredObject, 'chunks' | 'record'>,
): Promise<void> {
  const all = [...chunks, ...record];
  if (all.length === 0) return;
  const indices = all.map((_, place) => (place < chunks.length ? place : chunks.length - place - 1));
  // One statement with one array a column: a value a parameter would end at 65,535 of them.
  await sql`
    insert into chunks (object_id, index, id, position, length, checksum)
    select ${objectId}::uuid, chunk.index, chunk.id, chunk.position, chunk.length, chunk.checksum
    from unnest(
      ${indices}::integer[], ${column(all, 'id')}::text[], ${column(all, 'position')}::bigint[],
      ${column(all, 'length')}::integer[], ${column(all, 'checksum')}::bigint[]
    ) as chunk (index, id, position, length, checksum)
  `.execute(transaction);
}

async function deleteRecord(transaction: Transaction, objectId: string): Promise<ChunkRef[]> {
  return await transaction
    .deleteFrom('chunks')
    .where('object_id', '=', objectId)
    .where('index', '<', 0)
    .returning(['id', 'position', 'length', 'checksum'])
    .execute();
}

function inMs(leaseMs: number): RawBuilder<Date> {
  return sql<Date>`now() + ${leaseMs}::integer * interval '1 millisecond'`;
}

function anyOf(values: readonly string[], type: 'uuid'): RawBuilder<string> {
  return sql<string>`any(${[...values]}::${sql.raw(type)}[])`;
}

/** Numbers of 64 bits may come as text. */
function chunkOf({ id, position, length, checksum }: ChunkRef): ChunkRef {
  return { id, position: Number(position), length, checksum: Number(checksum) };
}
