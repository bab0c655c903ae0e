import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { BufferPool } from '../../lib/bytes/buffer-pool.ts';
import { formatPosition } from '../../lib/node-api/targets.ts';
import { chunkName } from './chunk-name.ts';
import { chunkFileBytes, decodeTrailer, encodeTrailer, SECTOR_BYTES } from './chunk-trailer.ts';
import { errnoOf, type FileSystem, unlinkIfPresent } from './file-system.ts';
import { GroupCommit } from './group-commit.ts';
import type { IndexEntry } from './index-entry.ts';

/** Errnos that say that the file system or this memory does not do direct I/O. */
const NOT_DIRECT = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);
const FAN_OUT = 256;
/** Files written at the same time; each needs a tail buffer of two sectors. */
const WRITES_MAX = 4;
const TAIL_POOL_BYTES = 64 * 1024;

/** A file in `tmp/` that is, or is about to be, a second name of a chunk file. See ChunkFiles. */
export interface Marker {
  readonly path: string;
}

/**
 * The chunk files of a data directory: `chunks/<first byte of the position>/<chunk name>`.
 *
 * While the index and the files disagree about a chunk, because it is being stored or deleted, its file has a
 * second name in `tmp/`, the marker. After a crash the index decides about a marked file: without an entry it is
 * removed. A file without a marker and without an entry, on the other hand, was stored: its entry was lost with
 * the index and is made again from the trailer.
 */
export class ChunkFiles implements AsyncDisposable {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #tails = new BufferPool({ bufferBytes: TAIL_POOL_BYTES, capacity: WRITES_MAX });
  readonly #directorySyncs = new Map<string, { descriptor: Promise<number>; syncs: GroupCommit<void> }>();
  #direct: boolean;
  #markerCount = 0;

  private constructor(directory: string, fileSystem: FileSystem) {
    this.#directory = directory;
    this.#fileSystem = fileSystem;
    this.#direct = fileSystem.directFlag !== undefined;
  }

  /** Makes the directories that are missing, durably. */
  static async open(directory: string, fileSystem: FileSystem): Promise<ChunkFiles> {
    const files = new ChunkFiles(directory, fileSystem);
    const present = new Set(await fileSystem.list(directory));
    for (const name of ['chunks', 'tmp', 'quarantine']) {
      if (!present.has(name)) await fileSystem.makeDirectory(join(directory, name));
    }
    const fans = new Set(await fileSystem.list(join(directory, 'chunks')));
    for (const fan of fanNames()) {
      if (!fans.has(fan)) await fileSystem.makeDirectory(join(directory, 'chunks', fan));
    }
    if (fans.size < FAN_OUT) await files.#syncDirectory(join(directory, 'chunks'));
    await files.#syncDirectory(directory);
    return files;
  }

  /** Whether files are written around the page cache. */
  get direct(): boolean {
    return this.#direct;
  }

