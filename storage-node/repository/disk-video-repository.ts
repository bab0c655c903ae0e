import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, assert } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { formatPosition } from '../../lib/node-api/targets.ts';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { CorruptChunkError } from './block-verifier.ts';
import { SpaceReservation, storedBytes, storedBytesOfDamaged } from './capacity.ts';
import { ChunkExaminer } from './chunk-examiner.ts';
import type { Marker } from './chunk-files.ts';
import type { ChunkIndex, IndexSnapshot } from './chunk-index.ts';
import { chunkName, parseCursor } from './chunk-name.ts';
import type { Admission } from './chunk-reader.ts';
import { assertSame, sumChunk } from './chunk-summing.ts';
import { type DiskParts, openDiskParts } from './disk-parts.ts';
import { type ScrubTarget, scrubDisk } from './disk-scrub.ts';
import { errnoOf, type FileSystem } from './file-system.ts';
import type { IndexEntry, IndexRecord } from './index-entry.ts';
import { KeyedLock } from './keyed-lock.ts';
import { assertDigest, RangeDigester } from './range-digester.ts';
import type { RepairReport } from './start-up-repair.ts';
import type {
  ChunkEntry,
  ChunkReading,
  ListPage,
  NewChunk,
  PieceSink,
  PutResult,
  QuarantinePage,
  RangeDigestResult,
  RepositoryStats,
  ScrubStep,
  VerifyResult,
  VideoRepository,
} from './video-repository.ts';

export interface DiskRepositoryOptions {
  /** Exists, and nobody else uses it. */
  readonly directory: string;
  /** Undefined: what the disk has free and what is stored here, less a reserve. */
  readonly capacityBytes: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fileSystem?: FileSystem;
  /**
   * Called once, before anything is given up that may have been a stored chunk: damage of the index, an entry without
   * its file. What it does must be on the disk when it resolves, since the next start may find nothing wrong.
   */
  readonly onLoss?: () => Promise<void>;
}

/**
 * Up to so many LevelDB has all its tables open, and their filters at hand, where entries have a KiB at most on average, as
 * with videos and their records. With many larger chunks inside of the index it opens tables for some looks.
 */
const CHUNKS_LOOKED_UP_AT_ONCE_MAX = 50_000;
const DAMAGED_ENTRY = 'the index entry is damaged';

/** A VideoRepository in a directory: an index in LevelDB and one file a chunk. The README has the format. */
export class DiskVideoRepository implements VideoRepository {
  readonly #parts: DiskParts;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #locks = new KeyedLock();
  readonly #settling = new Set<Promise<void>>();
  readonly #examiner: ChunkExaminer;
  #chunkCount: number;
  #lostCount: number;

