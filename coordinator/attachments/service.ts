import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { assertDigests } from '../../lib/http/digest-fields.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectStore, WrittenObject } from '../chunks/object-store.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import type { Attachment } from '../videos/attachment.ts';
import { EDIT_ATTEMPTS_MAX } from '../videos/limits.ts';
import type { Quotas } from '../videos/quotas.ts';
import { type Permission, videoNotFound } from '../videos/service.ts';
import type { UploadLeases } from '../videos/upload-leases.ts';
import type { VideoRecords } from '../videos/video-records.ts';
import type { Video, VideoRepository } from '../videos/video-repository.ts';
import { ATTACHMENTS_MAX } from './limits.ts';
import type { ReceivedFile } from './receive-file.ts';
import type { AttachmentRepository } from './repository.ts';
import type { AttachmentFields } from './schema.ts';

export interface AttachmentServiceOptions {
  readonly attachments: AttachmentRepository;
  readonly videos: Pick<VideoRepository, 'find' | 'update'>;
  readonly objects: Pick<ObjectRepository, 'abandon' | 'manifest'>;
  readonly store: Pick<ObjectStore, 'write' | 'remove'>;
  readonly records: Pick<VideoRecords, 'replace'>;
  readonly quotas: Pick<Quotas, 'open' | 'grow'>;
  readonly leases: UploadLeases;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  /** Tells all coordinators, once the transaction commits, to forget what they cached of a video. */
  readonly announceChange: (transaction: Transaction, videoId: string) => Promise<void>;
  /** Forgets what this coordinator cached of a video. */
  readonly invalidate: (videoId: string) => void;
}

export interface WantedAttachment {
  readonly name: string;
  readonly fields: AttachmentFields;
  /** SHA-256 values that the bytes must have as they come. */
  readonly digests: readonly Uint8Array[];
}

/** Whether a change may be made of what has the name now; absent means whatever it is. */
export type AttachmentTest = (attachment: Attachment | undefined) => boolean;

/** Files that belong to videos. They stand in the video's record, so a change of one is a change of the video. */
export class AttachmentService {
  readonly #options: AttachmentServiceOptions;

  constructor(options: AttachmentServiceOptions) {
    this.#options = options;
  }

  /** Throws `video_not_found` or what `permits` throws. */
  async list(videoId: string, permits: Permission): Promise<Attachment[]> {
    await this.#video(videoId, permits);
    return await this.#options.attachments.of(videoId);
  }

  /**
   * Attaches a file under a name, in place of what has it. When this resolves, the file is on the disks of a write quorum,
   * and the video's record names it. Rejects with `precondition_failed`, `quota_exceeded`, `too_many_attachments`,
   * `digest_mismatch`, or like an upload; then nothing has changed. `permits` is asked before the body is read.
   */
  async put(
    videoId: string,
    wanted: WantedAttachment,
    receive: () => Promise<ReceivedFile>,
    {
      permits,
      accepts,
      signal,
    }: { permits: Permission; accepts?: AttachmentTest | undefined; signal: AbortSignal },
  ): Promise<{ attachment: Attachment; isNew: boolean }> {
    const { quotas, leases, store, createId, attachments } = this.#options;
    const { ownerId } = await this.#video(videoId, permits);
    assertAcceptable(await attachments.of(videoId), wanted.name, accepts);
    const file = await receive();
    const kind = wanted.fields.kind ?? file.kinds[0]!;
    if (!file.kinds.includes(kind)) {
      throw new AppError<ErrorCode>(
        'unsupported_media_type',
        `These bytes are ${file.contentType}, which is no ${kind}.`,
      );
    }
    const objectId = createId();
    await quotas.open(objectId, leases.leaseMs, { ownerId, bytes: file.announcedBytes, videos: 0 });
    const lease = leases.hold(objectId, signal);
    let written: WrittenObject | undefined;
    try {
      written = await store.write(objectId, file.body, {
        limitBytes: file.bytesMax,
        signal: lease.signal,
        admit: (size) => quotas.grow(objectId, size),
        // The video's record names it.
        describe: async ({ sha256 }) => {
          assertDigests(wanted.digests, file.receivedSha256 ?? sha256);
          return { version: 1, bytes: Buffer.alloc(0) };
        },
      });
      const attachment = this.#describe(objectId, wanted, kind, file, written);
      const isNew = await this.#attach(videoId, attachment, permits, accepts);
      return { attachment, isNew };
    } catch (error) {
      await this.#withdraw(objectId, written);
      throw error;
    } finally {
      lease.release();
    }
  }

