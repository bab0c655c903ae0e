import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectDigester } from '../chunks/object-digester.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import type { Quotas } from '../videos/quotas.ts';
import type { StoredVideos } from '../videos/stored-videos.ts';
import type { UploadMetadata } from '../videos/upload.ts';
import type { Video, VideoRepository } from '../videos/video-repository.ts';
import { chunkOf, type DirectUpload, type PartAttempt, partCountOf } from './direct-upload.ts';
import {
  COMPLETED_MEMORY_MS,
  COMPLETION_WAIT_MS,
  INSPECTED_PARTS,
  MISSING_NAMED_MAX,
  PARTS_SCANNED_MAX,
  UPLOAD_LEASE_MS,
} from './limits.ts';
import type { InspectedPart, PartInspector } from './part-inspector.ts';
import type { PartUrl, PartUrls } from './part-urls.ts';
import type { DirectUploadRepository } from './repository.ts';

export interface DirectUploadServiceOptions {
  readonly uploads: DirectUploadRepository;
  readonly quotas: Pick<Quotas, 'open'>;
  readonly objects: Pick<ObjectRepository, 'renew' | 'abandon'>;
  readonly videos: Pick<VideoRepository, 'find'>;
  readonly stored: Pick<StoredVideos, 'adopt'>;
  readonly store: Pick<ObjectStore, 'remove'>;
  readonly inspector: Pick<PartInspector, 'inspect'>;
  readonly urls: Pick<PartUrls, 'nextAttempt' | 'urlOf'>;
  readonly digester: Pick<ObjectDigester, 'sha256'>;
  /** An owner of the position may lack a copy. */
  readonly onSuspicion: (position: number, why: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Longest video, bytes. */
  readonly uploadBytesMax: number;
  /** Length of every part but the last, bytes: that of a chunk. */
  readonly partBytes: number;
}

export interface WantedUpload {
  readonly size: number;
  readonly sha256: Uint8Array | null;
  readonly metadata: Omit<UploadMetadata, 'digests'>;
}

export interface PartPage {
  readonly parts: readonly PartUrl[];
  /** Where the next page begins; null when nothing is missing behind these. */
  readonly next: number | null;
}

/** Whether the video was there before; or that it takes longer. */
export type Completion =
  | { readonly state: 'complete'; readonly video: Video; readonly isNew: boolean }
  | { readonly state: 'completing' };

/** Throws when the upload is not the caller's. */
export type Permission = (upload: DirectUpload) => void;

/** Videos whose bytes clients send straight to the storage nodes. All that lasts is in the database and on the nodes. */
export class DirectUploadService implements AsyncDisposable {
  readonly #options: DirectUploadServiceOptions;
  readonly #stop = new AbortController();
  /** Only so that one upload is not completed twice at a time here; twice would do no harm. */
  readonly #completions = new Map<string, Promise<Video>>();
  readonly #removals = new Set<Promise<void>>();

  constructor(options: DirectUploadServiceOptions) {
    this.#options = options;
  }

  /** `id` must never have been used. Rejects with `body_too_large` or `quota_exceeded`. */
  async create(id: string, wanted: WantedUpload, ownerId: string | null): Promise<DirectUpload> {
    const { uploads, objects, quotas, createId, randomBytes, clock, uploadBytesMax, partBytes } =
      this.#options;
    const { size, sha256, metadata } = wanted;
    if (size > uploadBytesMax) {
      throw new AppError<ErrorCode>('body_too_large', `A video may have ${uploadBytesMax} bytes.`, {
        details: { limitBytes: uploadBytesMax },
      });
    }
    await quotas.open(id, UPLOAD_LEASE_MS, { ownerId, bytes: size, videos: 1 });
    const nonce = randomBytes(3);
    const upload = { id, videoId: createId(), ownerId, size, partBytes, nonce, sha256, metadata };
    try {
      await uploads.insert(upload);
    } catch (error) {
      await objects.abandon(id).catch(() => {});
      throw error;
    }
    return { ...upload, expiresAt: new Date(clock.nowMs() + UPLOAD_LEASE_MS) };
  }

  /** Throws `upload_not_found` or what `permits` throws. */
  async find(id: string, permits: Permission): Promise<DirectUpload> {
    const upload = await this.#options.uploads.find(id);
    if (upload === null) throw uploadNotFound(id);
    permits(upload);
    return upload;
  }

