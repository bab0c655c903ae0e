import { titleOf } from './filename.ts';
import { decideMediaType } from './media-type.ts';
import type { UploadMetadata } from './upload.ts';
import type { Video } from './video-repository.ts';

export interface NewVideo extends Pick<Video, 'id' | 'objectId' | 'ownerId' | 'size' | 'sha256'> {
  /** The first bytes, for content sniffing. */
  readonly head: Uint8Array;
  readonly now: Date;
}

/** A new video, as far as its uploader described it, and by its bytes beyond that. */
export async function describeVideo(
  { id, objectId, ownerId, size, sha256, head, now }: NewVideo,
  metadata: Omit<UploadMetadata, 'digests'>,
): Promise<Video> {
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
    createdAt: now,
    updatedAt: now,
  };
}
