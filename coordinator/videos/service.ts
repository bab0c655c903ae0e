import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { assertDigests } from '../../lib/http/digest-fields.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectContent, ObjectStore, WrittenObject } from '../chunks/object-store.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { LoadingCache } from '../loading-cache.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import type { DerivedObject, RenditionRepository } from '../renditions/rendition.ts';
import type { Attachment, VideoAttachments } from './attachment.ts';
import { describeContent, type VideoContent } from './content.ts';
import { describeVideo } from './describe-video.ts';
import { EDIT_ATTEMPTS_MAX } from './limits.ts';
import type { Quotas } from './quotas.ts';
import type { Upload } from './upload.ts';
import type { UploadLeases } from './upload-leases.ts';
import type { VideoRecords } from './video-records.ts';
import type { Video, VideoChanges, VideoPage, VideoPosition, VideoRepository } from './video-repository.ts';

/** What videos need of the objects they consist of. */
export type VideoObjects = Pick<
  ObjectRepository,
  | 'renew'
  | 'abandon'
  | 'manifest'
  | 'delete'
  | 'empty'
  | 'record'
  | 'openRecord'
  | 'replaceRecord'
  | 'abandonRecord'
>;

export interface VideoServiceOptions {
  readonly videos: VideoRepository;
  readonly objects: VideoObjects;
  readonly store: ObjectStore;
  readonly records: VideoRecords;
  readonly attachments: VideoAttachments;
  /** What was made of videos goes with them. */
  readonly derived: Pick<RenditionRepository, 'deleteAll'>;
  readonly leases: UploadLeases;
  readonly quotas: Pick<Quotas, 'open' | 'grow'>;
  /** Runs the work in one transaction and commits it when the work resolves. */
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  /** Tells all coordinators, once the transaction commits, to forget what they cached of a video. */
  readonly announceChange: (transaction: Transaction, id: string) => Promise<void>;
  /** Longest video, bytes. */
  readonly uploadBytesMax: number;
  /** Videos whose manifests are kept in memory, and the chunks that these may have together. */
  readonly cachedVideosMax: number;
  readonly cachedChunksMax: number;
}

/** Which state of a video a change is meant for; absent means whatever it is now. */
export type VersionTest = (video: Video) => boolean;

/** Throws when the video is not the caller's to change. */
export type Permission = (video: Video) => void;

