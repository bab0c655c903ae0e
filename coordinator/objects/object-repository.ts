import type { Transaction } from '../database/database.ts';
import type { ChunkRef, Manifest } from './manifest.ts';

export interface StoredObject {
  readonly size: number;
  /** SHA-256 of the whole object, 32 bytes; null when it has not been computed yet. */
  readonly sha256: Uint8Array | null;
  readonly chunks: readonly ChunkRef[];
  /** The chunks of its record, in order: a copy of the manifest, and of what it belongs to, on the storage nodes. */
  readonly record: readonly ChunkRef[];
}

/** What committed manifests name in each of the ring's ranges; one number a range, each chunk counted once. */
export interface RangeUsage {
  readonly chunks: Float64Array;
  readonly bytes: Float64Array;
}

/**
 * Objects and their manifests. An object is *open* while it is being written (its row carries a lease that the
 * writer renews) and *committed* afterwards. A chunk is alive if and only if a committed manifest or current record
 * names it, its object is open, or another record of its object is being written; everything else may be swept at any
 * time. An object is committed by the statement that stores what it is for; see
 * `withCommitted`.
 */
export interface ObjectRepository {
  /** Inserts an open row whose lease runs out after `leaseMs` by the database's clock. */
  open(objectId: string, leaseMs: number): Promise<void>;
  /** Renews the leases of open objects; returns those that are no longer open. */
  renew(objectIds: readonly string[], leaseMs: number): Promise<string[]>;
  /** Removes an open object; nothing happens when it is committed or unknown. */
  abandon(objectId: string): Promise<void>;
  /** Null unless the object is committed. */
  manifest(objectId: string): Promise<Manifest | null>;
  /**
   * Removes a committed object, its manifest and its record, inside the caller's transaction; all its chunks die with
   * it. Returns the record's chunks.
   */
  delete(transaction: Transaction, objectId: string): Promise<ChunkRef[]>;
  /**
   * Removes the manifest and the record of a committed object, which has 0 bytes from then on, inside the caller's
   * transaction; all its chunks die. Returns them.
   */
  empty(
    transaction: Transaction,
    objectId: string,
  ): Promise<{ readonly chunks: ChunkRef[]; readonly record: ChunkRef[] }>;
  /** The chunks of a committed object's current record, in order; none while it has no record. */
  record(objectId: string): Promise<ChunkRef[]>;
  /**
   * From now until the lease runs out or `replaceRecord` or `abandonRecord` end it, all chunks of the object are alive,
   * so that a new record can be written. `writeId` is a UUID never used before. False when the object is not committed.
   */
  openRecord(objectId: string, writeId: string, leaseMs: number): Promise<boolean>;
  /**
   * Makes these chunks the object's current record, inside the caller's transaction, and ends the lease; returns the
   * chunks of the record before, which die. Throws `upload_expired` when the lease has run out.
   */
  replaceRecord(
    transaction: Transaction,
    objectId: string,
    writeId: string,
    record: readonly ChunkRef[],
  ): Promise<ChunkRef[]>;
  /** Ends the lease of a record that was not made current; nothing happens when there is none. */
  abandonRecord(writeId: string): Promise<void>;
  /** Those of the given chunk ids that are alive now. */
  aliveAmong(chunkIds: readonly string[]): Promise<Set<string>>;
  /** Chunks and bytes a range, of `rangeCount` (a power of two) equal ones. Reads every chunk's row. */
  usageByRange(rangeCount: number, within?: Transaction): Promise<RangeUsage>;
  /**
   * The chunks that committed manifests name with positions `first` to `last` (inclusive), ordered by position, then by
   * the bytes of the id, from behind `after`; at most `limit`.
   */
  chunksBetween(
    interval: { readonly first: number; readonly last: number },
    page: { readonly after: ChunkRef | null; readonly limit: number },
  ): Promise<ChunkRef[]>;
  /**
   * The same for many intervals that do not overlap, all at once; null when there are more than `limit` chunks in
   * them.
   */
  chunksWithin(
    intervals: readonly { readonly first: number; readonly last: number }[],
    limit: number,
  ): Promise<ChunkRef[] | null>;
  /** Removes open objects, and ends the writing of records, whose lease has run out; returns how many. */
  expireOpen(): Promise<number>;
}