  /** Throws `attachment_not_found`, and what `put` does before its body. */
  async delete(
    videoId: string,
    name: string,
    { permits, accepts }: { permits: Permission; accepts?: AttachmentTest | undefined },
  ): Promise<void> {
    await this.#change(videoId, permits, (all) => {
      const attachment = all.find((candidate) => candidate.name === name);
      if (attachment === undefined) throw attachmentNotFound(name);
      if (accepts?.(attachment) === false) throw preconditionFailed();
      return { removed: [attachment], added: null };
    });
  }

  async #video(videoId: string, permits: Permission): Promise<Video> {
    const video = await this.#options.videos.find(videoId);
    if (video === null) throw videoNotFound(videoId);
    permits(video);
    return video;
  }

  /** Whether nothing had the name before. */
  async #attach(
    videoId: string,
    attachment: Attachment,
    permits: Permission,
    accepts: AttachmentTest | undefined,
  ): Promise<boolean> {
    let isNew = true;
    await this.#change(videoId, permits, (all) => {
      assertAcceptable(all, attachment.name, accepts);
      const removed = all.filter(({ name }) => name === attachment.name);
      isNew = removed.length === 0;
      return { removed, added: attachment };
    });
    return isNew;
  }

  /** Makes a change of what the video has, in rows and record, and tries again when another change came first. */
  async #change(
    videoId: string,
    permits: Permission,
    decide: (all: readonly Attachment[]) => { removed: readonly Attachment[]; added: Attachment | null },
  ): Promise<void> {
    const { attachments, videos, records, store, clock, announceChange, invalidate } = this.#options;
    for (let attempt = 1; attempt <= EDIT_ATTEMPTS_MAX; attempt++) {
      const current = await this.#video(videoId, permits);
      const all = await attachments.of(videoId);
      const { removed, added } = decide(all);
      const next = [...all.filter((candidate) => !removed.includes(candidate)), ...(added ? [added] : [])];
      const { version } = current;
      const updatedAt = new Date(clock.nowMs());
      const change = async (transaction: Transaction) => {
        const video = await videos.update(transaction, videoId, {}, { updatedAt, version });
        if (video === null) return null;
        await attachments.delete(transaction, removed);
        if (added !== null) await attachments.insert(transaction, videoId, added);
        await announceChange(transaction, videoId);
        return video;
      };
      const changed = await records.replace({ ...current, version: version + 1, updatedAt }, change, next);
      if (changed === null) continue;
      invalidate(videoId);
      for (const { objectId, chunks } of removed) void store.remove(objectId, chunks);
      return;
    }
    throw new AppError<ErrorCode>('conflict', 'The video is being changed by others all the time.', {
      retryable: true,
    });
  }

  #describe(
    objectId: string,
    { name, fields }: WantedAttachment,
    kind: Attachment['kind'],
    { contentType }: ReceivedFile,
    { size, sha256, chunks }: WrittenObject,
  ): Attachment {
    const { language = null, label = null } = fields;
    const createdAt = new Date(this.#options.clock.nowMs());
    return { objectId, name, kind, language, label, contentType, size, sha256, createdAt, chunks };
  }

  /** Undoes a write unless the database says that it was committed: the answer to a commit can get lost. */
  async #withdraw(objectId: string, written: WrittenObject | undefined): Promise<void> {
    const { objects, store, logger } = this.#options;
    try {
      await objects.abandon(objectId);
      if (written === undefined || (await objects.manifest(objectId)) !== null) return;
      await store.remove(objectId, written.chunks);
    } catch (error) {
      // Its lease runs out, and the sweep finds its chunks.
      logger.warn({ err: error, objectId }, 'an attachment that failed could not be undone');
    }
  }
}

export function attachmentNotFound(name: string): AppError {
  return new AppError<ErrorCode>('attachment_not_found', `The video has no attachment ${name}.`);
}

function assertAcceptable(
  all: readonly Attachment[],
  name: string,
  accepts: AttachmentTest | undefined,
): void {
  const current = all.find((candidate) => candidate.name === name);
  if (accepts?.(current) === false) throw preconditionFailed();
  if (current === undefined && all.length >= ATTACHMENTS_MAX) {
    throw new AppError<ErrorCode>(
      'too_many_attachments',
      `A video has at most ${ATTACHMENTS_MAX} attachments.`,
    );
  }
}

function preconditionFailed(): AppError {
  return new AppError<ErrorCode>(
    'precondition_failed',
    'The attachment is not in the state that the request names.',
  );
}
