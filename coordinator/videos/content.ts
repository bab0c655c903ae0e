import { formatDigest } from '../../lib/http/digest-fields.ts';
import type { ObjectReading, ObjectStore } from '../chunks/object-store.ts';
import type { Visibility } from '../database/schema.ts';
import type { Manifest } from '../objects/manifest.ts';
import type { Attachment } from './attachment.ts';
import { contentDisposition, sanitizeFilename } from './filename.ts';
import { essenceOf, servedMediaType } from './media-type.ts';
import type { Video } from './video-repository.ts';

/** All that answering a request for bytes takes. */
export interface ServedContent {
  readonly cacheControl: string;
  /** Content-Security-Policy: what browsers may do with it if they take it for a page. */
  readonly policy: string;
  /** Bytes. */
  readonly size: number;
  /** Opens bytes `first` to `last` (inclusive); resolves and rejects like `ObjectStore.read`. */
  readonly open: (
    store: Pick<ObjectStore, 'read'>,
    first: number,
    last: number,
    signal: AbortSignal,
  ) => Promise<ObjectReading>;
  /** Strong, with its quotes. Bytes never change under it, and it is known before their SHA-256. */
  readonly etag: string;
  readonly contentType: string;
  /** Absent for what may change within a second. */
  readonly lastModified?: string;
  /** Whole seconds, in milliseconds. */
  readonly lastModifiedMs?: number;
  /** Null as long as the SHA-256 is not known. */
  readonly reprDigest: string | null;
  /** Content-Disposition; null for what is nobody's to save. */
  readonly inline: string | null;
  readonly attachment: string | null;
}

/** The same for a video with its attachments; made once and cached. */
export interface VideoContent extends ServedContent {
  readonly video: Video;
  readonly manifest: Manifest;
  /** By name, in the order of names. */
  readonly attachments: ReadonlyMap<string, ServedAttachment>;
}

export interface ServedAttachment
  extends ServedContent,
    Pick<Attachment, 'name' | 'kind' | 'language' | 'label'> {}

/** Asked again each time: who may read a video can change. */
export const REVALIDATED: Readonly<Record<Visibility, string>> = {
  public: 'public, max-age=0, must-revalidate, no-transform',
  unlisted: 'private, max-age=0, must-revalidate, no-transform',
  private: 'private, max-age=0, must-revalidate, no-transform',
};

/** An upload that a browser takes for a page is to run nothing. */
const VIDEO_POLICY = "script-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'";
/** Nothing at all, whatever it may be taken for. */
export const INERT_POLICY = "default-src 'none'; sandbox";

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
    cacheControl: REVALIDATED[video.visibility],
    policy: VIDEO_POLICY,
    size: manifest.size,
    open: openerOf(manifest),
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

/** Opens a stored object. */
export function openerOf(manifest: Manifest): ServedContent['open'] {
  return (store, first, last, signal) => store.read(manifest, first, last, signal);
}

function describeAttachment({ visibility }: Video, attachment: Attachment): ServedAttachment {
  const { objectId, size, chunks, name, contentType, kind, language, label, sha256, createdAt } = attachment;
  const lastModifiedMs = Math.floor(createdAt.getTime() / 1000) * 1000;
  const asFile = contentDisposition('attachment', name);
  return {
    ...{ name, kind, language, label },
    cacheControl: REVALIDATED[visibility],
    policy: INERT_POLICY,
    size,
    open: openerOf({ objectId, size, chunks }),
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
