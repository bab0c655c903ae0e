import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { type ErrorCode, statusOf } from '../errors.ts';
import { goneSignal } from '../gone-signal.ts';
import { essenceOf } from '../videos/media-type.ts';
import {
  bodyOf,
  hasBody,
  openUpload,
  REPLAYED_HEADERS,
  type UploadContext,
  type UploadRoutesDeps,
  unsupportedType,
  uploadIdOf,
  VIDEO_ID_HEADER,
} from './request.ts';
import { parseMetadata } from './schema.ts';
import {
  announcedLength,
  assertTusVersion,
  bytesOf,
  parseConcat,
  TUS_CONTENT_TYPE,
  throwMalformed,
} from './tus-headers.ts';
import type { StoredUpload } from './upload-repository.ts';

/*
 * tus 1.0.0 (https://tus.io/protocols/resumable-upload), one handler a verb: what the headers say is handed to the service,
 * and what became of the upload is said in headers.
 */

export async function tusCreate(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const { headers } = c.env.incoming;
  assertTusVersion(headers);
  const description = parseMetadata(headerOf(headers['upload-metadata']));
  const concat = headerOf(headers['upload-concat']);
  const parts = parseConcat(concat, deps.basePath);
  const principal = c.get('principal');
  if (Array.isArray(parts)) {
    if (hasBody(c.env.incoming)) throwMalformed('Upload-Concat', 'a final upload has no bytes of its own');
    const wanted = { partialIds: parts as readonly string[], concat: concat!, description };
    const joined = await deps.completion.join(principal, wanted, goneSignal(c.env.outgoing));
    return created(deps, c, joined);
  }
  const hasBytes = hasBody(c.env.incoming);
  if (hasBytes) assertType(headers['content-type']);
  const length = announcedLength(headers);
  const kind = parts === 'partial' ? 'partial' : 'whole';
  const addition = hasBytes ? bodyOf(c) : undefined;
  const { upload, isReplayed } = await openUpload(deps, c, { kind, length, description });
  if (isReplayed) return created(deps, c, upload, REPLAYED_HEADERS);
  if (addition === undefined) return created(deps, c, upload);
  try {
    return created(
      deps,
      c,
      await deps.service.add(principal, upload.id, { ...addition, offset: 0, ends: 'byLength' }),
    );
  } catch (error) {
    // The client does not know where it is, unless it can ask with its key.
    if (headers['idempotency-key'] !== undefined) throw error;
    await deps.service.remove(principal, upload.id, new AbortController().signal).catch(() => {});
    throw error;
  }
}

export async function tusHead(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  assertTusVersion(c.env.incoming.headers);
  const signal = goneSignal(c.env.outgoing);
  const upload = await deps.service.settle(c.get('principal'), uploadIdOf(c), signal, true).catch(asLocked);
  const { kind, length, concat, description } = upload;
  return c.body(null, 200, {
    ...stateOf(upload),
    ...(length === null ? { 'upload-defer-length': '1' } : { 'upload-length': String(length) }),
    ...(description.raw !== undefined && { 'upload-metadata': description.raw }),
    ...(kind !== 'whole' && { 'upload-concat': concat ?? 'partial' }),
    'cache-control': 'no-store',
  });
}

export async function tusPatch(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const { headers } = c.env.incoming;
  assertTusVersion(headers);
  assertType(headers['content-type']);
  const offset = bytesOf(headers, 'upload-offset') ?? throwMalformed('Upload-Offset', 'is missing');
  const length = bytesOf(headers, 'upload-length');
  const addition = { ...bodyOf(c), offset, length, ends: 'byLength' as const };
  const upload = await deps.service.add(c.get('principal'), uploadIdOf(c), addition);
  return c.body(null, 204, stateOf(upload));
}

export async function tusDelete(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  assertTusVersion(c.env.incoming.headers);
  await deps.service.remove(c.get('principal'), uploadIdOf(c), goneSignal(c.env.outgoing));
  return c.body(null, 204);
}

/**
 * Clients take anything but 423 in answer to HEAD as the end of the upload, and begin anew; what is only so for now must not
 * look like that.
 */
function asLocked(error: unknown): never {
  const isForNow = isAppError(error) && (statusOf(error.code) ?? 500) >= 409 && error.code !== 'upload_gone';
  if (!isForNow) throw error;
  throw new AppError<ErrorCode>('upload_locked', `The upload cannot be looked at now. ${error.message}`, {
    retryable: true,
    cause: error,
  });
}

function created(
  deps: UploadRoutesDeps,
  c: UploadContext,
  upload: StoredUpload,
  more: Readonly<Record<string, string>> = {},
): Response {
  const location = `${deps.basePath}/uploads/${upload.id}`;
  return c.body(null, 201, { location, ...stateOf(upload), ...more });
}

/** The part of the answer that all verbs share. */
function stateOf(upload: StoredUpload): Record<string, string> {
  return {
    'upload-offset': String(upload.received),
    ...(upload.videoId === null
      ? { 'upload-expires': upload.expiresAt.toUTCString() }
      : { [VIDEO_ID_HEADER]: upload.videoId }),
  };
}

function assertType(contentType: string | undefined): void {
  if (essenceOf(contentType ?? '') !== TUS_CONTENT_TYPE) throw unsupportedType(TUS_CONTENT_TYPE);
}

function headerOf(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(',') : header;
}
