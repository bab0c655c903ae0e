import type { Readable } from 'node:stream';
import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';
import type { YoungGarbage } from '../../lib/bytes/young-garbage.ts';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { positionOf } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Placement, StorageNode } from '../cluster/placement.ts';
import { createChunkId, createRecordChunkId, createRecordToken } from '../objects/chunk-id.ts';
import type { ChunkRef, Manifest } from '../objects/manifest.ts';
import { ChunkCutter, type CutChunk } from './chunk-cutter.ts';
import type { ChunkOutbox } from './chunk-outbox.ts';
import type { ChunkReader } from './chunk-reader.ts';
import type { ChunkWriter, WriteOutcome } from './chunk-writer.ts';
import type { NodeClient } from './node-client.ts';
import { RingObjectReading, slicesOf } from './object-reading.ts';
import type {
  ObjectReading,
  ObjectStore,
  RecordContent,
  WriteOptions,
  WrittenObject,
} from './object-store.ts';
import type { WriteBuffers } from './write-buffers.ts';

export interface RingObjectStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly placement: Placement;
  readonly buffers: WriteBuffers;
  readonly garbage: Pick<YoungGarbage, 'add'>;
  readonly outbox: ChunkOutbox;
  readonly writer: ChunkWriter;
  readonly reader: ChunkReader;
  readonly client: NodeClient;
  /** Full length of a chunk, bytes. */
  readonly chunkBytes: number;
  /** Longest time without a byte from an uploading client. */
  readonly sourceIdleTimeoutMs: number;
  /** Chunks of one upload that may wait for their quorum while the next one fills. */
  readonly chunksInFlight: number;
  readonly randomBytes: (count: number) => Uint8Array;
  /**
   * Called with the time that each read took until its first MiB, or all of it, was at hand. What the receiver took is
   * not counted.
   */
  readonly onReadServed?: (milliseconds: number) => void;
  /** Called with the length of each piece that a receiver has taken. */
  readonly onBytesSent?: (bytes: number) => void;
  /** Called for each chunk whose copies are all made or given up. */
  readonly onChunkSettled?: (ref: ChunkRef, outcome: WriteOutcome) => void;
}

/** ObjectStore on the storage nodes of the ring. */
export class RingObjectStore implements ObjectStore {
  readonly #options: RingObjectStoreOptions;

  constructor(options: RingObjectStoreOptions) {
    this.#options = options;
  }

