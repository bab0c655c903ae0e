import type { Transaction } from '../database/database.ts';
import type { Visibility } from '../database/schema.ts';
import type { StoredObject } from '../objects/object-repository.ts';

/** What a user uploaded: its description and the object that holds its bytes. */
export interface Video {
  /** UUIDv7, lower-case. */
  readonly id: string;
  readonly objectId: string;
  /** The user who uploaded it, or one who was; null when that was an operator. */
  readonly ownerId: string | null;
  readonly visibility: Visibility;
  readonly title: string;
  readonly description: string;
  /** Sanitized; null when the client gave none. */
  readonly filename: string | null;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the bytes, 32 bytes; null as long as it has not been computed. */
  readonly sha256: Uint8Array | null;
  /** 1 at first, one more with every change. */
  readonly version: number;
  /** Whole milliseconds. */
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Since when its bytes are gone, so that it lives in its renditions alone; absent as long as they are stored. */
  readonly sourceDroppedAt?: Date;
}

/** What may be changed after the upload. */
export interface VideoChanges {
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly filename?: string | undefined;
  readonly contentType?: string | undefined;
  readonly visibility?: Visibility | undefined;
  readonly ownerId?: string | null | undefined;
}

/** Whose view of the list of videos: everything, or what is public and what the user owns, if it is one. */
export type Audience = 'everything' | { readonly userId: string | null };

export interface VideoPage {
  readonly limit: number;
  readonly audience: Audience;
  readonly after?: VideoPosition | undefined;
  /** Only videos of this owner. */
  readonly ownerId?: string | undefined;
}

/** A place in the list of videos: behind this one. */
export interface VideoPosition {
  readonly createdAt: Date;
  readonly id: string;
}

export interface VideoRepository {
  /**
   * Commits the video's object, which is open, and inserts the video: both or neither, or inside the caller's transaction.
   * Chunks of the object that have rows already are not among the stored ones. Throws `upload_expired` when the object is
   * not open any more.
   */
  insert(video: Video, stored: StoredObject, within?: Transaction): Promise<void>;
  find(id: string, within?: Transaction): Promise<Video | null>;
  /** In no particular order; those that are gone are not in it. */
  findAll(ids: readonly string[]): Promise<Video[]>;
  /** At most `limit` videos that the audience may list, newest first (by createdAt, then id), from behind `after`. */
  list(page: VideoPage): Promise<Video[]>;
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
  /**
   * Fills in the SHA-256 of a video that lacks it, inside the caller's transaction, and counts the version up. Null when
   * the video is gone, has another version, or has its SHA-256 already.
   */
  fillSha256(
    transaction: Transaction,
    id: string,
    sha256: Uint8Array,
    options: { readonly version: number },
  ): Promise<Video | null>;
  /**
   * Notes, inside the caller's transaction, that the source is dropped, and counts the version up, if that may be: the
   * SHA-256 is known, the latest job wants it so and has made everything, and nothing that is played is made of the
   * source's own bytes. Null when it may not be, or the video is gone.
   */
  dropSource(transaction: Transaction, id: string, at: Date): Promise<Video | null>;
  /** Ids of at most `limit` videos whose source is to be dropped now, in their order, from behind `after`. */
  withSourceToDrop(limit: number, after?: string): Promise<string[]>;
  /** At most `limit` videos without SHA-256, in the order of their ids, from behind `after`. */
  withoutSha256(limit: number, after?: string): Promise<Video[]>;
  /** Ids of at most `limit` videos whose source is stored and that have no record on the storage nodes, in their order, from behind `after`. */
  withoutRecord(limit: number, after?: string): Promise<string[]>;
}
