import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { AppError } from '../../../lib/errors/app-error.ts';
import type {
  ObjectReading,
  ObjectStore,
  RecordContent,
  WriteOptions,
  WrittenObject,
} from '../../chunks/object-store.ts';
import type { ChunkRef, Manifest } from '../../objects/manifest.ts';
import type { StoredObject } from '../../objects/object-repository.ts';
import type { VideoObjects } from '../service.ts';

const CHUNK_BYTES = 64 * 1024;

/** Chunks in memory, with switches for what can go wrong in a cluster. */
export class MemoryObjectStore implements ObjectStore {
  readonly chunks = new Map<string, Buffer>();
  /** Thrown by the next `read`. */
  readFailure: Error | undefined;
  /** Thrown by the next `sendTo` once so many bytes were sent. */
  sendFailure: { readonly afterBytes: number; readonly error: Error } | undefined;
  /** Called when a write has begun to wait for bytes. */
  onWrite: () => void = () => {};
  /** Called when all bytes are stored, before `write` resolves. */
  onWritten: () => Promise<void> = async () => {};
  /** Called with the number of the read before anything is read. */
  onRead: (count: number) => void | Promise<void> = () => {};
  /** Called before chunks are removed. */
  onRemove: () => Promise<void> = async () => {};
  /** Thrown by the next `writeRecord`, or by the next `write` when it comes to the record. */
  recordFailure: Error | undefined;
  /** Called before a record is stored. */
  onRecord: () => Promise<void> = async () => {};
  onRemoveEverywhere: () => Promise<void> = async () => {};
  reads = 0;
  openReadings = 0;
  #records = 0;

  async write(objectId: string, source: Readable, options: WriteOptions): Promise<WrittenObject> {
    const bytes = await collect(source, options, this.onWrite);
    await options.admit?.(bytes.length);
    const chunks: ChunkRef[] = [];
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      const piece = bytes.subarray(start, start + CHUNK_BYTES);
      const id = `${objectId}-${chunks.length}`;
      this.chunks.set(id, piece);
      chunks.push({ id, position: 0, length: piece.length, checksum: 0 });
    }
    await this.onWritten();
    const sha256 = createHash('sha256').update(bytes).digest();
    const content = { size: bytes.length, sha256, chunks, head: bytes.subarray(0, 4096) };
    try {
      return { ...content, record: await this.writeRecord(objectId, await options.describe(content)) };
    } catch (error) {
      await this.remove(objectId, chunks);
      throw error;
    }
  }

  async writeRecord(objectId: string, { version, bytes }: RecordContent): Promise<ChunkRef[]> {
    const failure = this.recordFailure;
    this.recordFailure = undefined;
    if (failure) throw failure;
    await this.onRecord();
    this.#records += 1;
    const id = `${objectId}-r${version}-${this.#records}`;
    this.chunks.set(id, bytes);
    return [{ id, position: 0, length: bytes.length, checksum: 0 }];
  }

  /** Ids of the stored chunks that are records. */
  get recordIds(): string[] {
    return [...this.chunks.keys()].filter((id) => id.includes('-r'));
  }

  async read(manifest: Manifest, first: number, last: number): Promise<ObjectReading> {
    this.reads += 1;
    const failure = this.readFailure;
    this.readFailure = undefined;
    if (failure) throw failure;
    await this.onRead(this.reads);
    const pieces: Buffer[] = [];
    let start = 0;
    for (const { id, length } of manifest.chunks) {
      const [from, to] = [Math.max(first - start, 0), Math.min(last + 1 - start, length)];
      if (from < to) pieces.push(this.#chunk(id).subarray(from, to));
      start += length;
    }
    this.openReadings += 1;
    let open = true;
    const cancel = () => {
      if (open) this.openReadings -= 1;
      open = false;
    };
    return {
      cancel,
      sendTo: async (sink, signal) => {
        try {
          await this.#send(pieces, sink, signal);
        } finally {
          cancel();
        }
      },
    };
  }

  async remove(_objectId: string, chunks: readonly ChunkRef[]): Promise<void> {
    await this.onRemove();
    for (const { id } of chunks) this.chunks.delete(id);
  }

  async removeEverywhere(_objectId: string, chunks: readonly ChunkRef[]): Promise<void> {
    await this.onRemoveEverywhere();
    for (const { id } of chunks) this.chunks.delete(id);
  }

  #chunk(id: string): Buffer {
    const bytes = this.chunks.get(id);
    if (bytes) return bytes;
    throw new AppError('chunk_unavailable', 'No node has it.', { retryable: true });
  }

  async #send(pieces: readonly Buffer[], sink: Writable, signal: AbortSignal): Promise<void> {
    const failure = this.sendFailure;
    this.sendFailure = undefined;
    let room = failure ? failure.afterBytes : Number.POSITIVE_INFINITY;
    for (const piece of pieces) {
      signal.throwIfAborted();
      await writeTo(sink, piece.subarray(0, room), signal);
      room -= piece.length;
      if (failure && room <= 0) throw failure.error;
    }
  }
}