export class VideoService implements AsyncDisposable {
  readonly uploadBytesMax: number;
  readonly #options: VideoServiceOptions;
  readonly #contents: LoadingCache<VideoContent>;
  /** Chunks of deleted videos are removed one video after the other. */
  #removals: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(options: VideoServiceOptions) {
    this.#options = options;
    this.uploadBytesMax = options.uploadBytesMax;
    this.#contents = new LoadingCache({
      load: (id) => this.#loadContent(id),
      weightOf: ({ manifest, attachments }) => manifest.chunks.length + attachments.size,
      maxEntries: options.cachedVideosMax,
      maxWeight: options.cachedChunksMax,
    });
  }

  /**
   * Stores an upload. When this resolves, the bytes are on the disks of a write quorum and the video is in the
   * database; when it rejects, there is no video, and chunks that were stored are removed or left to the sweep.
   * `videoId`, if given, must never have been used for another one. `ownerId` is the user it belongs to, if any; rejects with `quota_exceeded` when it is too much for the user.
   */
  async upload(upload: Upload, ownerId: string | null, videoId?: string): Promise<Video> {
    const { videos, quotas, records, leases, store, logger, createId } = this.#options;
    const id = videoId ?? createId();
    const objectId = createId();
    const { bytes, isExact } = upload.announced;
    await quotas.open(objectId, leases.leaseMs, { ownerId, bytes, videos: 1 });
    const lease = leases.hold(objectId, upload.signal);
    const described = Promise.withResolvers<Video>();
    let written: WrittenObject | undefined;
    let video: Video | undefined;
    try {
      written = await store.write(objectId, upload.body, {
        limitBytes: this.uploadBytesMax,
        signal: lease.signal,
        ...(!isExact && ownerId !== null && { admit: (size) => quotas.grow(objectId, size) }),
        describe: async (content) => {
          const video = await this.#describe({ id, objectId, ownerId }, content, upload);
          described.resolve(video);
          return await records.encode(video, content.chunks);
        },
      });
      video = await described.promise;
      lease.signal.throwIfAborted();
      // A committed object has no lease to lose, and what is still being copied goes on without the client.
      lease.release();
      await videos.insert(video, written);
      return video;
    } catch (error) {
      // The answer to a commit can get lost on its way: then the video exists, and its chunks must stay.
      if (!(await this.#withdraw(objectId, written)) || video === undefined) throw error;
      logger.warn({ err: error, videoId: video.id }, 'a commit succeeded although its answer was lost');
      return video;
    } finally {
      lease.release();
    }
  }

  /** Null when there is none, or not any more. */
  async lookUp(id: string): Promise<Video | null> {
    return await this.#options.videos.find(id);
  }

  /** Throws `video_not_found`. */
  async find(id: string): Promise<Video> {
    return (await this.#options.videos.find(id)) ?? throwNotFound(id);
  }

  /** Newest first; `next` is where the following page begins. */
  async list(page: VideoPage): Promise<{ videos: Video[]; next: VideoPosition | null }> {
    const { limit } = page;
    const found = await this.#options.videos.list({ ...page, limit: limit + 1 });
    const videos = found.slice(0, limit);
    return { videos, next: found.length > limit ? videos.at(-1)! : null };
  }

  /**
   * Throws `video_not_found`, `precondition_failed` when the test does not accept the current state, or what `permits`
   * throws.
   */
  async change(
    id: string,
    changes: VideoChanges,
    permits: Permission,
    accepts?: VersionTest,
  ): Promise<Video> {
    const { videos, records, clock, announceChange } = this.#options;
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
    // The record has to say what the database will: another change in between means to look again.
    for (let attempt = 1; attempt <= EDIT_ATTEMPTS_MAX; attempt++) {
      const current = await this.find(id);
      permits(current);
      if (accepts && !accepts(current)) throw preconditionFailed();
      if (Object.keys(given).length === 0) return current;
      const updatedAt = new Date(clock.nowMs());
      const { version } = current;
      const wanted: Video = { ...current, ...given, version: version + 1, updatedAt };
      const changed = await records.replace(wanted, async (transaction) => {
        const video = await videos.update(transaction, id, changes, { updatedAt, version });
        if (video !== null) await announceChange(transaction, id);
        return video;
      });
      if (changed === null) continue;
      this.#contents.invalidate(id);
      return changed;
    }
    throw tooManyChanges();
  }

  /** Notes the SHA-256 of a video that has none yet; nothing happens when it is gone or has one. Rejects like `change`. */
  async fillSha256(id: string, sha256: Uint8Array): Promise<void> {
    const { videos, records, announceChange } = this.#options;
    for (let attempt = 1; attempt <= EDIT_ATTEMPTS_MAX; attempt++) {
      const current = await videos.find(id);
      if (current === null || current.sha256 !== null) return;
      const { version } = current;
      const filled = await records.replace(
        { ...current, sha256, version: version + 1 },
        async (transaction) => {
          const video = await videos.fillSha256(transaction, id, sha256, { version });
          if (video !== null) await announceChange(transaction, id);
          return video;
        },
      );
      if (filled === null) continue;
      this.#contents.invalidate(id);
      return;
    }
    throw tooManyChanges();
  }

  /**
   * Deletes a video: gone for readers when this resolves, and its record from every node that answers; its other chunks
   * are removed later. Throws like `change`.
   */
  async delete(id: string, permits: Permission, accepts?: VersionTest): Promise<void> {
    const { objects, videos, records, attachments, derived, inTransaction, announceChange } = this.#options;
    const current = await this.find(id);
    permits(current);
    if (accepts && !accepts(current)) throw preconditionFailed();
    const manifest = this.#contents.peek(id)?.manifest ?? (await objects.manifest(current.objectId));
    const version = accepts && current.version;
    let attached: readonly (Attachment | DerivedObject)[] = [];
    const record = await inTransaction(async (transaction) => {
      const video = await videos.delete(transaction, id, { version });
      if (video === null) return null;
      attached = [
        ...(await attachments.deleteAll(transaction, id)),
        ...(await derived.deleteAll(transaction, id)),
      ];
      const record = await objects.delete(transaction, video.objectId);
      await announceChange(transaction, id);
      return record;
    });
    if (record === null) return this.#throwUnchanged(id);
    this.#contents.invalidate(id);
    await records.remove(current.objectId, record);
    for (const { objectId, chunks } of attached) this.#removeLater(objectId, chunks);
    if (manifest !== null) this.#removeLater(manifest.objectId, manifest.chunks);
  }

  /**
   * Drops the bytes of a video of which everything has been made, and its record: a recovery could not bring them back.
   * They are gone for readers when this resolves, like those of a deleted video; all else of it stays. False when they may
   * not be dropped, or not any more.
   */
  async dropSource(id: string): Promise<boolean> {
    const { objects, videos, records, clock, inTransaction, announceChange } = this.#options;
    const dropped = await inTransaction(async (transaction) => {
      const video = await videos.dropSource(transaction, id, new Date(clock.nowMs()));
      if (video === null) return null;
      const { objectId } = video;
      const { chunks, record } = await objects.empty(transaction, objectId);
      await announceChange(transaction, id);
      return { objectId, chunks, record };
    });
    if (dropped === null) return false;
    this.#contents.invalidate(id);
    const { objectId, chunks, record } = dropped;
    await records.remove(objectId, record);
    this.#removeLater(objectId, chunks);
    return true;
  }

  /** What a playback needs if it is in memory. */
  cachedContent(id: string): VideoContent | undefined {
    return this.#contents.peek(id);
  }

  /** What a playback needs. Throws `video_not_found`. */
  async content(id: string): Promise<VideoContent> {
    return (await this.#contents.get(id)) ?? throwNotFound(id);
  }

  /** Forgets what is cached about the video, and looks at it again. Throws `video_not_found` if it is gone. */
  async recheck(id: string): Promise<Video> {
    this.#contents.invalidate(id);
    return await this.find(id);
  }

  /** Another coordinator changed the video. */
  invalidate(id: string): void {
    this.#contents.invalidate(id);
  }

  /** Notifications of other coordinators may have been lost. */
  invalidateAll(): void {
    this.#contents.clear();
  }

  /** Resolves when no removal is under way; those that had to wait are left to the sweep. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#removals;
  }

  async #describe(
    ids: Pick<Video, 'id' | 'objectId' | 'ownerId'>,
    content: ObjectContent,
    upload: Upload,
  ): Promise<Video> {
    const metadata = await upload.finish();
    const { size, sha256, head } = content;
    const at = new Date(this.#options.clock.nowMs());
    const video = await describeVideo({ ...ids, size, sha256, head: () => head, at }, metadata);
    assertDigests(metadata.digests, sha256);
    return video;
  }

  /** Undoes an upload unless the database says that it was committed; tells whether it was. */
  async #withdraw(objectId: string, written: WrittenObject | undefined): Promise<boolean> {
    const { objects, store, logger } = this.#options;
    try {
      await objects.abandon(objectId);
      if (written === undefined) return false;
      if ((await objects.manifest(objectId)) !== null) return true;
      await store.remove(objectId, [...written.chunks, ...written.record]);
    } catch (error) {
      // Its lease runs out, and the sweep finds its chunks.
      logger.warn({ err: error, objectId }, 'a failed upload could not be undone');
    }
    return false;
  }

  async #loadContent(id: string): Promise<VideoContent | null> {
    const { videos, objects } = this.#options;
    let video = await videos.find(id);
    const manifest = video && (await objects.manifest(video.objectId));
    // The source was dropped between the two.
    if (video !== null && manifest !== null && manifest.size < video.size) video = await videos.find(id);
    if (video === null || manifest === null) return null;
    return describeContent(video, manifest, await this.#options.attachments.of(id));
  }

  #removeLater(objectId: string, chunks: readonly ChunkRef[]): void {
    this.#removals = this.#removals.then(() =>
      this.#stopping ? undefined : this.#options.store.remove(objectId, chunks),
    );
  }

  async #throwUnchanged(id: string): Promise<never> {
    await this.find(id);
    throw preconditionFailed();
  }
}

/** Also for those who may not know that there is one. */
export function videoNotFound(id: string): AppError {
  return new AppError<ErrorCode>('video_not_found', `There is no video ${id}.`);
}

/** `url` is the video's own. */
export function sourceDropped(url: string): AppError {
  return new AppError<ErrorCode>(
    'source_dropped',
    `The bytes that were uploaded were dropped after the transcoding. The video is played by what links.hls of ${url} names.`,
  );
}

function throwNotFound(id: string): never {
  throw videoNotFound(id);
}

function tooManyChanges(): AppError {
  return new AppError<ErrorCode>('conflict', 'The video is being changed by others all the time.', {
    retryable: true,
  });
}

function preconditionFailed(): AppError {
  return new AppError<ErrorCode>('precondition_failed', 'The video is not in the state that If-Match names.');
}
