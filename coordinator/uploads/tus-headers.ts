import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { invalidRequest } from '../parse-fields.ts';
import { CHECKSUM_ALGORITHMS } from './checksum.ts';
import { PARTIALS_MAX } from './limits.ts';
import { isUploadId } from './upload-id.ts';

export const TUS_VERSION = '1.0.0';
export const TUS_CONTENT_TYPE = 'application/offset+octet-stream';

/** What `OPTIONS` says about tus. */
export function tusDiscovery(uploadBytesMax: number): Readonly<Record<string, string>> {
  return {
    'tus-resumable': TUS_VERSION,
    'tus-version': TUS_VERSION,
    'tus-extension':
      'creation,creation-with-upload,creation-defer-length,expiration,checksum,termination,concatenation',
    'tus-max-size': String(uploadBytesMax),
    'tus-checksum-algorithm': CHECKSUM_ALGORITHMS.join(','),
  };
}

/** Throws `tus_version_unsupported` unless the request names the version that is spoken here. */
export function assertTusVersion(headers: IncomingHttpHeaders): void {
  if (headers['tus-resumable'] === TUS_VERSION) return;
  throw new AppError<ErrorCode>(
    'tus_version_unsupported',
    `A tus request has to say Tus-Resumable: ${TUS_VERSION}.`,
    { details: { headers: { 'tus-version': TUS_VERSION } } },
  );
}

/** One whole number of bytes; undefined without the header. Throws `invalid_request`. */
export function bytesOf(headers: IncomingHttpHeaders, name: string): number | undefined {
  const text = headers[name];
  if (text === undefined) return undefined;
  const value = typeof text === 'string' && /^\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
  return value ?? throwMalformed(name, 'has to be a whole number of bytes');
}

/** `Upload-Length`, or undefined when `Upload-Defer-Length` says that it comes later. One of them there has to be. */
export function announcedLength(headers: IncomingHttpHeaders): number | undefined {
  const length = bytesOf(headers, 'upload-length');
  const deferred = headers['upload-defer-length'];
  if (deferred !== undefined && deferred !== '1') throwMalformed('Upload-Defer-Length', 'can only be 1');
  if ((length === undefined) === (deferred === undefined)) {
    throwMalformed('Upload-Length', 'or Upload-Defer-Length has to be there, and not both');
  }
  return length;
}

/** What `Upload-Concat` says: the parts' ids of a final upload, or that this is a part; undefined without it. */
export function parseConcat(
  header: string | undefined,
  basePath: string,
): 'partial' | readonly string[] | undefined {
  if (header === undefined || header === 'partial') return header;
  const [, list] =
    /^final;(.*)$/.exec(header.trim()) ?? throwMalformed('Upload-Concat', 'is neither partial nor final;...');
  const ids = list!
    .split(' ')
    .filter((part) => part !== '')
    .map((part) => partialIdOf(part, basePath));
  if (ids.length === 0 || ids.length > PARTIALS_MAX) {
    throwMalformed('Upload-Concat', `names no parts, or more than ${PARTIALS_MAX}`);
  }
  if (new Set(ids).size < ids.length) throwMalformed('Upload-Concat', 'names a part twice');
  return ids;
}

/** Of an address such as Location has it, with or without origin. */
function partialIdOf(text: string, basePath: string): string {
  const path = URL.parse(text, 'http://here')?.pathname ?? '';
  const id = path.startsWith(`${basePath}/uploads/`)
    ? path.slice(basePath.length + '/uploads/'.length).toLowerCase()
    : '';
  if (isUploadId(id)) return id;
  return throwMalformed('Upload-Concat', `names "${text}", which is no upload of this server`);
}

export function throwMalformed(field: string, message: string): never {
  throw invalidRequest([{ field, message }]);
}
