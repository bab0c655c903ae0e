import { formatDigest } from '../../lib/http/digest-fields.ts';
import type { Visibility } from '../database/schema.ts';
import type { Manifest } from '../objects/manifest.ts';
import type { Attachment } from './attachment.ts';
import { contentDisposition, sanitizeFilename } from './filename.ts';
import { essenceOf, servedMediaType } from './media-type.ts';
import type { Video } from './video-repository.ts';

/** All that answering a request for stored bytes takes. */
export interface ServedContent {
  readonly visibility: Visibility;
  /** Content-Security-Policy: what browsers may do with it if they take it for a page. */
  readonly policy: string;
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

/** The same for a video with its attachments; made once and cached. */
export interface VideoContent extends ServedContent {
  readonly video: Video;
  /** By name. */
  readonly attachments: ReadonlyMap<string, ServedContent>;
}

/** An upload that a browser takes for a page is to run nothing. */
const VIDEO_POLICY = "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'";
const ATTACHMENT_POLICY = "default-src 'none'; sandbox";

export function describeContent(
  video: Video,
  manifest: Manifest,
  attachments: readonly Attachment[] = [],
): VideoContent {
  const lastModifiedMs = Math.floor(video.createdAt.getTime() / 1000) * 1000;
  const filename = video.filename ?? inventFilename(video);
  return {
    video,
    attachments: new Map(
      attachments.map((attachment) => [attachment.name, describeAttachment(video, attachment)]),
    ),
    visibility: video.visibility,
    policy: VIDEO_POLICY,
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

function describeAttachment({ visibility }: Video, attachment: Attachment): ServedContent {
  const { objectId, size, chunks, name, contentType, kind, sha256, createdAt } = attachment;
  const lastModifiedMs = Math.floor(createdAt.getTime() / 1000) * 1000;
  const asFile = contentDisposition('attachment', name);
  return {
    visibility,
    policy: ATTACHMENT_POLICY,
    manifest: { objectId, size, chunks },
    etag: attachmentEtag(attachment),
    contentType,
    lastModified: new Date(lastModifiedMs).toUTCString(),
    lastModifiedMs,
    reprDigest: formatDigest(sha256),
    // A PDF may have scripts in it, so browsers are not to show it as a page of this origin.
    inline: kind === 'document' ? asFile : contentDisposition('inline', name),
    attachment: asFile,
  };
}

export function attachmentEtag({ objectId }: Pick<Attachment, 'objectId'>): string {
  return `"${objectId.replaceAll('-', '')}"`;
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
