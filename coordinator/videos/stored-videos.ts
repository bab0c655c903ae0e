import { Writable } from 'node:stream';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { ObjectStore } from '../chunks/object-store.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { describeVideo } from './describe-video.ts';
import type { UploadMetadata } from './upload.ts';
import type { VideoRecords } from './video-records.ts';
import type { Video, VideoRepository } from './video-repository.ts';

/** What content sniffing looks at. */
const HEAD_BYTES = 4096;

export interface StoredVideosOptions {
  readonly videos: Pick<VideoRepository, 'insert' | 'find'>;
  readonly objects: Pick<ObjectRepository, 'record'>;
  readonly store: Pick<ObjectStore, 'read' | 'writeRecord' | 'remove'>;
  readonly records: Pick<VideoRecords, 'encode'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An open object whose chunks are all acknowledged. */
export interface StoredBytes {
  readonly objectId: string;
  /** Bytes, at least 1. */
  readonly size: number;
  /** Null: it will be computed. */
  readonly sha256: Uint8Array | null;
  readonly chunks: readonly ChunkRef[];
}

/** Makes videos of bytes that lie on the nodes already. */
export class StoredVideos {
  readonly #options: StoredVideosOptions;

  constructor(options: StoredVideosOptions) {
    this.#options = options;
  }

  /**
   * Commits the object as the video with this id. Of several calls for one object, here or on other coordinators, one
   * commits, and the others resolve with the video that it made. Rejects with `upload_expired` when the object is not
   * open any more and there is no such video; nothing has changed then.
   */
  async adopt(
    videoId: string,
    bytes: StoredBytes,
    metadata: Omit<UploadMetadata, 'digests'>,
    ownerId: string | null,
  ): Promise<Video> {
    const { videos, objects, store, records, clock, logger } = this.#options;
    const { objectId, chunks } = bytes;
    const at = new Date(clock.nowMs());
    const head = () => this.#headOf(bytes);
    const video = await describeVideo({ id: videoId, ...bytes, head, ownerId, at }, metadata);
    const record = await store.writeRecord(objectId, await records.encode(video, chunks));
    try {
      await videos.insert(video, { ...bytes, record });
      return video;
    } catch (error) {
      // Another call was first, or the answer to this one's commit got lost.
      const existing = await videos.find(videoId);
      const current = existing === null ? [] : await objects.record(objectId);
      if (current[0]?.id !== record[0]?.id) void store.remove(objectId, record);
      if (existing === null) throw error;
      logger.info({ videoId }, 'a stored video was there already');
      return existing;
    }
  }

  async #headOf({ objectId, size, chunks }: StoredBytes): Promise<Buffer> {
    const last = Math.min(size, HEAD_BYTES) - 1;
    const reading = await this.#options.store.read({ objectId, size, chunks }, 0, last);
    const pieces: Buffer[] = [];
    const sink = new Writable({
      write(piece: Buffer, _encoding, done) {
        // The piece's memory is used again.
        pieces.push(Buffer.from(piece));
        done();
      },
    });
    await reading.sendTo(sink, new AbortController().signal);
    return Buffer.concat(pieces);
  }
}
