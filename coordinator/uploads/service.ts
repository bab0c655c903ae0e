import type { Readable } from 'node:stream';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { mayChange, type Principal, userIdOf } from '../auth/principal.ts';
import type { ObjectAppender, ObjectStore } from '../chunks/object-store.ts';
import { readBytes } from '../chunks/read-bytes.ts';
import type { ErrorCode } from '../errors.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { bodyTooLarge } from '../videos/parse-request.ts';
import type { Quotas } from '../videos/quotas.ts';
import type { Checksum } from './checksum.ts';
import type { UploadCompletion } from './completion.ts';
import { FLUSH_MAX_MS, TAIL_BYTES_MAX, TAIL_BYTES_MIN, TAIL_RATIO_MAX, TAILS_MAX } from './limits.ts';
import { Lull } from './lull.ts';
import type { RunningHashes } from './running-hashes.ts';
import type { UploadDescription } from './schema.ts';
import {
  isCompleted,
  isFinal,
  isJoined,
  lengthChanged,
  offsetMismatch,
  takenOver,
  throwExpired,
  tooLong,
  uploadNotFound,
} from './upload-errors.ts';
import type { HeldUpload, UploadLocks } from './upload-locks.ts';
import type { StoredUpload, UploadRepository } from './upload-repository.ts';

export interface UploadServiceOptions {
  readonly repository: UploadRepository;
  readonly locks: UploadLocks;
  readonly completion: UploadCompletion;
  readonly hashes: RunningHashes;
  readonly quotas: Pick<Quotas, 'open' | 'grow'>;
  readonly store: ObjectStore & ObjectAppender;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7, lower-case; never the same twice. */
  readonly createId: () => string;
  /** How long an object is open whose upload is not stored yet. */
  readonly leaseMs: number;
  /** Longest video, bytes. */
  readonly uploadBytesMax: number;
}

/** An upload that is to begin. */
export interface WantedUpload {
  readonly kind: 'whole' | 'partial';
  /** Undefined: it will be said later, or is what comes. */
  readonly length?: number | undefined;
  readonly description: UploadDescription;
}

/** Bytes that are to be added. */
export interface Addition {
  /** Where they begin; has to be what is received. */
  readonly offset: number;
  readonly body: Readable;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
  /** Of the body, when the request says so. */
  readonly bodyBytes?: number | undefined;
  /** Of the whole upload, when the request says so. */
  readonly length?: number | undefined;
  /** What the body has to have; otherwise nothing of it is kept. */
  readonly checksum?: Checksum | undefined;
  /** `byLength`: the upload is complete when it has its length. Otherwise when `last`, at the end of the body. */
  readonly ends: 'byLength' | 'last' | 'later';
  /** Called with what is received whenever it has grown. */
  readonly onProgress?: (received: number) => void;
}

/** Resumable uploads, whatever protocol they come by. */
export class UploadService implements AsyncDisposable {
  readonly uploadBytesMax: number;
  readonly #options: UploadServiceOptions;
  readonly #running = new Set<Promise<unknown>>();
  #tails = 0;

  constructor(options: UploadServiceOptions) {
    this.#options = options;
    this.uploadBytesMax = options.uploadBytesMax;
  }

  nowMs(): number {
    return this.#options.clock.nowMs();
  }

  /** `id` must never have been used. Rejects with `quota_exceeded`, `body_too_large`, `empty_body`. */
  async create(principal: Principal, id: string, wanted: WantedUpload): Promise<StoredUpload> {
    const { repository, quotas, createId, leaseMs } = this.#options;
    const { kind, length, description } = wanted;
    const ownerId = userIdOf(principal);
    this.#checkLength(length);
    const objectId = createId();
    // A video is counted when it is made of parts; but there has to be room for it.
    const videos = kind === 'whole' ? { videos: 1 } : { videos: 0, videosRoom: 1 };
    await quotas.open(objectId, leaseMs, { ownerId, bytes: length ?? 1, ...videos });
    const upload = await repository.insert({
      id,
      objectId,
      ownerId,
      kind,
      length: length ?? null,
      description,
    });
    return upload ?? throwExpired();
  }

  /** Rejects with `upload_not_found`, also when it is somebody else's, and `upload_gone`. */
  async find(principal: Principal, id: string): Promise<StoredUpload> {
    return this.#check(principal, id, await this.#options.repository.find(id));
  }