  async write(objectId: string, source: Readable, options: WriteOptions): Promise<WrittenObject> {
    const { clock, buffers, garbage, chunkBytes, sourceIdleTimeoutMs } = this.#options;
    this.#assertReady();
    const upload = new ObjectUpload(this.#options, objectId, options.signal, options.admit);
    const cutter = new ChunkCutter(source, {
      clock,
      buffers,
      garbage,
      chunkBytes,
      limitBytes: options.limitBytes,
      idleTimeoutMs: sourceIdleTimeoutMs,
      onChunk: (chunk) => upload.add(chunk),
    });
    try {
      const { size, sha256, head } = await cutter.run(upload.signal);
      const content = { size, sha256, head, chunks: upload.chunks };
      // The record goes out while the last chunks are still on their way.
      await upload.addRecord(await upload.unlessFailed(options.describe(content)));
      await upload.finish();
      return { ...content, record: upload.record };
    } catch (error) {
      this.#giveUp(objectId, upload, error);
      throw error;
    }
  }

  async writeRecord(objectId: string, record: RecordContent, signal?: AbortSignal): Promise<ChunkRef[]> {
    this.#assertReady();
    const upload = new ObjectUpload(this.#options, objectId, signal ?? new AbortController().signal);
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

  /** What was stored so far is garbage now; the sweep finds what these requests do not reach. */
  #giveUp(objectId: string, upload: ObjectUpload, error: unknown): void {
    void upload.abort(error).then((chunks) => this.remove(objectId, chunks));
  }

  #assertReady(): void {
    if (this.#options.placement.ready) return;
    throw new AppError('cluster_not_ready', 'The cluster has no layout yet.', { retryable: true });
  }
}

/** The chunks of one object on their way to the nodes. */
class ObjectUpload {
  readonly #options: RingObjectStoreOptions;
  readonly #objectId: string;
  readonly #admit: WriteOptions['admit'];
  readonly #abort = new AbortController();
  #size = 0;
  readonly chunks: ChunkRef[] = [];
  readonly record: ChunkRef[] = [];
  readonly #settled = new Set<Promise<unknown>>();
  #inFlight = 0;
  /** Woken at every acknowledgement; each looks for itself whether its turn has come. */
  readonly #waiting = new Set<() => void>();
  #failure: unknown;

  constructor(
    options: RingObjectStoreOptions,
    objectId: string,
    signal: AbortSignal,
    admit?: WriteOptions['admit'],
  ) {
    this.#options = options;
    this.#objectId = objectId;
    this.#admit = admit;
    if (signal.aborted) this.#abort.abort(signal.reason);
    else signal.addEventListener('abort', () => this.#abort.abort(signal.reason), { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Sends a chunk; the promise, if any, resolves when the next one may follow. */
  add(chunk: CutChunk): Promise<void> | undefined {
    const id = createChunkId(this.#objectId, this.chunks.length, this.#options.randomBytes(4));
    const ref = refOf(id, chunk);
    this.chunks.push(ref);
    this.#size += chunk.length;
    const room = this.#send(ref, chunk);
    if (this.#admit === undefined) return room;
    return Promise.all([this.#admit(this.#size), room]).then(() => {});
  }

  /** Sends the record, in as many chunks as it takes; resolves when all of it is on its way. */
  async addRecord({ version, bytes }: RecordContent): Promise<void> {
    const { chunkBytes, randomBytes } = this.#options;
    const parts = Math.ceil(bytes.length / chunkBytes);
    const token = createRecordToken(randomBytes(4));
    for (let part = 0; part < parts; part++) {
      const page = bytes.subarray(part * chunkBytes, (part + 1) * chunkBytes);
      const id = createRecordChunkId({ objectId: this.#objectId, version, token, part, parts });
      const chunk = { pages: [page], length: page.length, release: () => {} };
      const ref = refOf(id, chunk);
      this.record.push(ref);
      await this.#send(ref, chunk);
    }
  }

  #send(ref: ChunkRef, chunk: OutgoingPages): Promise<void> | undefined {
    const offer = this.#options.outbox.offer(chunk.pages, chunk.length);
    const write = this.#options.writer.store({ ref, pages: chunk.pages, sourceUrl: offer.url }, this.signal);
    this.#inFlight += 1;
    write.acknowledged
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#inFlight -= 1;
        for (const wake of this.#waiting) wake();
      });
    const settled = write.settled.then((outcome) => {
      offer.withdraw();
      chunk.release();
      this.#settled.delete(settled);
      this.#options.onChunkSettled?.(ref, outcome);
    });
    this.#settled.add(settled);
    return this.#inFlight > this.#options.chunksInFlight
      ? this.#room(this.#options.chunksInFlight)
      : undefined;
  }

  /** Resolves once every chunk is acknowledged. */
  finish(): Promise<void> {
    return this.#room(0);
  }

  /** The work's result, unless a chunk fails before. */
  async unlessFailed<Result>(work: Promise<Result>): Promise<Result> {
    const failed = Promise.withResolvers<never>();
    const onAbort = () => failed.reject(this.#failure ?? this.signal.reason);
    this.signal.addEventListener('abort', onAbort, { once: true });
    if (this.signal.aborted) onAbort();
    try {
      return await Promise.race([work, failed.promise]);
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Stops everything; resolves with what may lie on nodes when no copy is under way any more. */
  async abort(reason: unknown): Promise<ChunkRef[]> {
    this.#abort.abort(reason);
    await Promise.all(this.#settled);
    return [...this.chunks, ...this.record];
  }

  async #room(limit: number): Promise<void> {
    while (this.#inFlight > limit && this.#failure === undefined) {
      const woken = Promise.withResolvers<void>();
      this.#waiting.add(woken.resolve);
      await woken.promise;
      this.#waiting.delete(woken.resolve);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#abort.abort(error);
  }
}

type OutgoingPages = Pick<CutChunk, 'pages' | 'length' | 'release'>;

function refOf(id: string, { pages, length }: OutgoingPages): ChunkRef {
  const blocks: number[] = [];
  for (const page of pages) appendBlockChecksums(blocks, page);
  return { id, position: positionOf(id), length, checksum: chunkChecksum(blocks) };
}
