import { appendBlockChecksums, chunkChecksum } from '../../lib/bytes/checksum.ts';
import { positionOf } from '../../lib/hashring/index.ts';
import { createChunkId, createRecordChunkId, createRecordToken } from '../objects/chunk-id.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { CutChunk } from './chunk-cutter.ts';
import type { ChunkOutbox } from './chunk-outbox.ts';
import type { ChunkWriter, WriteOutcome } from './chunk-writer.ts';
import type { DurablePrefix } from './durable-prefix.ts';
import type { RecordContent } from './object-store.ts';

export interface ObjectUploadParts {
  readonly outbox: ChunkOutbox;
  readonly writer: ChunkWriter;
  /** Full length of a chunk, bytes. */
  readonly chunkBytes: number;
  /** Chunks that may wait for their quorum while the next one fills. */
  readonly chunksInFlight: number;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly onChunkSettled?: (ref: ChunkRef, outcome: WriteOutcome) => void;
}

export interface ObjectUploadOptions {
  readonly objectId: string;
  readonly signal: AbortSignal;
  /** Place of the first chunk in the object; default 0. */
  readonly firstIndex?: number;
  /** See `WriteOptions`. */
  readonly admit?: ((sizeBytes: number) => Promise<void>) | undefined;
  /** Is told of every chunk. */
  readonly durable?: DurablePrefix;
}

/** Chunks of one object on their way to the nodes. */
export class ObjectUpload {
  readonly #parts: ObjectUploadParts;
  readonly #options: ObjectUploadOptions;
  readonly #abort = new AbortController();
  #size = 0;
  readonly chunks: ChunkRef[] = [];
  readonly record: ChunkRef[] = [];
  readonly #settled = new Set<Promise<unknown>>();
  #inFlight = 0;
  /** Woken at every acknowledgement; each looks for itself whether its turn has come. */
  readonly #waiting = new Set<() => void>();
  #failure: unknown;

  constructor(parts: ObjectUploadParts, options: ObjectUploadOptions) {
    this.#parts = parts;
    this.#options = options;
    const { signal } = options;
    if (signal.aborted) this.#abort.abort(signal.reason);
    else signal.addEventListener('abort', () => this.#abort.abort(signal.reason), { once: true });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Sends a chunk; the promise, if any, resolves when the next one may follow. */
  add(chunk: CutChunk): Promise<void> | undefined {
    const { objectId, firstIndex = 0, admit } = this.#options;
    const id = createChunkId(objectId, firstIndex + this.chunks.length, this.#parts.randomBytes(4));
    const ref = refOf(id, chunk);
    this.chunks.push(ref);
    this.#size += chunk.length;
    const admitted = admit?.(this.#size);
    const room = this.#send(ref, chunk, admitted);
    if (admitted === undefined) return room;
    return Promise.all([admitted, room]).then(() => {});
  }

  /** Sends the record, in as many chunks as it takes; resolves when all of it is on its way. */
  async addRecord({ version, bytes }: RecordContent): Promise<void> {
    const { chunkBytes, randomBytes } = this.#parts;
    const { objectId } = this.#options;
    const parts = Math.ceil(bytes.length / chunkBytes);
    const token = createRecordToken(randomBytes(4));
    for (let part = 0; part < parts; part++) {
      const page = bytes.subarray(part * chunkBytes, (part + 1) * chunkBytes);
      const id = createRecordChunkId({ objectId, version, token, part, parts });
      const chunk = { pages: [page], length: page.length, release: () => {} };
      const ref = refOf(id, chunk);
      this.record.push(ref);
      await this.#send(ref, chunk);
    }
  }

  #send(ref: ChunkRef, chunk: OutgoingPages, admitted?: Promise<void>): Promise<void> | undefined {
    const { outbox, writer, chunksInFlight, onChunkSettled } = this.#parts;
    const offer = outbox.offer(chunk.pages, chunk.length);
    const write = writer.store({ ref, pages: chunk.pages, sourceUrl: offer.url }, this.signal);
    const { durable } = this.#options;
    durable?.add(ref, admitted ? Promise.all([write.acknowledged, admitted]) : write.acknowledged);
    this.#inFlight += 1;
    write.acknowledged
      .catch((error) => this.fail(error))
      .finally(() => {
        this.#inFlight -= 1;
        for (const wake of this.#waiting) wake();
      });
    const settled = write.settled.then((outcome) => {
      offer.withdraw();
      chunk.release();
      this.#settled.delete(settled);
      onChunkSettled?.(ref, outcome);
    });
    this.#settled.add(settled);
    return this.#inFlight > chunksInFlight ? this.#room(chunksInFlight) : undefined;
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

  /** Gives up what is not acknowledged; whatever waits for it rejects with the error. */
  fail(error: unknown): void {
    this.#failure ??= error;
    this.#abort.abort(error);
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
}

type OutgoingPages = Pick<CutChunk, 'pages' | 'length' | 'release'>;

function refOf(id: string, { pages, length }: OutgoingPages): ChunkRef {
  const blocks: number[] = [];
  for (const page of pages) appendBlockChecksums(blocks, page);
  return { id, position: positionOf(id), length, checksum: chunkChecksum(blocks) };
}
