import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { type Principal, userIdOf } from '../auth/principal.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import { readBytes } from '../chunks/read-bytes.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { describeVideo } from '../videos/describe-video.ts';
import { bodyTooLarge } from '../videos/parse-request.ts';
import type { Quotas } from '../videos/quotas.ts';
import type { VideoRecords } from '../videos/video-records.ts';
import type { Video, VideoRepository } from '../videos/video-repository.ts';
import type { UploadDescription } from './schema.ts';
import { isJoined, takenOver, uploadNotFound } from './upload-errors.ts';
import type { StoredUpload, UploadRepository } from './upload-repository.ts';

/** As many as are looked at to tell what kind of file it is. */
const HEAD_BYTES = 4096;

export interface UploadCompletionOptions {
  readonly repository: UploadRepository;
  readonly videos: Pick<VideoRepository, 'insert'>;
  readonly objects: Pick<ObjectRepository, 'abandon'>;
  readonly records: Pick<VideoRecords, 'encode'>;
  readonly quotas: Pick<Quotas, 'open'>;
  readonly store: ObjectStore;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly createId: () => string;
  readonly leaseMs: number;
  readonly uploadBytesMax: number;
}

/** An upload that is to be made of others. */
export interface WantedJoin {
  readonly partialIds: readonly string[];
  /** `Upload-Concat` as it came. */
  readonly concat: string;
  readonly description: UploadDescription;
}

interface Content {
  /** Of the upload, and of the video that it becomes: the same at every attempt, in every record that is written. */
  readonly id: string;
  readonly objectId: string;
  readonly ownerId: string | null;
  readonly size: number;
  readonly sha256: Uint8Array | null;
  readonly chunks: readonly ChunkRef[];
  readonly description: UploadDescription;
}

/** Makes videos of uploads that have all their bytes. */
export class UploadCompletion {
  readonly #options: UploadCompletionOptions;

  constructor(options: UploadCompletionOptions) {
    this.#options = options;
  }

  /**
   * Makes the upload a video; the caller holds it. Whether that was done the database knows, so it may be tried again.
   * Rejects with `write_quorum_unavailable` and the like; the upload stays what it was then.
   */
  async complete(upload: StoredUpload, sha256: Uint8Array | null): Promise<StoredUpload> {
    const { repository, videos } = this.#options;
    const { ownerId, received: size, description } = upload;
    const objectId = upload.objectId!;
    const chunks = await repository.chunks(objectId);
    const content = { id: upload.id, objectId, ownerId, size, sha256, chunks, description };
    // Whoever asks for the upload now waits: two that ask by turns would keep it from being completed for ever.
    const { signal } = new AbortController();
    await this.#store(content, signal, async (transaction, video, record) => {
      if (!(await repository.complete(transaction, upload, video.id)))
        throw takenOver('The upload was taken over.');
      await videos.insert(video, { size, sha256, chunks: [], record }, transaction);
    });
    return (await repository.find(upload.id)) ?? upload;
  }

  /**
   * Makes one upload, and a video, of parts in order: their chunks become its own, and no byte is copied. When the same was
   * done before, that is the answer. Rejects with `upload_not_found` for parts that are not there or not the caller's,
   * `upload_incomplete`, `upload_joined`, `quota_exceeded`, `body_too_large`.
   */
  async join(principal: Principal, wanted: WantedJoin, signal: AbortSignal): Promise<StoredUpload> {
    const { repository, videos, quotas, objects, createId, leaseMs } = this.#options;
    const ownerId = userIdOf(principal);
    const { concat, description, partialIds } = wanted;
    const partials = inOrder(partialIds, await repository.findAll(partialIds), ownerId);
    const before = await this.#joinedBefore(partials, concat);
    if (before !== null) return before;
    const size = this.#checkPartials(partials);
    const objectId = createId();
    await quotas.open(objectId, leaseMs, { ownerId, bytes: 0, videos: 1 });
    const id = createId();
    try {
      const chunks: ChunkRef[] = [];
      for (const partial of partials) chunks.push(...(await repository.chunks(partial.objectId!)));
      const content = { id, objectId, ownerId, size, sha256: null, chunks, description };
      await this.#store(content, signal, async (transaction, video, record) => {
        // Nothing can be added to them any more; but another final upload may have taken them.
        const now = inOrder(partialIds, await repository.findAll(partialIds, transaction), ownerId);
        this.#checkPartials(now);
        const final = { id, objectId, ownerId, kind: 'final' as const, length: size, description, concat };
        await repository.join(transaction, { ...final, videoId: video.id }, now);
        await videos.insert(video, { size, sha256: null, chunks: [], record }, transaction);
      });
    } catch (error) {
      await objects.abandon(objectId).catch(() => {});
      const found = await repository.find(id).catch(() => null);
      if (found === null) throw error;
    }
    return (await repository.find(id)) ?? throwMissing(id);
  }

  /** Describes the video, writes its record and commits it by `commit`; what is not committed is removed. */
  async #store(
    content: Content,
    signal: AbortSignal,
    commit: (transaction: Transaction, video: Video, record: readonly ChunkRef[]) => Promise<void>,
  ): Promise<void> {
    const { store, records, inTransaction, clock, logger } = this.#options;
    const { id, objectId, ownerId, size, sha256, chunks, description } = content;
    const head = () =>
      readBytes(
        store,
        { objectId, size, chunks },
        { first: 0, last: Math.min(size, HEAD_BYTES) - 1 },
        signal,
      );
    const at = new Date(clock.nowMs());
    const video = await describeVideo({ id, objectId, ownerId, size, sha256, head, at }, description);
    const record = await store.writeRecord(objectId, await records.encode(video, chunks), signal);
    try {
      await inTransaction(async (transaction) => await commit(transaction, video, record));
    } catch (error) {
      // An answer that got lost on its way leaves it open whether it was committed: the sweep knows later.
      logger.warn({ err: error, objectId }, 'an upload could not be completed');
      throw error;
    }
  }

  /** The final upload that these very parts have become before. */
  async #joinedBefore(partials: readonly StoredUpload[], concat: string): Promise<StoredUpload | null> {
    const [first] = partials;
    if (first?.finalId === null || !partials.every(({ finalId }) => finalId === first!.finalId)) return null;
    const final = await this.#options.repository.find(first!.finalId!);
    return final?.concat === concat ? final : null;
  }

  /** Their length together. */
  #checkPartials(partials: readonly StoredUpload[]): number {
    let size = 0;
    for (const { id, kind, finalId, length, received } of partials) {
      if (finalId !== null) throw isJoined();
      if (kind !== 'partial' || length === null || received !== length) {
        throw new AppError<ErrorCode>(
          'upload_incomplete',
          `The upload ${id} is not a part that is complete.`,
        );
      }
      size += length;
    }
    if (size > this.#options.uploadBytesMax) throw bodyTooLarge(this.#options.uploadBytesMax);
    return size;
  }
}

function inOrder(
  ids: readonly string[],
  found: readonly StoredUpload[],
  ownerId: string | null,
): readonly StoredUpload[] {
  const byId = new Map(found.map((upload) => [upload.id, upload]));
  return ids.map((id) => {
    const upload = byId.get(id);
    return upload === undefined || upload.isExpired || upload.ownerId !== ownerId ? throwMissing(id) : upload;
  });
}

function throwMissing(id: string): never {
  throw uploadNotFound(id);
}
