import { type RawBuilder, sql } from 'kysely';
import type { ChunkRef } from './manifest.ts';
import type { StoredObject } from './object-repository.ts';

/**
 * Turns an open object into a committed one with its manifest, as the `with` of a statement that goes on by storing
 * what the object is for: all of it happens, or nothing. Its table `committed` has the object's `id` in one row, or
 * none when the object is not open any more; the statement has to see to it that it stores nothing then.
 */
export function withCommitted(
  objectId: string,
  { size, sha256, chunks, record }: StoredObject,
): RawBuilder<unknown> {
  const all = [...chunks, ...record];
  const indices = all.map((_, place) => (place < chunks.length ? place : chunks.length - place - 1));
  // The update waits for an expiry that has the row, and then finds it gone; an expiry that comes later finds
  // the object committed. The manifest goes in as one array a column: a value a parameter would end at 65,535.
  return sql`
    with committed as (
      update objects
      set state = 'committed', size = ${size}::bigint, sha256 = ${sha256}::bytea, lease_expires_at = null
      where id = ${objectId}::uuid and state = 'open'
      returning id
    ), unreserved as (
      delete from quota_reservations using committed where quota_reservations.object_id = committed.id
    ), manifest as (
      insert into chunks (object_id, index, id, position, length, checksum)
      select committed.id, chunk.index, chunk.id, chunk.position, chunk.length, chunk.checksum
      from committed, unnest(
        ${indices}::integer[], ${column(all, 'id')}::text[], ${column(all, 'position')}::bigint[],
        ${column(all, 'length')}::integer[], ${column(all, 'checksum')}::bigint[]
      ) as chunk (index, id, position, length, checksum)
    )`;
}

/** One property of all chunks: a column of `unnest`. */
export function column<Name extends keyof ChunkRef>(
  chunks: readonly ChunkRef[],
  name: Name,
): ChunkRef[Name][] {
  return chunks.map((chunk) => chunk[name]);
}
