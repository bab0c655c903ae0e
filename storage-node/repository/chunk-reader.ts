import { constants } from 'node:fs';
import { BLOCK_BYTES, chunkChecksum } from '../../lib/bytes/checksum.ts';
import { type BlockVerifier, CorruptChunkError, verifyChecksum } from './block-verifier.ts';
import type { ChunkFiles } from './chunk-files.ts';
import { chunkFileBytes, decodeTrailer, SECTOR_BYTES } from './chunk-trailer.ts';
import type { DiskHealth } from './disk-health.ts';
import { errnoOf, type FileSystem } from './file-system.ts';
import type { HotReads } from './hot-reads.ts';
import type { IndexEntry } from './index-entry.ts';
import type { OpenFiles } from './open-files.ts';
import type { ReadPieces } from './read-pieces.ts';
import type { PieceSink } from './video-repository.ts';

/** Resolves when so many bytes may be read. */
export type Admission = (bytes: number) => Promise<void>;
const admitAtOnce: Admission = async () => {};

/** Reads chunks' bytes and lets none pass that fail verification. */
export class ChunkReader {
  readonly #files: ChunkFiles;
  readonly #openFiles: OpenFiles;
  readonly #fileSystem: FileSystem;
  readonly #pieces: ReadPieces;
  readonly #health: DiskHealth;
  readonly #verifier: BlockVerifier;
  readonly #hotReads: HotReads;

  constructor(parts: {
    files: ChunkFiles;
    openFiles: OpenFiles;
    fileSystem: FileSystem;
    pieces: ReadPieces;
    health: DiskHealth;
    verifier: BlockVerifier;
    hotReads: HotReads;
  }) {
    this.#files = parts.files;
    this.#openFiles = parts.openFiles;
    this.#fileSystem = parts.fileSystem;
    this.#pieces = parts.pieces;
    this.#health = parts.health;
    this.#verifier = parts.verifier;
    this.#hotReads = parts.hotReads;
  }

  /** See `ChunkReading.send`; throws CorruptChunkError. `name` is the entry's `chunkName`. */
  async send(name: string, entry: IndexEntry, first: number, last: number, sink: PieceSink): Promise<void> {
    if (entry.inline) {
      await sink(entry.inline.subarray(first, last + 1));
      return;
    }
    const path = this.#files.pathOf(entry.position, entry.id);
    try {
      await this.#openFiles.use(name, path, (descriptor) =>
        this.#sendFrom(descriptor, entry, first, last, sink),
      );
    } catch (error) {
      if (isMissing(error)) throw new CorruptChunkError('the file is missing');
      throw error;
    }
  }

  async #sendFrom(
    descriptor: number,
    entry: IndexEntry,
    first: number,
    last: number,
    sink: PieceSink,
  ): Promise<void> {
    const end = Math.min(entry.length, (Math.floor(last / BLOCK_BYTES) + 1) * BLOCK_BYTES);
    let offset = first - (first % BLOCK_BYTES);
    while (offset < end) {
      const piece = await this.#pieces.take(end - offset);
      try {
        const bytes = piece.bytes.subarray(0, Math.min(piece.bytes.length, end - offset));
        if (!this.#fillNow(descriptor, entry, bytes, offset)) await this.#fill(descriptor, bytes, offset);
        this.#verifier.verify(entry, piece, offset, bytes.length);
        const taken = sink(
          bytes.subarray(Math.max(first - offset, 0), Math.min(last + 1 - offset, bytes.length)),
        );
        if (taken) await taken;
        offset += bytes.length;
      } finally {
        piece.release();
      }
    }
  }

  /**
   * Reads the chunk's file from the disk and compares all of it; throws CorruptChunkError. Waits for `admit` before
   * each read.
   */
  async verify(entry: IndexEntry, admit: Admission = admitAtOnce): Promise<void> {
    if (chunkChecksum(entry.blocks) !== entry.checksum) {
      throw new CorruptChunkError('its blocks do not have the checksum of the chunk');
    }
    if (entry.inline) return;
    try {
      await this.#verifyFile(entry, await this.#files.openDirect(entry.position, entry.id), admit);
    } catch (error) {
      if (isMissing(error)) throw new CorruptChunkError('the file is missing');
      if (errnoOf(error) !== 'EINVAL') throw this.#health.translate(error);
      const path = this.#files.pathOf(entry.position, entry.id);
      await this.#verifyFile(entry, await this.#fileSystem.open(path, constants.O_RDONLY), admit);
    }
  }

  async #verifyFile(entry: IndexEntry, descriptor: number, admit: Admission): Promise<void> {
    const end = chunkFileBytes(entry.length);
    const piece = await this.#pieces.take(end);
    try {
      for (let offset = 0; offset < end; offset += piece.bytes.length) {
        const bytes = piece.bytes.subarray(0, Math.min(piece.bytes.length, end - offset));
        await admit(bytes.length);
        await this.#fill(descriptor, bytes, offset);
        verifyBlocks(entry, bytes.subarray(0, Math.max(entry.length - offset, 0)), offset);
        verifyTail(entry, bytes, offset);
      }
      const beyond = await this.#fileSystem.read(descriptor, piece.bytes.subarray(0, SECTOR_BYTES), end);
      if (beyond > 0) throw new CorruptChunkError('the file is too long');
    } finally {
      piece.release();
      await this.#fileSystem.close(descriptor);
    }
  }

  /** Fills all of `into` at once where it is likely in the page cache; false: it has to be read the usual way. */
  #fillNow(descriptor: number, entry: IndexEntry, into: Buffer, position: number): boolean {
    if (!this.#verifier.isHot(entry, position, into.length)) return false;
    try {
      return this.#hotReads.read(descriptor, into, position) === into.length;
    } catch (error) {
      throw this.#health.translate(error);
    }
  }

  async #fill(descriptor: number, into: Buffer, position: number): Promise<void> {
    let filled = 0;
    while (filled < into.length) {
      const rest = filled === 0 ? into : into.subarray(filled);
      let count: number;
      try {
        count = await this.#fileSystem.read(descriptor, rest, position + filled);
      } catch (error) {
        throw this.#health.translate(error);
      }
      if (count === 0) throw new CorruptChunkError('the file is too short');
      filled += count;
    }
  }
}

/** `bytes` lies at `offset` of the chunk, which is a block border. Counts on nothing but what the disk says. */
function verifyBlocks(entry: IndexEntry, bytes: Buffer, offset: number): void {
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    verifyChecksum(entry, (offset + start) / BLOCK_BYTES, bytes.subarray(start, start + BLOCK_BYTES));
  }
}

/** Padding and trailer, as far as `bytes` holds them; it lies at `offset` of the file. */
function verifyTail(entry: IndexEntry, bytes: Buffer, offset: number): void {
  const trailerStart = chunkFileBytes(entry.length) - SECTOR_BYTES - offset;
  for (
    let index = Math.max(entry.length - offset, 0);
    index < Math.min(trailerStart, bytes.length);
    index++
  ) {
    if (bytes[index] !== 0) throw new CorruptChunkError('the padding is damaged');
  }
  if (trailerStart >= bytes.length) return;
  const trailer = decodeTrailer(bytes.subarray(trailerStart));
  const { position, id, length, checksum } = entry;
  const matches =
    trailer?.position === position &&
    trailer.id === id &&
    trailer.length === length &&
    trailer.checksum === checksum;
  if (!matches) throw new CorruptChunkError('the trailer is damaged');
}

function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT';
}
