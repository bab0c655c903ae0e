import { formatDigest } from '../../lib/http/digest-fields.ts';
import type { Manifest } from '../objects/manifest.ts';
import { contentDisposition, sanitizeFilename } from './filename.ts';
import { essenceOf, servedMediaType } from './media-type.ts';
import type { Video } from './video-repository.ts';

/** All that answering a request for a video's bytes takes; made once and cached. */
export interface VideoContent {
  readonly video: Video;
  readonly manifest: Manifest;
  /** Strong, with its quotes: the object's id. Bytes never change under it, and it is known before their SHA-256. */
  readonly etag: string;
  readonly contentType: string;
  readonly lastModified: string;
  /** Whole seconds, in milliseconds. Bytes never change, so this is when the video was made. */
  readonly lastModifiedMs: number;
  /** Null as long as the SHA-256 is not known. */
  readonly reprDigest: string | null;
  readonly inline: string;
  readonly attachment: string;
}

export function describeContent(video: Video, manifest: Manifest): VideoContent {
  const lastModifiedMs = Math.floor(video.createdAt.getTime() / 1000) * 1000;
  const filename = video.filename ?? inventFilename(video);
  return {
    video,
    manifest,
    etag: `"${video.objectId.replaceAll('-', '')}"`,
    contentType: servedMediaType(video.contentType),
    lastModified: new Date(lastModifiedMs).toUTCString(),
    lastModifiedMs,
    reprDigest: video.sha256 && formatDigest(video.sha256),
    inline: contentDisposition('inline', filename),
    attachment: contentDisposition('attachment', filename),
  };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': '.pdf',
  'audio/flac': '.flac',
  'audio/mpeg': '.mp3',
  'audio/ogg': '.ogg',
  'audio/wav': '.wav',
  'audio/x-m4a': '.m4a',
  'image/gif': '.gif',
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/webp': '.webp',
  'text/vtt': '.vtt',
  'video/3gpp': '.3gp',
  'video/matroska': '.mkv',
  'video/mp2t': '.ts',
  'video/mp4': '.mp4',
  'video/mpeg': '.mpg',
  'video/ogg': '.ogv',
  'video/quicktime': '.mov',
  'video/vnd.avi': '.avi',
  'video/webm': '.webm',
  'video/x-flv': '.flv',
  'video/x-m4v': '.m4v',
  'video/x-matroska': '.mkv',
  'video/x-ms-asf': '.wmv',
};

function inventFilename(video: Video): string {
  const stem = sanitizeFilename(video.title.replace(/[\\/]/g, '-')) ?? video.id;
  return `${stem}${EXTENSIONS[essenceOf(video.contentType)] ?? ''}`;
}
