import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { titleOf } from './filename.ts';
import { decideMediaType } from './media-type.ts';
import type { UploadMetadata } from './upload.ts';
import type { Video } from './video-repository.ts';

/** What an upload was, once all of it is known. */
export interface Uploaded {
  /** Of the video that it becomes. */
  readonly id: string;
  readonly objectId: string;
  readonly ownerId: string | null;
  /** Bytes. */
  readonly size: number;
  /** Null when it is not known yet. */
  readonly sha256: Uint8Array | null;
  /** The first bytes, at most 4 KiB; not asked for when the client named a type. */
  readonly head: () => Uint8Array | Promise<Uint8Array>;
  readonly at: Date;
}

/** The video that an upload becomes: what the client said of it, and for the rest what can be told. Rejects with `empty_body`. */
export async function describeVideo(
  { id, objectId, ownerId, size, sha256, head, at }: Uploaded,
  metadata: Omit<UploadMetadata, 'digests'>,
): Promise<Video> {
  if (size === 0) {
    throw new AppError<ErrorCode>('empty_body', 'The upload has no bytes; a video has at least one.');
  }
  const filename = metadata.filename ?? null;
  return {
    id,
    objectId,
    ownerId,
    visibility: metadata.visibility ?? 'public',
    title: metadata.title ?? (filename === null ? 'Untitled' : titleOf(filename)),
    description: metadata.description ?? '',
    filename,
    contentType: await decideMediaType(metadata.contentType, head),
    size,
    sha256,
    version: 1,
    createdAt: at,
    updatedAt: at,
  };
}
