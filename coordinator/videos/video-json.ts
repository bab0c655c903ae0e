import type { VideoJson } from './schema.ts';
import type { Video } from './video-repository.ts';

/** A video as the API shows it. `url` is its own. */
export function videoJson(video: Video, url: string): VideoJson {
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
    createdAt: video.createdAt.toISOString(),
    updatedAt: video.updatedAt.toISOString(),
    links: { content: `${url}/content` },
  };
}

/** Of what `videoJson` shows. */
export function videoEtag(video: Pick<Video, 'version'>): string {
  return `"v${video.version}"`;
}