  /** Null when there is none, or not any more. */
  async lookUp(id: string): Promise<DirectUpload | null> {
    return await this.#options.uploads.find(id);
  }

  /** URLs of parts of a new upload, none of which is looked for. */
  async firstParts(upload: DirectUpload, limit: number): Promise<PartPage> {
    const indexes = indexesFrom(0, Math.min(limit, partCountOf(upload)));
    const next = indexes.length < partCountOf(upload) ? indexes.length : null;
    return { parts: await this.#urlsOf(upload, indexes, []), next };
  }

  /** URLs of parts that are missing, from `first` on, and a longer life for the upload. */
  async missingParts(upload: DirectUpload, first: number, limit: number): Promise<PartPage> {
    const { uploads, objects, inspector } = this.#options;
    await objects.renew([upload.id], UPLOAD_LEASE_MS);
    const end = Math.min(partCountOf(upload), first + PARTS_SCANNED_MAX);
    const parts: PartUrl[] = [];
    let start = first;
    while (start < end && parts.length < limit) {
      const indexes = indexesFrom(start, Math.min(end, start + INSPECTED_PARTS));
      const attempts = await uploads.attempts(upload.id, indexes[0]!, indexes.at(-1)!);
      const signal = this.#stop.signal;
      const seen = await inspector.inspect(upload, indexes, attempts, { mend: false }, signal);
      const missing = seen.filter(({ chunk }) => chunk === null).map(({ index }) => index);
      const wanted = missing.slice(0, limit - parts.length);
      parts.push(...(await this.#urlsOf(upload, wanted, attempts)));
      start = wanted.length < missing.length ? wanted.at(-1)! + 1 : indexes.at(-1)! + 1;
    }
    return { parts, next: start < partCountOf(upload) ? start : null };
  }

  /**
   * Makes the video, once all parts are stored. May be called again whenever its answer was lost, and by several at a time:
   * all get the same video. Takes as long as it takes; after `COMPLETION_WAIT_MS` whoever waits is told to ask again.
   * Rejects with `parts_missing`, with `digest_mismatch` when the bytes are not those that the client announced, or when
   * nodes cannot be asked now; then nothing has changed.
   */
  async complete(upload: DirectUpload): Promise<Completion> {
    const { videos, clock } = this.#options;
    if (upload.expiresAt === null) {
      const video = await videos.find(upload.videoId);
      if (video === null) throw uploadNotFound(upload.id);
      return { state: 'complete', video, isNew: false };
    }
    const waited = Promise.withResolvers<null>();
    const cancel = clock.after(COMPLETION_WAIT_MS, () => waited.resolve(null));
    try {
      const video = await Promise.race([this.#completionOf(upload), waited.promise]);
      return video === null ? { state: 'completing' } : { state: 'complete', video, isNew: true };
    } finally {
      cancel();
    }
  }

  /** Gives an upload up. Throws `upload_completed` when it is a video already. */
  async abort(upload: DirectUpload): Promise<void> {
    const { uploads, objects, store } = this.#options;
    const attempts = await uploads.attempts(upload.id, 0, partCountOf(upload));
    await objects.abandon(upload.id);
    if ((await uploads.find(upload.id)) !== null) {
      throw new AppError<ErrorCode>('upload_completed', 'The upload is complete: delete the video instead.', {
        details: { videoId: upload.videoId },
      });
    }
    const chunks = attempts.map((attempt) => ({ ...chunkOf(upload, attempt), length: 0, checksum: 0 }));
    const removal = store.remove(upload.id, chunks).finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** Forgets what was completed long ago. Never rejects. */
  async runOnce(): Promise<void> {
    try {
      await this.#options.uploads.forgetCompleted(COMPLETED_MEMORY_MS);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'completed uploads could not be forgotten');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new AppError<ErrorCode>('too_busy', 'This coordinator stops.', { retryable: true }));
    await Promise.allSettled([...this.#completions.values(), ...this.#removals]);
  }

  #completionOf(upload: DirectUpload): Promise<Video> {
    let completion = this.#completions.get(upload.id);
    if (completion === undefined) {
      completion = this.#run(upload).finally(() => this.#completions.delete(upload.id));
      // Nobody may be waiting any more when it fails; who asks again gets the error of another try.
      completion.catch(() => {});
      this.#completions.set(upload.id, completion);
    }
    return completion;
  }

  /**
   * 1. Every part has to be with a quorum of its owners, as the ring is now; what can be made so is.
   * 2. The nodes compute the SHA-256 when the client has announced one.
   * 3. One statement commits manifest, record and video.
   */
  async #run(upload: DirectUpload): Promise<Video> {
    const { uploads, objects, stored, onSuspicion, logger } = this.#options;
    const { id, videoId, size, metadata, ownerId } = upload;
    await objects.renew([id], UPLOAD_LEASE_MS);
    const parts = await this.#inspectAll(upload);
    const chunks = parts.map(({ chunk }) => chunk!);
    if (upload.sha256 !== null) await this.#assertSha256(upload, upload.sha256, chunks);
    this.#stop.signal.throwIfAborted();
    const bytes = { objectId: id, size, sha256: upload.sha256, chunks };
    const video = await stored.adopt(videoId, bytes, metadata, ownerId);
    // Not before: a check that finds no manifest takes a suspicion for settled.
    for (const { isShort, chunk } of parts) {
      if (isShort) onSuspicion(chunk!.position, 'a part of a direct upload did not reach every owner');
    }
    await uploads.finish(id).catch((error: unknown) => {
      logger.warn({ err: error, uploadId: id }, 'the parts of a complete upload could not be forgotten');
    });
    return video;
  }

  async #inspectAll(upload: DirectUpload): Promise<InspectedPart[]> {
    const { uploads, inspector } = this.#options;
    const { signal } = this.#stop;
    const parts: InspectedPart[] = [];
    const missing: number[] = [];
    let missingCount = 0;
    for (let start = 0; start < partCountOf(upload); start += INSPECTED_PARTS) {
      const indexes = indexesFrom(start, Math.min(partCountOf(upload), start + INSPECTED_PARTS));
      const attempts = await uploads.attempts(upload.id, indexes[0]!, indexes.at(-1)!);
      for (const part of await inspector.inspect(upload, indexes, attempts, { mend: true }, signal)) {
        parts.push(part);
        if (part.chunk !== null) continue;
        missingCount += 1;
        if (missing.length < MISSING_NAMED_MAX) missing.push(part.index);
      }
    }
    if (missingCount === 0) return parts;
    throw new AppError<ErrorCode>(
      'parts_missing',
      `${missingCount} parts are missing. Send them and ask again.`,
      {
        details: { missingCount, missing },
      },
    );
  }

  async #assertSha256(
    upload: DirectUpload,
    announced: Uint8Array,
    chunks: readonly ChunkRef[],
  ): Promise<void> {
    const { digester, objects } = this.#options;
    const keepAlive = async () => void (await objects.renew([upload.id], UPLOAD_LEASE_MS));
    const actual = Buffer.from(await digester.sha256(chunks, this.#stop.signal, keepAlive));
    if (actual.equals(announced)) return;
    throw new AppError<ErrorCode>(
      'digest_mismatch',
      'The parts together are not the bytes whose SHA-256 was announced.',
      {
        details: { announcedSha256: Buffer.from(announced).toString('hex'), sha256: actual.toString('hex') },
      },
    );
  }

  /** Of two requests that give a part to different nodes the first counts, for both. */
  async #urlsOf(
    upload: DirectUpload,
    indexes: readonly number[],
    known: readonly PartAttempt[],
  ): Promise<PartUrl[]> {
    if (indexes.length === 0) return [];
    const { uploads, urls } = this.#options;
    const latest = latestOf(known);
    const wanted = indexes.map((index) => urls.nextAttempt(upload, index, latest.get(index)));
    const added = wanted.filter((attempt) => attempt !== latest.get(attempt.index));
    let current = latest;
    if (added.length > 0) {
      await uploads.addAttempts(upload.id, added);
      current = latestOf(await uploads.attempts(upload.id, indexes[0]!, indexes.at(-1)!));
    }
    return indexes.flatMap((index) => urls.urlOf(upload, current.get(index)!) ?? []);
  }
}

export function uploadNotFound(id: string): AppError {
  return new AppError<ErrorCode>('upload_not_found', `There is no upload ${id}, or not any more.`);
}

function latestOf(attempts: readonly PartAttempt[]): Map<number, PartAttempt> {
  // In order of the attempts, so the latest stays.
  return new Map(attempts.map((attempt) => [attempt.index, attempt]));
}

function indexesFrom(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, place) => first + place);
}
