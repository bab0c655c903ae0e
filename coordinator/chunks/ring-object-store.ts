import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import type { ChunkRef, Manifest } from '../objects/manifest.ts';
import { ChunkCutter, type CutterOptions } from './chunk-cutter.ts';
import type { ChunkReader } from './chunk-reader.ts';
import { DurablePrefix } from './durable-prefix.ts';
import type { NodeClient } from './node-client.ts';
import { RingObjectReading, slicesOf } from './object-reading.ts';
import type {
  Appended,
  AppendOptions,
  ObjectAppender,
  ObjectReading,
  ObjectStore,
  RecordContent,
  WriteOptions,
  WrittenObject,
} from './object-store.ts';
import { ObjectUpload, type ObjectUploadParts } from './object-upload.ts';
import type { WriteBuffers } from './write-buffers.ts';

export interface RingObjectStoreOptions extends ObjectUploadParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly placement: Placement;
  readonly buffers: WriteBuffers;
  readonly garbage: Pick<YoungGarbage, 'add'>;
  readonly reader: ChunkReader;
  readonly client: NodeClient;
  /** Longest time without a byte from an uploading client. */
  readonly sourceIdleTimeoutMs: number;
  /**
   * Called with the time that each read took until its first MiB, or all of it, was at hand. What the receiver took is
   * not counted.
   */
  readonly onReadServed?: (milliseconds: number) => void;
  /** Called with the length of each piece that a receiver has taken. */
  readonly onBytesSent?: (bytes: number) => void;
}

/** ObjectStore on the storage nodes of the ring. */
export class RingObjectStore implements ObjectStore, ObjectAppender {
  readonly #options: RingObjectStoreOptions;

  constructor(options: RingObjectStoreOptions) {
    this.#options = options;
  }

  async write(objectId: string, source: Readable, options: WriteOptions): Promise<WrittenObject> {
    this.#assertReady();
    const { signal, admit, limitBytes } = options;
    const upload = new ObjectUpload(this.#options, { objectId, signal, admit });
    const hash = createHash('sha256');
    const cutter = this.#cutterOf(source, upload, { limitBytes, hash });
    try {
      const { size, head } = await cutter.run(upload.signal);
      const content = { size, sha256: hash.digest(), head, chunks: upload.chunks };
      // The record goes out while the last chunks are still on their way.
      await upload.addRecord(await upload.unlessFailed(options.describe(content)));
      await upload.finish();
      return { ...content, record: upload.record };
    } catch (error) {
      this.#giveUp(objectId, upload, error);
      throw error;
    }
  }

  async append(objectId: string, source: Readable, options: AppendOptions): Promise<Appended> {
    this.#assertReady();
    const { signal, admit, firstIndex, prefix, hash, limitBytes, persist, verify } = options;
    const before = prefix?.length ?? 0;
    const durable = new DurablePrefix({ persist, firstBytesMin: before, isOpen: verify === undefined });
    const admitNew = admit && ((sizeBytes: number) => admit(sizeBytes - before));
    // What ends the source does not end the chunks that are on their way.
    const untilFailed = new AbortController().signal;
    const upload = new ObjectUpload(this.#options, {
      ...{ objectId, signal: untilFailed, admit: admitNew, firstIndex, durable },
    });
    const cutter = this.#cutterOf(source, upload, { limitBytes, hash, prefix, keepsTail: true });
    let cancelFlush = () => {};
    try {
      const { size, interrupted } = await cutter.run(AbortSignal.any([signal, upload.signal]));
      if (interrupted !== undefined) {
        if (verify !== undefined) throw interrupted;
        cancelFlush = this.#options.clock.after(options.flushMaxMs, () => upload.fail(interrupted));
      }
      verify?.();
      if (size === 0) {
        this.#giveUp(objectId, upload, new Error('nothing came'), (ref) => !durable.wasNamed(ref));
        return { bytes: 0, interrupted };
      }
      durable.open();
      await upload.finish();
      await durable.drain();
      return { bytes: durable.persistedBytes - before, interrupted };
    } catch (error) {
      this.#giveUp(objectId, upload, error, (ref) => !durable.wasNamed(ref));
      await durable.drain().catch(() => {});
      throw error;
    } finally {
      cancelFlush();
    }
  }

