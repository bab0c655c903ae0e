import type { Transaction } from '../database/database.ts';
import type { ChunkRef } from '../objects/manifest.ts';

/** Text tracks are `captions`, `subtitles`, `descriptions` or `chapters`. */
export const ATTACHMENT_KINDS = [
  'captions',
  'subtitles',
  'descriptions',
  'chapters',
  'poster',
  'document',
] as const;
export type AttachmentKind = (typeof ATTACHMENT_KINDS)[number];

/** A file that belongs to a video: captions, a poster, a PDF. Immutable; another file with its name takes its place. */
export interface Attachment {
  readonly objectId: string;
  /** Unique within the video. */
  readonly name: string;
  readonly kind: AttachmentKind;
  /** BCP 47. */
  readonly language: string | null;
  readonly label: string | null;
  readonly contentType: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: Uint8Array;
  readonly createdAt: Date;
  readonly chunks: readonly ChunkRef[];
}

/** What videos need to know of their attachments. */
export interface VideoAttachments {
  /** By name. */
  of(videoId: string): Promise<Attachment[]>;
  /** Deletes all of a video's attachments inside the caller's transaction, and returns what they were. */
  deleteAll(transaction: Transaction, videoId: string): Promise<Attachment[]>;
}
