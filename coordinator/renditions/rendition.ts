import type { AudioFormat, VideoFormat } from '../../lib/worker-api/tasks.ts';
import type { Transaction } from '../database/database.ts';
import type { ChunkRef, Manifest } from '../objects/manifest.ts';

/**
 * `virtual`: its segments are made of the video's own bytes when they are asked for, by recipes. `copied`: the source's
 * own coding in other containers. `encoded`: made by an encoder.
 */
export type RenditionOrigin = 'virtual' | 'copied' | 'encoded';

/** One way in which a video, or its sound, can be played. Its id is in the URLs of its segments, which never change. */
export interface Rendition {
  readonly id: string;
  readonly videoId: string;
  readonly name: string;
  readonly origin: RenditionOrigin;
  readonly media:
    | ({ readonly kind: 'video' } & VideoFormat)
    | ({
        readonly kind: 'audio';
        readonly track: number;
        readonly language: string | null;
        readonly label: string | null;
        readonly isDefault: boolean;
      } & AudioFormat);
  /** Whether players are told of it. */
  readonly isReady: boolean;
  readonly createdAt: Date;
}

/** Segments of a rendition that lie in one object, in order, beginning with its first byte. */
export interface RenditionPiece {
  readonly index: number;
  readonly object: Manifest;
  /** `ftyp` and `moov`. */
  readonly init: Uint8Array;
  /** Of `durations`. */
  readonly timescale: number;
  readonly durations: readonly number[];
  /** Bytes in the object, of each segment or recipe. */
  readonly lengths: readonly number[];
  /** Bytes as served; null: as they lie in the object. */
  readonly servedLengths: readonly number[] | null;
}

/** What pictures may be called: they are served under these names below the video. */
export const PICTURE_NAME = /^(?:poster\.jpg|storyboard\.vtt|storyboard-[0-9]{1,6}\.jpg|preview\.webp)$/;

export interface PictureFile {
  readonly videoId: string;
  readonly name: string;
  readonly contentType: string;
  readonly width: number | null;
  readonly height: number | null;
  readonly object: Manifest;
  readonly createdAt: Date;
}

/** An object whose chunks are all noted below it, and which is open still. */
export interface OpenOutput {
  readonly objectId: string;
  readonly size: number;
}

/**
 * What was derived of videos. Whatever is made for a video that is gone rejects with `video_not_found`, and what is done to a
 * rendition that is gone, because another one with its name was published or the video was deleted, with `rendition_not_found`.
 */
export interface RenditionRepository {
  /** Renditions with the same name that the video has go when this one becomes ready. Inside the caller's transaction. */
  create(transaction: Transaction, rendition: Omit<Rendition, 'isReady'>): Promise<void>;
  /**
   * Commits the output as a piece of a rendition that is not ready. Throws `upload_expired` when the object is not open any
   * more, `invalid_request` when the piece's numbers do not agree with each other or the output, and `conflict` when the
   * rendition is ready or the output has another size; a piece that was there under the index is replaced.
   */
  addPiece(
    transaction: Transaction,
    renditionId: string,
    piece: Omit<RenditionPiece, 'object'>,
    output: OpenOutput,
  ): Promise<void>;
  /** Shows it to players, from the commit on, in place of those of the video with its name, which are deleted. */
  publish(transaction: Transaction, renditionId: string): Promise<void>;
  /** In place of the video's picture with that name. Throws `upload_expired` and `conflict` like `addPiece`. */
  putPicture(
    transaction: Transaction,
    picture: Omit<PictureFile, 'object'>,
    output: OpenOutput,
  ): Promise<void>;
  /** Deletes renditions that never became ready. */
  discard(transaction: Transaction, renditionIds: readonly string[]): Promise<void>;
  /** Deletes all that was derived of the video; what lies in the objects may be removed after the commit. */
  deleteAll(transaction: Transaction, videoId: string): Promise<DerivedObject[]>;
  list(videoId: string): Promise<Rendition[]>;
  /** In order. */
  pieces(renditionId: string): Promise<RenditionPiece[]>;
  pictures(videoId: string): Promise<PictureFile[]>;
}

export interface DerivedObject {
  readonly objectId: string;
  readonly chunks: readonly ChunkRef[];
}
