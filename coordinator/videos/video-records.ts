import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectStore, RecordContent } from '../chunks/object-store.ts';
import type { Transaction } from '../database/database.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { encodeRecord } from '../records/record-codec.ts';
import type { RecordCluster } from '../records/video-record.ts';
import type { Attachment, VideoAttachments } from './attachment.ts';
import { RECORD_LEASE_MS, RECORD_REMOVAL_WAIT_MS } from './limits.ts';
import type { Video } from './video-repository.ts';

export interface VideoRecordsOptions {
  readonly cluster: RecordCluster;
  readonly objects: Pick<
    ObjectRepository,
    'manifest' | 'record' | 'openRecord' | 'replaceRecord' | 'abandonRecord'
  >;
  readonly attachments: Pick<VideoAttachments, 'of'>;
  readonly store: ObjectStore;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps a record of every video on the storage nodes, from which the database can be made again. */
export class VideoRecords implements AsyncDisposable {
  readonly #options: VideoRecordsOptions;
  readonly #removals = new Set<Promise<void>>();

  constructor(options: VideoRecordsOptions) {
    this.#options = options;
  }

  /** The record of a video with these chunks and attachments. */
  async encode(
    video: Video,
    chunks: readonly ChunkRef[],
    attachments: readonly Attachment[] = [],
  ): Promise<RecordContent> {
    const { id, objectId, size, sha256, title, description, filename, contentType } = video;
    const { ownerId, visibility, version, createdAt, updatedAt } = video;
    const bytes = await encodeRecord({
      cluster: this.#options.cluster,
      objectId,
      size,
      sha256,
      chunks,
      video: {
        id,
        ownerId,
        visibility,
        title,
        description,
        filename,
        contentType,
        version,
        createdAt,
        updatedAt,
      },
      attachments,
    });
    return { version, bytes };
  }

  /**
   * Stores the record of the video as it is going to be, and makes it the current one in the transaction in which
   * `change` makes the video so; when that resolves with null, or anything fails, the record before stays. Resolves with
   * what `change` did, or null when the video is gone. Rejects with `write_quorum_unavailable` and the like when the
   * record cannot be stored: then nothing has changed. `attachments` are what the video is going to have, if that
   * changes. Of a video whose source was dropped there is no record, and only `change` is done.
   */
  async replace<Result>(
    video: Video,
    change: (transaction: Transaction) => Promise<Result | null>,
    attachments?: readonly Attachment[],
  ): Promise<Result | null> {
    const { objects, store, inTransaction, createId } = this.#options;
    const { objectId } = video;
    // Without bytes that a recovery could bring back there is no record.
    if (video.sourceDroppedAt !== undefined) return await inTransaction(change);
    const writeId = createId();
    // 1. The sweep has to leave the new record alone before anything names it.
    if (!(await objects.openRecord(objectId, writeId, RECORD_LEASE_MS))) return null;
    let record: readonly ChunkRef[] = [];
    let result: Result | null = null;
    let before: readonly ChunkRef[] = [];
    try {
      // 2. Store it.
      const manifest = await objects.manifest(objectId);
      if (manifest !== null) {
        // Whoever changes them counts the video's version up, which `change` asks for.
        const all = attachments ?? (await this.#options.attachments.of(video.id));
        record = await store.writeRecord(objectId, await this.encode(video, manifest.chunks, all));
        // 3. Swap it.
        [result, before] = await inTransaction(async (transaction): Promise<[Result | null, ChunkRef[]]> => {
          const changed = await change(transaction);
          if (changed === null) return [null, []];
          return [changed, await objects.replaceRecord(transaction, objectId, writeId, record)];
        });
      }
    } catch (error) {
      await this.#withdraw(objectId, writeId, record);
      throw error;
    }
    if (result === null) await this.#withdraw(objectId, writeId, record);
    else this.#removeSoon(objectId, before);
    return result;
  }

  /**
   * Takes the record of a deleted video from every node that answers, so that a recovery does not bring the video back.
   * Does not wait long for nodes that are slow to answer. Never rejects.
   */
  async remove(objectId: string, record: readonly ChunkRef[]): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(RECORD_REMOVAL_WAIT_MS, waited.resolve);
    const removal = this.#track(this.#options.store.removeEverywhere(objectId, record));
    await Promise.race([removal, waited.promise]).finally(cancel);
  }

  /** Resolves when no removal is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** Undoes a write unless the database says that it was committed. Never rejects. */
  async #withdraw(objectId: string, writeId: string, record: readonly ChunkRef[]): Promise<void> {
    const { objects, logger } = this.#options;
    try {
      await objects.abandonRecord(writeId);
      if (record.length === 0) return;
      // The answer to a commit can get lost on its way.
      const current = await objects.record(objectId);
      if (current[0]?.id !== record[0]!.id) this.#removeSoon(objectId, record);
    } catch (error) {
      // Its lease runs out, and the sweep finds it.
      logger.warn({ err: error, objectId }, 'a record that is not needed could not be removed');
    }
  }

  #removeSoon(objectId: string, record: readonly ChunkRef[]): void {
    void this.#track(this.#options.store.remove(objectId, record));
  }

  #track(removal: Promise<void>): Promise<void> {
    this.#removals.add(removal);
    return removal.finally(() => this.#removals.delete(removal));
  }
}
