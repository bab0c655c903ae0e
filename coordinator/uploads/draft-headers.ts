import type { IncomingHttpHeaders } from 'node:http';
import { parseItem } from 'structured-headers';
import { throwMalformed } from './tus-headers.ts';

/** Of the draft that is spoken here, draft-ietf-httpbis-resumable-upload-12. */
export const INTEROP_VERSION = 8;
export const DRAFT_CONTENT_TYPE = 'application/partial-upload';

/** `Upload-Complete`; undefined when it is absent, or is no boolean, which counts as absent. */
export function completenessOf(headers: IncomingHttpHeaders): boolean | undefined {
  const value = itemOf(headers['upload-complete']);
  return typeof value === 'boolean' ? value : undefined;
}

/** A whole number of bytes; undefined when it is absent, or is none, which counts as absent. */
export function integerOf(headers: IncomingHttpHeaders, name: 'upload-length'): number | undefined {
  const value = itemOf(headers[name]);
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined;
}

/** `Upload-Offset`. Throws `invalid_request` without it. */
export function offsetOf(headers: IncomingHttpHeaders): number {
  const value = itemOf(headers['upload-offset']);
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  return throwMalformed('Upload-Offset', 'has to be a whole number of bytes');
}

/** Whether interim responses of this draft are understood. */
export function knowsInterim(headers: IncomingHttpHeaders): boolean {
  return itemOf(headers['upload-draft-interop-version']) === INTEROP_VERSION;
}

export function formatBoolean(value: boolean): string {
  return value ? '?1' : '?0';
}

/** `Upload-Limit`. */
export function formatLimits(uploadBytesMax: number, expiresInMs?: number): string {
  const age = expiresInMs === undefined ? '' : `, max-age=${Math.max(0, Math.floor(expiresInMs / 1000))}`;
  return `max-size=${uploadBytesMax}, min-size=1${age}`;
}

function itemOf(text: string | string[] | undefined): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return parseItem(text)[0];
  } catch {
    return undefined;
  }
}
