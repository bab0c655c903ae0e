import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import { type Principal, userIdOf } from '../auth/principal.ts';
import type { ErrorCode } from '../errors.ts';
import { goneSignal } from '../gone-signal.ts';
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.ts';
import type { VideoService } from '../videos/service.ts';
import { type Checksum, digestChecksum, parseChecksum } from './checksum.ts';
import type { UploadCompletion } from './completion.ts';
import type { Addition, UploadService, WantedUpload } from './service.ts';
import { uploadNotFound } from './upload-errors.ts';
import { isUploadId } from './upload-id.ts';
import type { StoredUpload } from './upload-repository.ts';

export interface UploadRoutesDeps {
  readonly keys: Pick<IdempotencyKeys, 'run'>;
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

/** What makes a request to begin an upload the same one again; its bytes are not read to be compared. */
const CREATION_HEADERS = [
  'tus-resumable',
  'upload-length',
  'upload-defer-length',
  'upload-metadata',
  'upload-concat',
  'upload-complete',
  'content-type',
  'content-length',
  'content-disposition',
] as const;

export interface OpenedUpload {
  readonly upload: StoredUpload;
  /** It was opened by an earlier request with the same `Idempotency-Key`: what this one's body has may be there already. */
  readonly isReplayed: boolean;
}

/** Opens an upload; with an `Idempotency-Key`, only once. */
export async function openUpload(
  deps: UploadRoutesDeps,
  c: UploadContext,
  wanted: WantedUpload,
): Promise<OpenedUpload> {
  const { headers, url = '' } = c.env.incoming;
  const principal = c.get('principal');
  let opened: StoredUpload | undefined;
  const answerOf = (id: string) => ({ status: 201, headers: {}, body: JSON.stringify({ id }) });
  const answer = await deps.keys.run({
    ...{ key: headers['idempotency-key'] as string | undefined, userId: userIdOf(principal) },
    fingerprint: ['POST', url, ...CREATION_HEADERS.map((name) => headers[name]?.toString())],
    create: async (id) => {
      opened = await deps.service.create(principal, id, wanted);
      return answerOf(id);
    },
    recall: async (id) => {
      const found = await deps.service.find(principal, id).catch(() => null);
      return found && answerOf(id);
    },
  });
  if (opened !== undefined) return { upload: opened, isReplayed: false };
  const { id } = JSON.parse(answer.body) as { id: string };
  const signal = goneSignal(c.env.outgoing);
  return { upload: await deps.service.settle(principal, id, signal, false), isReplayed: true };
}

/** Nothing of the request's body was read. */
export const REPLAYED_HEADERS = { 'idempotency-replayed': 'true', connection: 'close' } as const;
