import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import type { Principal } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { goneSignal } from '../videos/parse-request.ts';
import type { VideoService } from '../videos/service.ts';
import { type Checksum, digestChecksum, parseChecksum } from './checksum.ts';
import type { UploadCompletion } from './completion.ts';
import type { Addition, UploadService } from './service.ts';
import { uploadNotFound } from './upload-errors.ts';
import { isUploadId } from './upload-id.ts';

export interface UploadRoutesDeps {
  readonly service: UploadService;
  readonly completion: Pick<UploadCompletion, 'join'>;
  readonly videos: Pick<VideoService, 'find'>;
  /** Where the routes are mounted. */
  readonly basePath: string;
}

export interface UploadEnv {
  Bindings: HttpBindings;
  Variables: { requestId?: string; principal: Principal };
}
export type UploadContext = Context<UploadEnv>;

/** Says which video an upload has become; the one answer that may get lost can be asked for again with HEAD. */
export const VIDEO_ID_HEADER = 'orbitvids-video-id';

export function uploadIdOf(c: UploadContext): string {
  const id = (c.req.param('id') ?? '').toLowerCase();
  if (isUploadId(id)) return id;
  throw uploadNotFound(id);
}

/** What every request with bytes has, whatever its protocol. */
export function bodyOf(c: UploadContext): Pick<Addition, 'body' | 'signal' | 'bodyBytes' | 'checksum'> {
  const { incoming, outgoing } = c.env;
  const length = incoming.headers['content-length'];
  return {
    body: incoming,
    signal: goneSignal(outgoing),
    bodyBytes: length === undefined ? (hasBody(incoming) ? undefined : 0) : Number(length),
    checksum: checksumOf(incoming),
  };
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function checksumOf({ headers }: IncomingMessage): Checksum | undefined {
  const checksum = headers['upload-checksum'];
  if (typeof checksum === 'string') return parseChecksum(checksum);
  const [digest] = claimedDigests({ 'content-digest': headers['content-digest'] });
  return digest && digestChecksum(digest);
}

export function unsupportedType(accepted: string): AppError {
  return new AppError<ErrorCode>('unsupported_media_type', `The content type has to be ${accepted}.`, {
    details: { headers: { 'accept-patch': accepted } },
  });
}