  /**
   * The upload when no request adds to it: whoever asks goes on from what is received. With `completes` an upload that has
   * all its bytes is complete then: its last request may have died before. Rejects like `find`, and with `upload_locked`.
   */
  async settle(
    principal: Principal,
    id: string,
    signal: AbortSignal,
    completes: boolean,
  ): Promise<StoredUpload> {
    await this.find(principal, id);
    const upload = this.#check(principal, id, await this.#options.locks.settled(id, signal));
    if (!completes || upload.kind !== 'whole' || upload.videoId !== null || !isWhole(upload)) return upload;
    return await this.#track(
      this.#withHeld(principal, id, signal, async (held) => {
        const { upload: now } = held;
        return now.videoId === null && isWhole(now) ? await this.#complete(now) : now;
      }),
    );
  }

  /**
   * Adds bytes to an upload, and completes it when that is due. Whatever ends it early, what came is kept, unless a checksum
   * says otherwise. Rejects with `upload_offset_mismatch`, `upload_completed`, `upload_final`, `upload_too_long`,
   * `upload_length_changed`, `checksum_mismatch`, `quota_exceeded`, `upload_taken_over` and like `find`.
   */
  async add(principal: Principal, id: string, addition: Addition): Promise<StoredUpload> {
    const found = await this.find(principal, id);
    if (found.kind === 'final') throw isFinal();
    return await this.#track(
      this.#withHeld(principal, id, addition.signal, async (held) => await this.#add(held, addition)),
    );
  }

  /** Forgets an upload; what is complete stays as a video. Rejects like `find`, and with `upload_locked`. */
  async remove(principal: Principal, id: string, signal: AbortSignal): Promise<void> {
    const { repository, store, hashes } = this.#options;
    const found = await this.find(principal, id);
    if (found.finalId !== null) throw isJoined();
    await this.#track(
      this.#withHeld(principal, id, signal, async ({ upload }) => {
        const chunks =
          upload.videoId === null && upload.objectId ? await repository.chunks(upload.objectId) : [];
        if (!(await repository.delete(upload))) throw takenOver('The upload was taken over.');
        hashes.forget(id);
        void store.remove(upload.objectId ?? id, chunks);
      }),
    );
  }

  /** Lets go of all uploads and waits until what had come is stored. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.locks.letGo();
    await Promise.allSettled(this.#running);
  }

  async #add(held: HeldUpload, addition: Addition): Promise<StoredUpload> {
    const { upload } = held;
    const { offset, bodyBytes, ends } = addition;
    if (upload.finalId !== null) throw isJoined();
    if (offset !== upload.received) throw offsetMismatch(upload, offset);
    if (upload.videoId !== null) {
      if (bodyBytes === 0 && ends === 'byLength') return upload;
      throw isCompleted();
    }
    const length = await this.#settleLength(upload, addition);
    if (length !== null && offset + (bodyBytes ?? 0) > length) throw tooLong(length);
    if (length === null && bodyBytes !== undefined) {
      await this.#options.quotas.grow(upload.objectId!, offset + bodyBytes);
    }
    const now =
      bodyBytes === 0 ? { ...upload, length } : await this.#append(held, { ...upload, length }, addition);
    const isLast = ends === 'byLength' ? isWhole(now) : ends === 'last';
    if (!isLast || now.kind === 'partial') return now;
    if (now.length === null) {
      this.#checkLength(now.received);
      if (!(await this.#options.repository.setLength(now, now.received)))
        throw takenOver('The upload was taken over.');
    } else if (!isWhole(now)) throw lengthChanged(now.length, now.received);
    return await this.#complete({ ...now, length: now.received });
  }

  /** The upload's length as it is known with this request. */
  async #settleLength(upload: StoredUpload, addition: Addition): Promise<number | null> {
    const { repository, quotas } = this.#options;
    const implied =
      addition.ends === 'last' && addition.bodyBytes !== undefined
        ? addition.offset + addition.bodyBytes
        : undefined;
    const length = addition.length ?? implied;
    if (implied !== undefined && length !== implied) throw lengthChanged(length!, implied);
    if (length === undefined || length === upload.length) return upload.length;
    if (upload.length !== null) throw lengthChanged(upload.length, length);
    if (length < upload.received) throw lengthChanged(upload.received, length);
    this.#checkLength(length);
    await quotas.grow(upload.objectId!, length);
    if (!(await repository.setLength(upload, length))) throw takenOver('The upload was taken over.');
    return length;
  }

  async #append(held: HeldUpload, upload: StoredUpload, addition: Addition): Promise<StoredUpload> {
    const { repository, hashes, quotas, store } = this.#options;
    const { id, length } = upload;
    const objectId = upload.objectId!;
    const { checksum, onProgress } = addition;
    const tail = await this.#tailToJoin(upload, addition, held.signal);
    const firstIndex = upload.chunkCount - (tail === undefined ? 0 : 1);
    // Of parts nobody asks for it.
    const running = upload.kind === 'whole' ? hashes.take(id, upload.received) : undefined;
    // What has a checksum may have to be taken back.
    const before = checksum && running?.copy();
    let now = upload;
    let nextIndex = firstIndex;
    let tailBytes = tail?.bytes.length ?? 0;
    using lull = new Lull(this.#options.clock, held.signal, addition.body);
    const persist = async (chunks: readonly ChunkRef[]) => {
      const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0) - tailBytes;
      const wanted = { chunks, firstIndex: nextIndex, received: now.received, bytes };
      if (!(await repository.addChunks(upload, wanted)))
        throw takenOver('The upload was taken over, or has expired.');
      tailBytes = 0;
      nextIndex += chunks.length;
      now = { ...now, received: now.received + bytes, chunkCount: nextIndex };
      onProgress?.(now.received);
    };
    const known = length ?? this.uploadBytesMax;
    try {
      const { interrupted } = await store.append(objectId, addition.body, {
        firstIndex,
        prefix: tail?.bytes,
        hash: {
          update: (bytes) => {
            lull.noteBytes();
            running?.update(bytes);
            checksum?.update(bytes);
          },
        },
        limitBytes: known - upload.received,
        signal: AbortSignal.any([addition.signal, lull.signal]),
        flushMaxMs: FLUSH_MAX_MS,
        ...(length === null && {
          admit: (sizeBytes: number) => quotas.grow(objectId, upload.received + sizeBytes),
        }),
        persist,
        verify: checksum && (() => checksum.verify()),
      });
      if (running !== undefined) hashes.keep(id, now.received, running);
      if (interrupted !== undefined) throw interrupted;
    } catch (error) {
      if (before !== undefined && now === upload) hashes.keep(id, upload.received, before);
      // Nobody knows which of the bytes the client means.
      if (isAppError(error) && error.code === 'body_too_large') await this.#void(upload, length);
      throw error;
    } finally {
      if (tail !== undefined && nextIndex > firstIndex) void store.remove(objectId, [tail.ref]);
    }
    return now;
  }

  /** A last chunk that is to become one with what comes. */
  async #tailToJoin(
    upload: StoredUpload,
    { bodyBytes }: Addition,
    signal: AbortSignal,
  ): Promise<{ readonly ref: ChunkRef; readonly bytes: Buffer } | undefined> {
    const { repository, store } = this.#options;
    if (upload.chunkCount === 0 || this.#tails >= TAILS_MAX) return undefined;
    const ref = await repository.lastChunk(upload.objectId!);
    const worth = Math.max(TAIL_BYTES_MIN, (bodyBytes ?? TAIL_BYTES_MAX) * TAIL_RATIO_MAX);
    if (ref === undefined || ref.length >= Math.min(TAIL_BYTES_MAX, worth)) return undefined;
    this.#tails += 1;
    try {
      const manifest = { objectId: upload.objectId!, size: ref.length, chunks: [ref] };
      return { ref, bytes: await readBytes(store, manifest, { first: 0, last: ref.length - 1 }, signal) };
    } catch (error) {
      // A new chunk does as well.
      this.#options.logger.warn(
        { err: error, uploadId: upload.id },
        'the end of an upload could not be read back',
      );
      return undefined;
    } finally {
      this.#tails -= 1;
    }
  }

  async #complete(upload: StoredUpload): Promise<StoredUpload> {
    const { hashes, completion } = this.#options;
    const hash = hashes.take(upload.id, upload.received);
    try {
      return await completion.complete(upload, hash?.copy().digest() ?? null);
    } catch (error) {
      if (hash !== undefined) hashes.keep(upload.id, upload.received, hash);
      throw error;
    }
  }

  /** More came than was announced: whatever the client means, it is not what is here. */
  async #void(upload: StoredUpload, length: number | null): Promise<never> {
    const { repository, store } = this.#options;
    const chunks = await repository.chunks(upload.objectId!);
    await repository.delete(upload);
    void store.remove(upload.objectId!, chunks);
    throw length === null ? bodyTooLarge(this.uploadBytesMax) : tooLong(length);
  }

  async #withHeld<Result>(
    principal: Principal,
    id: string,
    signal: AbortSignal,
    work: (held: HeldUpload) => Promise<Result>,
  ): Promise<Result> {
    const held = await this.#options.locks.acquire(id, signal);
    try {
      this.#check(principal, id, held?.upload ?? null);
      return await work(held!);
    } finally {
      await held?.release();
    }
  }

  #check(principal: Principal, id: string, upload: StoredUpload | null): StoredUpload {
    const isTheirs =
      upload !== null && mayChange(principal, { ownerId: upload.ownerId, visibility: 'private' });
    if (!isTheirs) throw uploadNotFound(id);
    return upload.isExpired ? throwExpired() : upload;
  }

  #checkLength(length: number | undefined): void {
    if (length === 0) {
      throw new AppError<ErrorCode>('empty_body', 'The upload has no bytes; a video has at least one.');
    }
    if (length !== undefined && length > this.uploadBytesMax) throw bodyTooLarge(this.uploadBytesMax);
  }

  #track<Result>(work: Promise<Result>): Promise<Result> {
    this.#running.add(work);
    return work.finally(() => this.#running.delete(work));
  }
}

function isWhole({ length, received }: StoredUpload): boolean {
  return length !== null && received === length;
}