/** Objects in memory. Transactions are not isolated; a failing one must not have called anything before. */
export class MemoryObjectRepository implements VideoObjects {
  readonly opened = new Set<string>();
  readonly manifests = new Map<string, Manifest>();
  readonly records = new Map<string, readonly ChunkRef[]>();
  readonly recordWrites = new Set<string>();
  /** Thrown by the next `commit`, before or after its effect. */
  commitFailure: { readonly error: Error; readonly when: 'before' | 'after' } | undefined;
  manifestLoads = 0;

  async open(objectId: string): Promise<void> {
    this.opened.add(objectId);
  }

  async renew(objectIds: readonly string[]): Promise<string[]> {
    return objectIds.filter((id) => !this.opened.has(id));
  }

  /** Commits the object and stores what it is for. */
  commit(objectId: string, stored: StoredObject, storeOwner: () => void): void {
    const failure = this.commitFailure;
    this.commitFailure = undefined;
    if (failure?.when === 'before') throw failure.error;
    if (!this.opened.delete(objectId)) throw new AppError('upload_expired', 'The upload has expired.');
    this.manifests.set(objectId, { objectId, size: stored.size, chunks: stored.chunks });
    this.records.set(objectId, stored.record);
    storeOwner();
    if (failure?.when === 'after') throw failure.error;
  }

  async abandon(objectId: string): Promise<void> {
    this.opened.delete(objectId);
  }

  async manifest(objectId: string): Promise<Manifest | null> {
    this.manifestLoads += 1;
    return this.manifests.get(objectId) ?? null;
  }

  async delete(_transaction: unknown, objectId: string): Promise<ChunkRef[]> {
    this.manifests.delete(objectId);
    const record = await this.record(objectId);
    this.records.delete(objectId);
    return record;
  }

  async empty(
    _transaction: unknown,
    objectId: string,
  ): Promise<{ readonly chunks: ChunkRef[]; readonly record: ChunkRef[] }> {
    const chunks = [...(this.manifests.get(objectId)?.chunks ?? [])];
    const record = await this.record(objectId);
    this.manifests.set(objectId, { objectId, size: 0, chunks: [] });
    this.records.delete(objectId);
    return { chunks, record };
  }

  async record(objectId: string): Promise<ChunkRef[]> {
    return [...(this.records.get(objectId) ?? [])];
  }

  async openRecord(objectId: string, writeId: string): Promise<boolean> {
    if (!this.manifests.has(objectId)) return false;
    this.recordWrites.add(writeId);
    return true;
  }

  async replaceRecord(
    _transaction: unknown,
    objectId: string,
    writeId: string,
    record: readonly ChunkRef[],
  ): Promise<ChunkRef[]> {
    if (!this.recordWrites.delete(writeId)) throw new AppError('upload_expired', 'The change has expired.');
    const before = await this.record(objectId);
    this.records.set(objectId, record);
    return before;
  }

  async abandonRecord(writeId: string): Promise<void> {
    this.recordWrites.delete(writeId);
  }
}

function collect(source: Readable, options: WriteOptions, onWrite: () => void): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    source.on('data', (piece: Buffer) => {
      size += piece.length;
      pieces.push(piece);
      if (size > options.limitBytes) reject(new AppError('body_too_large', 'The body is too long.'));
    });
    source.once('end', () => resolve(Buffer.concat(pieces)));
    source.on('error', (error) => reject(error));
    source.once('close', () => reject(new AppError('incomplete_body', 'The body ended early.')));
    options.signal.addEventListener('abort', () => reject(options.signal.reason), { once: true });
    if (options.signal.aborted) reject(options.signal.reason);
    onWrite();
  });
}

function writeTo(sink: Writable, piece: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    sink.write(piece, (error) => {
      signal.removeEventListener('abort', onAbort);
      if (error) reject(error);
      else resolve();
    });
  });
}
