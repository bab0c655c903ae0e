import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import type { AttachmentKind } from '../videos/attachment.ts';
import { sniffMediaType } from '../videos/media-type.ts';
import { toWebVtt } from './captions.ts';
import {
  CAPTIONS_AT_ONCE,
  CAPTIONS_BYTES_MAX,
  DOCUMENT_BYTES_MAX,
  HEAD_BYTES,
  HEAD_TIMEOUT_MS,
  POSTER_BYTES_MAX,
} from './limits.ts';

/** A file of a type that may be attached, as far as its first bytes tell. */
export interface ReceivedFile {
  readonly contentType: string;
  /** The first one is what it is unless somebody says otherwise. */
  readonly kinds: readonly AttachmentKind[];
  readonly bytesMax: number;
  /** Bytes that it has at least. */
  readonly announcedBytes: number;
  readonly body: Readable;
  /** Of the bytes that came, where they are not those of `body`. */
  readonly receivedSha256: Uint8Array | null;
}

const IMAGES: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/webp']);
const TEXT_KINDS: readonly AttachmentKind[] = ['captions', 'subtitles', 'descriptions', 'chapters'];

let captionsUnderWay = 0;

/**
 * Says what is coming by its first bytes, whatever the client calls it. Captions are short and read as a whole, to be
 * checked; everything else is left in the stream. Rejects with `unsupported_media_type`, `invalid_captions`,
 * `body_too_large`, `empty_body`, `request_timeout`, or `too_busy`.
 */
export async function receiveFile(incoming: IncomingMessage): Promise<ReceivedFile> {
  const pieces = incoming.iterator({ destroyOnReturn: false });
  const announcedBytes = Number(incoming.headers['content-length'] ?? 0);
  const deadline = deadlineOf(HEAD_TIMEOUT_MS);
  try {
    const head = await Promise.race([readUpTo(pieces, [], HEAD_BYTES), deadline.expired]);
    const first = Buffer.concat(head);
    if (first.length === 0) throw new AppError<ErrorCode>('empty_body', 'The attachment has no bytes.');
    const contentType = await sniffMediaType(first);
    const isImage = IMAGES.has(contentType);
    if (isImage || contentType === 'application/pdf') {
      const bytesMax = isImage ? POSTER_BYTES_MAX : DOCUMENT_BYTES_MAX;
      if (announcedBytes > bytesMax) throw tooLarge(bytesMax);
      const kinds: readonly AttachmentKind[] = isImage ? ['poster'] : ['document'];
      return {
        contentType,
        kinds,
        bytesMax,
        announcedBytes,
        body: Readable.from(joined(head, pieces)),
        receivedSha256: null,
      };
    }
    if (first.includes(0)) throw unsupported();
    return await readCaptions(pieces, head, announcedBytes, deadline.expired);
  } finally {
    deadline.cancel();
  }
}

async function readCaptions(
  pieces: AsyncIterator<Buffer>,
  head: Buffer[],
  announcedBytes: number,
  expired: Promise<never>,
): Promise<ReceivedFile> {
  if (announcedBytes > CAPTIONS_BYTES_MAX) throw tooLarge(CAPTIONS_BYTES_MAX);
  if (captionsUnderWay >= CAPTIONS_AT_ONCE) {
    throw new AppError<ErrorCode>('too_busy', 'Too many captions are being read.', { retryable: true });
  }
  captionsUnderWay += 1;
  try {
    const all = await Promise.race([readUpTo(pieces, head, CAPTIONS_BYTES_MAX + 1), expired]);
    const bytes = Buffer.concat(all);
    if (bytes.length > CAPTIONS_BYTES_MAX) throw tooLarge(CAPTIONS_BYTES_MAX);
    const vtt = toWebVtt(bytes);
    return {
      contentType: 'text/vtt; charset=utf-8',
      kinds: TEXT_KINDS,
      bytesMax: vtt.length,
      announcedBytes: vtt.length,
      body: Readable.from([vtt]),
      receivedSha256: createHash('sha256').update(bytes).digest(),
    };
  } finally {
    captionsUnderWay -= 1;
  }
}

/** The pieces, until they have so many bytes together or end. */
async function readUpTo(
  pieces: AsyncIterator<Buffer>,
  before: readonly Buffer[],
  bytesMin: number,
): Promise<Buffer[]> {
  const read = [...before];
  let size = read.reduce((sum, piece) => sum + piece.length, 0);
  try {
    while (size < bytesMin) {
      const { value, done } = await pieces.next();
      if (done === true) break;
      read.push(value);
      size += value.length;
    }
  } catch (error) {
    throw new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.', {
      cause: error,
    });
  }
  return read;
}

async function* joined(head: readonly Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* head;
  for (;;) {
    const { value, done } = await rest.next();
    if (done === true) return;
    yield value;
  }
}

function deadlineOf(timeoutMs: number): { readonly expired: Promise<never>; cancel(): void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const timer = setTimeout(
    () => reject(new AppError<ErrorCode>('request_timeout', `The body took longer than ${timeoutMs} ms.`)),
    timeoutMs,
  );
  return { expired: promise, cancel: () => clearTimeout(timer) };
}

function unsupported(): AppError {
  return new AppError<ErrorCode>(
    'unsupported_media_type',
    'Attachments are WebVTT or SubRip captions, JPEG, PNG or WebP images, and PDF documents.',
  );
}

function tooLarge(limitBytes: number): AppError {
  return new AppError<ErrorCode>('body_too_large', `Such an attachment may have ${limitBytes} bytes.`, {
    details: { limitBytes },
  });
}