  pathOf(position: number, id: string): string {
    return join(this.#directory, 'chunks', fanOf(position), chunkName(position, id));
  }

  /**
   * Writes a chunk's file. When the promise resolves, bytes and name are on the disk and the file is marked; call
   * `settle` once the index has the entry. When it rejects, nothing is left of the file.
   */
  async write(entry: IndexEntry, bytes: Buffer): Promise<Marker> {
    const path = this.pathOf(entry.position, entry.id);
    const marker = this.#newMarker(entry.position, entry.id);
    const tail = await this.#tails.take();
    try {
      await this.#writeBytes(marker.path, piecesOf(entry, bytes, tail.bytes));
      await this.#linkAnew(marker.path, path);
      await this.#syncDirectory(dirname(path));
      return marker;
    } catch (error) {
      await this.#discard(path, marker);
      throw error;
    } finally {
      tail.release();
    }
  }

  /** Marks an existing file whose entry is about to be deleted. */
  async mark(position: number, id: string): Promise<Marker> {
    const marker = this.#newMarker(position, id);
    await this.#fileSystem.link(this.pathOf(position, id), marker.path);
    return marker;
  }

  /** Removes the marker: index and files agree again. */
  async settle(marker: Marker): Promise<void> {
    await unlinkIfPresent(this.#fileSystem, marker.path);
  }

  async remove(position: number, id: string): Promise<void> {
    await unlinkIfPresent(this.#fileSystem, this.pathOf(position, id));
  }

  /** Moves a chunk's file, durably. Returns its size, or undefined when there was none. */
  async moveAway(position: number, id: string, to: string): Promise<number | undefined> {
    const path = this.pathOf(position, id);
    const found = await this.#fileSystem.stat(path);
    if (!found) return undefined;
    await this.#fileSystem.rename(path, to);
    await this.#syncDirectory(dirname(to));
    await this.#syncDirectory(dirname(path));
    return found.sizeBytes;
  }

  /** Names in one of the directories under `chunks/`, in order; some may be no chunk's. */
  async namesIn(fan: string): Promise<string[]> {
    return (await this.#fileSystem.list(join(this.#directory, 'chunks', fan))).sort();
  }

  /** Undefined when there is no file. */
  async sizeOf(position: number, id: string): Promise<number | undefined> {
    return (await this.#fileSystem.stat(this.pathOf(position, id)))?.sizeBytes;
  }

  /** Whether a marker of the chunk is left. */
  async isMarked(position: number, id: string): Promise<boolean> {
    const prefix = `${chunkName(position, id)}.`;
    return (await this.#fileSystem.list(join(this.#directory, 'tmp'))).some((name) =>
      name.startsWith(prefix),
    );
  }

  /** The entry that the file's trailer describes; undefined when there is no sound one. */
  async readTrailer(position: number, id: string): Promise<IndexEntry | undefined> {
    const path = this.pathOf(position, id);
    const found = await this.#fileSystem.stat(path);
    if (!found || found.sizeBytes < SECTOR_BYTES) return undefined;
    const descriptor = await this.#fileSystem.open(path, constants.O_RDONLY);
    try {
      const sector = Buffer.allocUnsafe(SECTOR_BYTES);
      const count = await this.#fileSystem.read(descriptor, sector, found.sizeBytes - SECTOR_BYTES);
      const entry = decodeTrailer(sector.subarray(0, count));
      const sound =
        entry?.position === position && entry.id === id && chunkFileBytes(entry.length) === found.sizeBytes;
      return sound ? entry : undefined;
    } finally {
      await this.#fileSystem.close(descriptor);
    }
  }

  /** Opens a chunk's file for reading around the page cache where that is possible. */
  async openDirect(position: number, id: string): Promise<number> {
    const path = this.pathOf(position, id);
    if (!this.#direct) return this.#fileSystem.open(path, constants.O_RDONLY);
    return this.#fileSystem.open(path, constants.O_RDONLY | this.#fileSystem.directFlag!);
  }

  #newMarker(position: number, id: string): Marker {
    const name = `${chunkName(position, id)}.${this.#markerCount++}`;
    return { path: join(this.#directory, 'tmp', name) };
  }

  async #writeBytes(path: string, pieces: readonly Buffer[]): Promise<void> {
    if (this.#direct) {
      try {
        await this.#writeFile(path, pieces, this.#fileSystem.directFlag!);
        return;
      } catch (error) {
        if (!NOT_DIRECT.has(errnoOf(error) ?? '')) throw error;
        // A refusal to open speaks about the file system; one to write may be about this memory only.
        if ((error as NodeJS.ErrnoException).syscall === 'open') this.#direct = false;
        await unlinkIfPresent(this.#fileSystem, path);
      }
    }
    await this.#writeFile(path, pieces, 0);
  }

  async #writeFile(path: string, pieces: readonly Buffer[], flag: number): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | flag;
    const descriptor = await this.#fileSystem.open(path, flags);
    try {
      let left = pieces;
      let position = 0;
      while (left.length > 0) {
        const count = await this.#fileSystem.write(descriptor, left, position);
        if (count === 0) throw new Error(`the disk takes no more bytes of ${path}`);
        position += count;
        left = dropBytes(left, count);
      }
      await this.#fileSystem.syncData(descriptor);
    } finally {
      await this.#fileSystem.close(descriptor);
    }
  }

  /** A file that an earlier, failed attempt left under that name has no entry, so nobody misses it. */
  async #linkAnew(existing: string, added: string): Promise<void> {
    try {
      await this.#fileSystem.link(existing, added);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
      await unlinkIfPresent(this.#fileSystem, added);
      await this.#fileSystem.link(existing, added);
    }
  }

  /** The file first: while the marker stands, a crash in between is cleaned up after. */
  async #discard(path: string, marker: Marker): Promise<void> {
    try {
      await unlinkIfPresent(this.#fileSystem, path);
      await unlinkIfPresent(this.#fileSystem, marker.path);
    } catch {
      // The write's own error matters more; start-up removes what is left.
    }
  }

  #syncDirectory(path: string): Promise<void> {
    let directory = this.#directorySyncs.get(path);
    if (!directory) {
      const descriptor = this.#fileSystem.open(path, constants.O_RDONLY);
      const syncs = new GroupCommit<void>(async () => this.#fileSystem.sync(await descriptor));
      directory = { descriptor, syncs };
      this.#directorySyncs.set(path, directory);
      descriptor.catch(() => this.#directorySyncs.delete(path));
    }
    return directory.syncs.add();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { descriptor } of this.#directorySyncs.values()) {
      await descriptor.then((open) => this.#fileSystem.close(open)).catch(() => {});
    }
    this.#directorySyncs.clear();
  }
}

/** Names of the directories under `chunks/`. */
export function fanNames(): string[] {
  return Array.from({ length: FAN_OUT }, (_, first) => first.toString(16).padStart(2, '0'));
}

/** The directory under `chunks/` of a chunk. */
export function fanOf(position: number): string {
  return formatPosition(position).slice(0, 2);
}

/**
 * The file as two pieces of whole sectors: as much of the chunk as fills sectors, where it lies, and a tail made
 * of the chunk's last bytes, zeros and the trailer.
 */
function piecesOf(entry: IndexEntry, bytes: Buffer, tail: Buffer): Buffer[] {
  const whole = bytes.length - (bytes.length % SECTOR_BYTES);
  const rest = bytes.length - whole;
  const tailBytes = rest === 0 ? SECTOR_BYTES : 2 * SECTOR_BYTES;
  tail.fill(0, 0, tailBytes);
  bytes.copy(tail, 0, whole);
  encodeTrailer(tail.subarray(tailBytes - SECTOR_BYTES, tailBytes), entry);
  const pieces = [tail.subarray(0, tailBytes)];
  if (whole > 0) pieces.unshift(bytes.subarray(0, whole));
  return pieces;
}

function dropBytes(pieces: readonly Buffer[], count: number): Buffer[] {
  let left = count;
  return pieces.flatMap((piece) => {
    const dropped = Math.min(left, piece.length);
    left -= dropped;
    return dropped === piece.length ? [] : [piece.subarray(dropped)];
  });
}
