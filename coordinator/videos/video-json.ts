import { createHash } from 'node:crypto';
import type { VideoJson } from './schema.ts';
import { describeMedia, mediaLinksOf, type VideoMedia } from './video-media.ts';
import type { Video } from './video-repository.ts';

/** Of what can be edited: changes of the media alone are nobody's edit. */
export function etagOf(video: Video): string {
  return `"v${video.version}"`;
}

/** Of all that is shown of a video: what can be edited, a dot, and how far its media are. */
export function fullEtagOf(video: Video, media: VideoMedia | undefined): string {
  if (media === undefined) return etagOf(video);
  const digest = createHash('sha1')
    .update(JSON.stringify([describeMedia(media), mediaLinksOf('', media)]))
    .digest('base64url');
  return `"v${video.version}.${digest.slice(0, 8)}"`;
}

/** The tags of an `If-Match` as far as they are about what can be edited. */
export function editableTagsOf(ifMatch: string): string {
  return ifMatch.replaceAll(/"(v\d+)\.[\w-]{8}"/g, '"$1"');
}

/** A video as the API shows it; `url` is its own. */
export function toVideoJson(video: Video, url: string, media?: VideoMedia): VideoJson {
  return {
    id: video.id,
    ownerId: video.ownerId,
    visibility: video.visibility,
    title: video.title,
    description: video.description,
    filename: video.filename,
    contentType: video.contentType,
    size: video.size,
    sha256: video.sha256 && Buffer.from(video.sha256).toString('hex'),
    media: describeMedia(media),
    source: {
      status: video.sourceDroppedAt === undefined ? 'stored' : 'dropped',
      droppedAt: video.sourceDroppedAt?.toISOString() ?? null,
    },
    createdAt: video.createdAt.toISOString(),
    updatedAt: video.updatedAt.toISOString(),
    links: {
      content: video.sourceDroppedAt === undefined ? `${url}/content` : null,
      ...mediaLinksOf(url, media),
    },
  };
}