  private constructor(parts: DiskParts, options: DiskRepositoryOptions) {
    this.#parts = parts;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#chunkCount = parts.repaired.chunkCount;
    this.#lostCount = parts.repaired.lost;
    this.#examiner = new ChunkExaminer({
      ...parts,
      logger: options.logger,
      exclusively: (name, action) => this.#exclusively(name, action),
      setAside: (name, record, reason) => this.#setAsideNow(name, record, reason),
      setAsideIfSame: (entry, reason) => this.#setAside(entry, entry, reason),
      putEntry: (name, entry) => this.#changeIndex((index) => index.put(name, entry)),
    });
  }

  /** Opens the directory and repairs what a crash or damage left. */
  static async open(options: DiskRepositoryOptions): Promise<DiskVideoRepository> {
    return new DiskVideoRepository(await openDiskParts(options), options);
  }

  /** What start-up found and repaired. */
  get repaired(): RepairReport {
    return this.#parts.repaired;
  }

  /** The id that `setDataId` kept with the index; undefined in a new one. */
  get dataId(): string | undefined {
    return this.#parts.dataId;
  }

  async setDataId(dataId: string): Promise<void> {
    await this.#changeIndex((index) => index.writeDataId(dataId));
  }

  get indexReads(): number {
    return this.#parts.index.reads;
  }

  /** Synced writes of the index so far; each carried one or more changes. */
  get indexCommits(): number {
    return this.#parts.index.commits;
  }

  async reserve(lengthBytes: number): Promise<SpaceReservation> {
    const { health, space, capacity } = this.#parts;
    health.assertWritable();
    const reservation = capacity.reserve(storedBytes(lengthBytes));
    try {
      await space.assertRoomFor(storedBytes(lengthBytes));
    } catch (error) {
      reservation.release();
      throw health.translate(error);
    }
    return reservation;
  }

  put(chunk: NewChunk): Promise<PutResult> {
    const name = chunkName(chunk.position, chunk.id);
    return this.#exclusively(name, async () => {
      const { checksum, blocks } = sumChunk(chunk);
      const { position, id, bytes } = chunk;
      const { length } = bytes;
      const present = await this.#lookUpNew(name, position, id);
      if (present?.entry) {
        assertSame(present.entry, { length, checksum });
        return 'exists';
      }
      if (present && !present.unreadable) await this.#setAsideNow(name, present, DAMAGED_ENTRY);
      const reservation = chunk.reservation ?? (await this.reserve(length));
      assert(reservation instanceof SpaceReservation, 'reservations come from reserve()');
      try {
        const inline = length <= INLINE_BYTES_MAX ? Buffer.from(bytes) : undefined;
        const createdAt = this.#clock.nowMs();
        await this.#store(name, { position, id, length, checksum, createdAt, blocks, inline }, bytes);
        reservation.use(storedBytes(length));
      } finally {
        if (!chunk.reservation) reservation.release();
      }
      this.#chunkCount++;
      this.#parts.health.wrote();
      await this.#forgetSetAside(position, id);
      return 'created';
    });
  }

  /** The good copy is on the disk; a bad one that cannot be removed now is no reason to say otherwise. */
  async #forgetSetAside(position: number, id: string): Promise<void> {
    try {
      await this.#parts.quarantine.remove(position, id);
    } catch (error) {
      this.#logger.warn({ err: error }, 'a quarantined copy could not be removed');
    }
  }

  /** Write order: the file (bytes, then name), then the index. */
  async #store(name: string, entry: IndexEntry, bytes: Buffer): Promise<void> {
    const { files, openFiles, health } = this.#parts;
    health.assertWritable();
    if (entry.inline) {
      await this.#changeIndex((index) => index.put(name, entry));
      return;
    }
    const marker = await files.write(entry, bytes);
    openFiles.forget(name);
    await this.#changeIndex((index) => index.put(name, entry));
    this.#settle(marker);
  }

  async stat(
    position: number,
    id: string,
    { isUnlikely = false }: { readonly isUnlikely?: boolean } = {},
  ): Promise<ChunkEntry | undefined> {
    const name = chunkName(position, id);
    if (isUnlikely && !(await this.#lookUpNew(name, position, id))) return undefined;
    const entry = await this.#entryOf(name, position, id);
    return entry && summaryOf(entry);
  }

  async open(position: number, id: string): Promise<ChunkReading | undefined> {
    const name = chunkName(position, id);
    const entry = await this.#entryOf(name, position, id);
    return entry && { entry, send: (first, last, sink) => this.#send(name, entry, first, last, sink) };
  }

  async #send(name: string, entry: IndexEntry, first: number, last: number, sink: PieceSink): Promise<void> {
    assert(0 <= first && first <= last && last < entry.length, 'a range lies within its chunk');
    try {
      await this.#parts.reader.send(name, entry, first, last, sink);
    } catch (error) {
      if (!(error instanceof CorruptChunkError)) throw error;
      if (await this.#setAside(entry, entry, error.message)) {
        throw new AppError('chunk_corrupt', 'The stored bytes are damaged; the chunk was set aside.');
      }
      throw new AppError('chunk_not_found', 'The chunk was deleted.');
    }
  }

  delete(position: number, id: string): Promise<boolean> {
    return this.#deleteIf(position, id, () => true);
  }

  #deleteIf(position: number, id: string, wanted: (record: IndexRecord) => boolean): Promise<boolean> {
    const name = chunkName(position, id);
    return this.#exclusively(name, async () => {
      const record = await this.#lookUp(name, position, id);
      if (!record || !wanted(record)) return false;
      await this.#remove(name, record);
      return true;
    });
  }

  /** Order: marker, index, file. The file outlives its entry only for as long as it is marked. */
  async #remove(name: string, record: IndexRecord): Promise<void> {
    const { position, id, entry } = record;
    const { files, openFiles, health } = this.#parts;
    health.assertWritable();
    const fileSizeBytes = entry ? undefined : await files.sizeOf(position, id);
    const marker = entry?.inline ? undefined : await this.#mark(position, id);
    await this.#changeIndex((index) => index.delete(name, position, id));
    await files.remove(position, id);
    openFiles.forget(name);
    if (marker) this.#settle(marker);
    this.#forget(record, fileSizeBytes);
  }

  /** Without a file or without room for a marker the delete goes on all the same. */
  async #mark(position: number, id: string): Promise<Marker | undefined> {
    try {
      return await this.#parts.files.mark(position, id);
    } catch (error) {
      if (['ENOENT', 'ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  async list(
    first: number,
    last: number,
    options: { after?: string | undefined; limit: number },
  ): Promise<ListPage> {
    const after = options.after === undefined ? undefined : parseCursor(options.after);
    const entries: ChunkEntry[] = [];
    for await (const records of this.#parts.index.scan(first, last, { after })) {
      for (const { entry } of records) {
        if (!entry) continue;
        if (entries.length === options.limit) {
          const end = entries[entries.length - 1]!;
          return { entries, next: chunkName(end.position, end.id) };
        }
        entries.push(summaryOf(entry));
      }
    }
    return { entries, next: null };
  }

  async digest(first: number, last: number): Promise<RangeDigestResult> {
    return this.#digestAt(undefined, first, last);
  }

  async #digestAt(
    snapshot: IndexSnapshot | undefined,
    first: number,
    last: number,
  ): Promise<RangeDigestResult> {
    const digester = new RangeDigester();
    for await (const records of this.#parts.index.scan(first, last, { snapshot })) {
      for (const { entry } of records) if (entry) digester.add(entry);
    }
    return digester.result();
  }

  async drop(
    first: number,
    last: number,
    { digest }: { digest?: string | undefined } = {},
  ): Promise<{ deleted: number; bytes: number }> {
    // Two passes over one snapshot, so that what is deleted is what was digested, in the memory of a batch.
    await using snapshot = this.#parts.index.snapshot();
    if (digest !== undefined) assertDigest(await this.#digestAt(snapshot, first, last), digest);
    let deleted = 0;
    let bytes = 0;
    for await (const records of this.#parts.index.scan(first, last, { snapshot })) {
      // A damaged entry is no part of a digest. It stays for the scrub, which may find its file sound.
      const dropped = digest === undefined ? records : records.filter(({ entry }) => entry !== undefined);
      // Together, so that their index changes share synced writes.
      await Promise.all(
        dropped.map(async ({ position, id, entry }) => {
          if (!(await this.#deleteIf(position, id, (record) => isSameEntry(record.entry, entry)))) return;
          deleted++;
          bytes += entry?.length ?? 0;
        }),
      );
    }
    return { deleted, bytes };
  }

  async quarantine(position: number, id: string, reason: string): Promise<boolean> {
    return this.#setAside({ position, id }, undefined, reason);
  }

  async verify(position: number, id: string): Promise<VerifyResult> {
    const name = chunkName(position, id);
    // What is on the disk counts, not what memory knows.
    this.#parts.index.forget(name);
    const record = await this.#lookUp(name, position, id);
    const { finding } = await this.#examiner.examine({ position, id, record }, async () => {});
    if (finding === 'absent' || finding === 'quarantined') return finding;
    return 'ok';
  }

  scrub({ after, admit }: { after: string | undefined; admit: Admission }): AsyncGenerator<ScrubStep> {
    const { index, files } = this.#parts;
    const examine = (target: ScrubTarget) => this.#examiner.examineForScrub(target, admit);
    return scrubDisk({ index, files, logger: this.#logger, examine }, after);
  }

  async listQuarantine(options: { after?: string | undefined; limit: number }): Promise<QuarantinePage> {
    if (options.after !== undefined) parseCursor(options.after);
    return this.#parts.quarantine.list(options);
  }

  removeQuarantined(position: number, id: string): Promise<boolean> {
    return this.#exclusively(chunkName(position, id), () => this.#parts.quarantine.remove(position, id));
  }

  stats(): RepositoryStats {
    const { capacity, quarantine, health } = this.#parts;
    return {
      capacityBytes: capacity.limitBytes,
      usedBytes: capacity.usedBytes,
      chunkCount: this.#chunkCount,
      quarantinedCount: quarantine.count,
      lastQuarantinedAt: quarantine.lastAt,
      lostCount: this.#lostCount,
      disk: health.state,
    };
  }

  /** Waits for what is running; the directory may be opened again afterwards. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#locks.idle();
    await Promise.all(this.#settling);
    await this.#parts.close();
  }

  /** The chunk's entry; a damaged one is made again from the file, or set aside and counts as absent. */
  async #entryOf(name: string, position: number, id: string): Promise<IndexEntry | undefined> {
    const record = await this.#lookUp(name, position, id);
    if (!record || record.entry) return record?.entry;
    await this.#examiner.examine({ position, id, record }, async () => {});
    return (await this.#lookUp(name, position, id))?.entry;
  }

  /** Sets the chunk aside, provided that it is still the one that `expected` describes. */
  #setAside(
    chunk: { readonly position: number; readonly id: string },
    expected: ChunkEntry | undefined,
    reason: string,
  ): Promise<boolean> {
    const { position, id } = chunk;
    const name = chunkName(position, id);
    return this.#exclusively(name, async () => {
      const record = await this.#lookUp(name, position, id);
      if (!record || (record.unreadable && expected)) return false;
      const { entry } = record;
      if (expected && !isSameEntry(entry, expected)) return false;
      await this.#setAsideNow(name, record, reason);
      return true;
    });
  }

  /** The chunk's lock is held. */
  async #setAsideNow(name: string, record: IndexRecord, reason: string): Promise<void> {
    const { position, id, entry } = record;
    const { quarantine, files, openFiles } = this.#parts;
    const fileSizeBytes = await files.sizeOf(position, id);
    await quarantine.add(record, files, reason);
    openFiles.forget(name);
    await this.#changeIndex((index) => index.delete(name, position, id));
    if (!entry?.inline && fileSizeBytes === undefined) this.#lostCount++;
    this.#forget(record, fileSizeBytes);
    this.#logger.error(
      { event: 'chunk_quarantined', position: formatPosition(position), id, reason },
      'a chunk failed verification and was set aside',
    );
  }

  /** Takes a chunk that is gone out of the books, as far as it is known to have stood in them. */
  #forget({ entry, unreadable, bodyBytes = 0 }: IndexRecord, fileSizeBytes: number | undefined): void {
    if (unreadable && fileSizeBytes === undefined) return;
    const { capacity } = this.#parts;
    capacity.remove(entry ? storedBytes(entry.length) : storedBytesOfDamaged(fileSizeBytes, bodyBytes));
    this.#chunkCount--;
  }

  /** Runs a change of one chunk when earlier ones of that chunk have ended. */
  #exclusively<Result>(name: string, action: () => Promise<Result>): Promise<Result> {
    return this.#locks.run(name, async () => {
      try {
        return await action();
      } catch (error) {
        throw this.#parts.health.translate(error);
      }
    });
  }

  /** Like `#lookUp`, for chunks of which there is most likely none. In a large index threads look for them. */
  async #lookUpNew(name: string, position: number, id: string): Promise<IndexRecord | undefined> {
    if (this.#chunkCount > CHUNKS_LOOKED_UP_AT_ONCE_MAX) return this.#lookUp(name, position, id);
    try {
      return this.#parts.index.getNow(name, position, id);
    } catch (error) {
      throw this.#parts.health.fail(error);
    }
  }

  async #lookUp(name: string, position: number, id: string): Promise<IndexRecord | undefined> {
    try {
      return await this.#parts.index.get(name, position, id);
    } catch (error) {
      throw this.#parts.health.fail(error);
    }
  }

  /** A write that LevelDB refused leaves it in a state that only opening it again clears up. */
  async #changeIndex(change: (index: ChunkIndex) => Promise<void>): Promise<void> {
    try {
      await change(this.#parts.index);
    } catch (error) {
      throw this.#parts.health.fail(error);
    }
  }

  #settle(marker: Marker): void {
    const settling = this.#parts.files
      .settle(marker)
      .catch((error) => this.#logger.warn({ err: error }, 'a marker could not be removed'))
      .finally(() => this.#settling.delete(settling));
    this.#settling.add(settling);
  }
}

/** Whether both are damaged, or both describe the same storing of the same chunk. */
function isSameEntry(a: ChunkEntry | undefined, b: ChunkEntry | undefined): boolean {
  return a?.createdAt === b?.createdAt && a?.checksum === b?.checksum && a?.length === b?.length;
}

/** The entry without what only this repository needs of it. */
function summaryOf({ position, id, length, checksum, createdAt }: IndexEntry): ChunkEntry {
  return { position, id, length, checksum, createdAt };
}
