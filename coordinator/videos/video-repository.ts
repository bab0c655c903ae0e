import type { Transaction } from '../database/database.ts';
import type { StoredObject } from '../objects/object-repository.ts';

/** What a user uploaded: its description and the object that holds its bytes. */
export interface Video {
  /** UUIDv7, lower-case. */
  readonly id: string;
  readonly objectId: string;
  readonly title: string;
  readonly description: string;
  /** Sanitized; null when the client gave none. */
  readonly filename: string | null;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the bytes, 32 bytes. */
  readonly sha256: Uint8Array;
  /** 1 at first, one more with every change. */
  readonly version: number;
  /** Whole milliseconds. */
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What may be changed after the upload. */
export interface VideoChanges {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
}

/** A place in the list of videos: behind this one. */
export interface VideoPosition {
  readonly createdAt: Date;
  readonly id: string;
}

export interface VideoRepository {
  /**
   * Commits the video's object, which is open, and inserts the video: both or neither. Throws `upload_expired` when the
   * object is not open any more.
   */
  insert(video: Video, stored: StoredObject): Promise<void>;
  find(id: string): Promise<Video | null>;
  /** At most `limit` videos, newest first (by createdAt, then id), from behind `after`. */
  list(page: { readonly limit: number; readonly after?: VideoPosition | undefined }): Promise<Video[]>;
  /**
   * Applies the changes inside the caller's transaction and counts the version up. With `version` only while that is
   * the current one. Null when nothing was changed: the video is gone or has another version.
   */
  update(
    transaction: Transaction,
    id: string,
    changes: VideoChanges,
    options: { readonly updatedAt: Date; readonly version?: number | undefined },
  ): Promise<Video | null>;
  /**
   * Removes a video inside the caller's transaction and returns what it was; with `version` only while that is the
   * current one. Null when nothing was removed.
   */
  delete(
    transaction: Transaction,
    id: string,
    options: { readonly version?: number | undefined },
  ): Promise<Video | null>;
  /** Keeps the video as it is until the transaction ends. Null when it is gone or has another version. */
  lock(transaction: Transaction, id: string, version: number): Promise<Video | null>;
  /** Ids of at most `limit` videos that have no record on the storage nodes, in their order, from behind `after`. */
  withoutRecord(limit: number, after?: string): Promise<string[]>;
}
