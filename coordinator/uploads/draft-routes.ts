import { isAppError } from '../../lib/errors/app-error.ts';
import { goneSignal } from '../gone-signal.ts';
import { parseFields } from '../parse-fields.ts';
import { sanitizeFilename, suggestedFilename } from '../videos/filename.ts';
import { parseMediaType } from '../videos/media-type.ts';
import { uploadFieldsSchema } from '../videos/schema.ts';
import { etagOf, toVideoJson } from '../videos/video-json.ts';
import {
  completenessOf,
  formatBoolean,
  formatLimits,
  INTEROP_VERSION,
  integerOf,
  knowsInterim,
  offsetOf,
} from './draft-headers.ts';
import {
  bodyOf,
  openUpload,
  REPLAYED_HEADERS,
  type UploadContext,
  type UploadRoutesDeps,
  uploadIdOf,
  VIDEO_ID_HEADER,
} from './request.ts';
import type { UploadDescription } from './schema.ts';
import type { Addition } from './service.ts';
import { throwMalformed } from './tus-headers.ts';
import type { StoredUpload } from './upload-repository.ts';

/** Interim answers about progress come at most this often. */
const PROGRESS_INTERVAL_MS = 1000;

/*
 * Resumable uploads for HTTP, draft-ietf-httpbis-resumable-upload-12 (interop version 8), one handler a verb.
 */

export async function draftCreate(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const { headers } = c.env.incoming;
  const isLast = completenessOf(headers)!;
  const addition = {
    ...bodyOf(c),
    offset: 0,
    length: integerOf(headers, 'upload-length'),
    ends: endOf(isLast),
  };
  const implied = isLast ? addition.bodyBytes : undefined;
  const length = addition.length ?? implied;
  const description = descriptionOf(c);
  const { upload, isReplayed } = await openUpload(deps, c, { kind: 'whole', length, description });
  const location = locationOf(deps, upload);
  const limits = limitsOf(deps, upload);
  if (isReplayed) {
    return c.body(null, 201, {
      location,
      'upload-limit': limits,
      'upload-complete': formatBoolean(upload.videoId !== null),
      'upload-offset': String(upload.received),
      ...(upload.videoId !== null && { [VIDEO_ID_HEADER]: upload.videoId }),
      ...REPLAYED_HEADERS,
    });
  }
  sayInterim(c, { location, 'upload-limit': limits });
  return await answerWith(deps, c, { ...addition, onProgress: progressOf(c) }, upload.id, (now) =>
    c.body(null, 201, {
      location,
      'upload-limit': limits,
      'upload-complete': formatBoolean(false),
      'upload-offset': String(now.received),
    }),
  );
}

export async function draftHead(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const upload = await deps.service.settle(
    c.get('principal'),
    uploadIdOf(c),
    goneSignal(c.env.outgoing),
    false,
  );
  const { received, length, videoId } = upload;
  return c.body(null, 204, {
    'upload-offset': String(received),
    'upload-complete': formatBoolean(videoId !== null || upload.finalId !== null),
    ...(length !== null && { 'upload-length': String(length) }),
    'upload-limit': limitsOf(deps, upload),
    ...(videoId !== null && { [VIDEO_ID_HEADER]: videoId }),
    'cache-control': 'no-store',
  });
}

export async function draftPatch(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  const { headers } = c.env.incoming;
  const isLast = completenessOf(headers) ?? throwMalformed('Upload-Complete', 'has to be ?0 or ?1');
  const addition = {
    ...bodyOf(c),
    offset: offsetOf(headers),
    length: integerOf(headers, 'upload-length'),
    ends: endOf(isLast),
    onProgress: progressOf(c),
  };
  return await answerWith(deps, c, addition, uploadIdOf(c), (now) =>
    c.body(null, 204, {
      'upload-complete': formatBoolean(false),
      'upload-offset': String(now.received),
      'upload-limit': limitsOf(deps, now),
    }),
  );
}

export async function draftDelete(deps: UploadRoutesDeps, c: UploadContext): Promise<Response> {
  await deps.service.remove(c.get('principal'), uploadIdOf(c), goneSignal(c.env.outgoing));
  return c.body(null, 204);
}

/** What `POST /videos` answers with once the upload is complete, otherwise what `open` makes of it. */
async function answerWith(
  deps: UploadRoutesDeps,
  c: UploadContext,
  addition: Addition,
  id: string,
  open: (upload: StoredUpload) => Response,
): Promise<Response> {
  const principal = c.get('principal');
  const upload = await deps.service.add(principal, id, addition).catch((error: unknown) => {
    if (isAppError(error) && error.code === 'upload_offset_mismatch')
      c.header('upload-complete', formatBoolean(false));
    throw error;
  });
  if (upload.videoId === null) return open(upload);
  const video = await deps.videos.find(upload.videoId);
  const url = `${deps.basePath}/videos/${video.id}`;
  return c.json(toVideoJson(video, url), 201, {
    location: url,
    etag: etagOf(video),
    'upload-complete': formatBoolean(true),
    'upload-offset': String(upload.received),
    [VIDEO_ID_HEADER]: video.id,
  });
}

/** The same as of `POST /videos` with a raw body. */
function descriptionOf(c: UploadContext): UploadDescription {
  const { headers } = c.env.incoming;
  const { title, description, filename, visibility } = c.req.query();
  const fields = parseFields(uploadFieldsSchema, { title, description, filename, visibility });
  const suggested = suggestedFilename(headers['content-disposition']);
  const type = headers['content-type'];
  return {
    ...fields,
    filename: fields.filename ?? (suggested === undefined ? undefined : sanitizeFilename(suggested)),
    contentType: type === undefined ? undefined : parseMediaType(type),
  };
}

function endOf(isLast: boolean): Addition['ends'] {
  return isLast ? 'last' : 'later';
}

function progressOf(c: UploadContext): (received: number) => void {
  let saidMs = performance.now();
  return (received) => {
    if (performance.now() - saidMs < PROGRESS_INTERVAL_MS) return;
    saidMs = performance.now();
    sayInterim(c, { 'upload-offset': String(received) });
  };
}

/** 104 (Upload Resumption Supported), for clients that know this draft. */
function sayInterim(c: UploadContext, headers: Record<string, string>): void {
  const { incoming, outgoing } = c.env;
  if (!knowsInterim(incoming.headers) || outgoing.headersSent || outgoing.destroyed) return;
  outgoing.writeInformation(104, { 'upload-draft-interop-version': String(INTEROP_VERSION), ...headers });
}

function limitsOf(deps: UploadRoutesDeps, upload: StoredUpload): string {
  return formatLimits(deps.service.uploadBytesMax, upload.expiresAt.getTime() - deps.service.nowMs());
}

function locationOf(deps: UploadRoutesDeps, { id }: StoredUpload): string {
  return `${deps.basePath}/uploads/${id}`;
}