  async writeRecord(objectId: string, record: RecordContent, signal?: AbortSignal): Promise<ChunkRef[]> {
    this.#assertReady();
    const upload = new ObjectUpload(this.#options, {
      objectId,
      signal: signal ?? new AbortController().signal,
    });
    try {
      await upload.addRecord(record);
      await upload.finish();
      return upload.record;
    } catch (error) {
      this.#giveUp(objectId, upload, error);
      throw error;
    }
  }

  async read(manifest: Manifest, first: number, last: number, signal?: AbortSignal): Promise<ObjectReading> {
    const { clock, reader, onReadServed, onBytesSent } = this.#options;
    const slices = slicesOf(manifest, first, last);
    const startMs = clock.monotonicMs();
    const opened = await reader.open(slices[0]!, signal);
    const onServed =
      onReadServed && ((receiverMs: number) => onReadServed(clock.monotonicMs() - startMs - receiverMs));
    return new RingObjectReading({ reader, slices, opened, clock, onServed, onBytesSent });
  }

  remove(objectId: string, chunks: readonly ChunkRef[]): Promise<void> {
    const { placement } = this.#options;
    return this.#remove(objectId, chunks, (ref) => placement.writeTargetsOf(ref.position).owners);
  }

  removeEverywhere(objectId: string, chunks: readonly ChunkRef[]): Promise<void> {
    return this.#remove(objectId, chunks, () => this.#options.placement.nodes());
  }

  async #remove(
    objectId: string,
    chunks: readonly ChunkRef[],
    nodesFor: (ref: ChunkRef) => readonly StorageNode[],
  ): Promise<void> {
    const { placement, client, logger } = this.#options;
    const queue = [...chunks];
    const work = async () => {
      for (let ref = queue.pop(); ref; ref = queue.pop()) {
        const nodes = nodesFor(ref).filter((node) => placement.healthOf(node.id) === 'up');
        const results = await Promise.allSettled(nodes.map((node) => client.delete(node, ref!)));
        const failed = results.filter((result) => result.status === 'rejected').length;
        if (failed > 0) logger.debug({ chunkId: ref.id, failed }, 'chunk left to the sweep');
      }
    };
    try {
      await Promise.all(Array.from({ length: 4 }, work));
    } catch (error) {
      logger.warn({ err: error, objectId }, 'object left to the sweep');
    }
  }

  #cutterOf(
    source: Readable,
    upload: ObjectUpload,
    options: Pick<CutterOptions, 'limitBytes' | 'hash' | 'prefix' | 'keepsTail'>,
  ): ChunkCutter {
    const { clock, buffers, garbage, chunkBytes, sourceIdleTimeoutMs } = this.#options;
    return new ChunkCutter(source, {
      ...options,
      ...{ clock, buffers, garbage, chunkBytes, idleTimeoutMs: sourceIdleTimeoutMs },
      onChunk: (chunk) => upload.add(chunk),
    });
  }

  /** What was stored so far, or that of it, is garbage now; the sweep finds what these requests do not reach. */
  #giveUp(
    objectId: string,
    upload: ObjectUpload,
    error: unknown,
    isGarbage: (ref: ChunkRef) => boolean = () => true,
  ): void {
    void upload.abort(error).then((chunks) => this.remove(objectId, chunks.filter(isGarbage)));
  }

  #assertReady(): void {
    if (this.#options.placement.ready) return;
    throw new AppError('cluster_not_ready', 'The cluster has no layout yet.', { retryable: true });
  }
}
