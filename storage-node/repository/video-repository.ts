/**
 * What a storage node keeps: immutable chunks, ordered by position and then by id. The node does not know the
 * ring; a position is a number it was told.
 */

export interface ChunkEntry {
  /** Unsigned 32-bit number. */
  readonly position: number;
  readonly id: string;
  /** Bytes, at least 1. */
  readonly length: number;
  /** See `chunkChecksum`. */
  readonly checksum: number;
  /** When this repository stored it, milliseconds since the epoch by its own clock. */
  readonly createdAt: number;
}

export interface NewChunk {
  readonly position: number;
  readonly id: string;
  /**
   * The chunk's bytes; must not change until `put` settles. Any memory will do, but only a buffer that starts
   * on a page border is written without a detour through the page cache.
   */
  readonly bytes: Buffer;
  /** What the bytes are expected to be; computed when absent. */
  readonly checksum?: number | undefined;
  /** From `reserve`; `put` takes one of its own when absent. */
  readonly reservation?: Reservation | undefined;
}

/** A claim to space. */
export interface Reservation {
  /** Gives the space back unless a `put` has used it. Idempotent. */
  release(): void;
}

export type PutResult = 'created' | 'exists';
export type VerifyResult = 'ok' | 'absent' | 'quarantined';

/**
 * Takes one piece of a chunk. The piece is memory that is used again as soon as the returned promise resolves, or at
 * once without one.
 */
export type PieceSink = (piece: Buffer) => Promise<void> | undefined;

/** An existing chunk, at hand for reading. Holds no resource: it may be dropped without a word. */
export interface ChunkReading {
  readonly entry: ChunkEntry;
  /**
   * Hands bytes `first` to `last` (inclusive, within the chunk) to the sink, in order, one piece after the other.
   * Every block is verified before any byte of it reaches the sink. Rejects with the sink's error as it is; with
   * `chunk_corrupt` when a block fails verification (the chunk is then quarantined); with `chunk_not_found` when
   * the chunk was deleted before its bytes could be opened; with `disk_failing` when they cannot be read.
   */
  send(first: number, last: number, sink: PieceSink): Promise<void>;
}

export interface ListPage {
  readonly entries: readonly ChunkEntry[];
  /** Pass as `after` to go on; null when nothing follows within the range. */
  readonly next: string | null;
}

export interface RangeDigestResult {
  readonly count: number;
  readonly bytes: number;
  /** SHA-256 (hex) over "position id length checksum\n" of every chunk in listing order. */
  readonly digest: string;
}

/**
 * What a look at a chunk found. `rebuilt`: its index entry was damaged or missing, and was made again from its file.
 * `quarantined`: it was set aside. `removed`: a rest that belongs to no chunk is gone. `unreadable`: the disk
 * returned an error instead of bytes.
 */
export type ScrubFinding = 'sound' | 'rebuilt' | 'quarantined' | 'removed' | 'unreadable';

export interface ScrubStep {
  readonly finding: ScrubFinding;
  /** Bytes of the chunk that were checked. */
  readonly bytes: number;
  /** Where the scrub stands: everything before it in the order of listings was looked at. Null: at the start. */
  readonly cursor: string | null;
}

/** A chunk that was set aside, or as much as is known of it. */
export interface QuarantinedChunk {
  readonly position: number;
  readonly id: string;
  /** Null when it is not known. */
  readonly length: number | null;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly quarantinedAt: number;
}

export interface QuarantinePage {
  readonly chunks: readonly QuarantinedChunk[];
  /** Pass as `after` to go on; null when nothing follows. */
  readonly next: string | null;
}

export interface RepositoryStats {
  readonly capacityBytes: number;
  /** What counts against the capacity: chunks, index and file overhead, quarantine, reservations. */
  readonly usedBytes: number;
  readonly chunkCount: number;
  readonly quarantinedCount: number;
  /**
   * When a chunk was last set aside, in milliseconds since 1970, no two at the same time; null when none was that is still
   * known of. Whoever has seen everything that was set aside until then has missed nothing as long as this stays the same.
   */
  readonly lastQuarantinedAt: number | null;
  /** Chunks found since the repository was opened whose entry was there, but not their bytes. */
  readonly lostCount: number;
  /** `full`: the disk itself, not the capacity, refused the last write. `failing`: it returned I/O errors. */
  readonly disk: 'ok' | 'full' | 'failing';
}

/**
 * Guarantees of every implementation:
 *
 * - A chunk is visible whole or not at all. It becomes visible when its `put` resolves, to every operation at
 *   once, and not before; a crash at any time leaves it either as if `put` had resolved or as if it had never
 *   been called.
 * - When a promise of `put`, `delete`, `drop` or `quarantine` resolves, its effect survives the loss of power (for
 *   implementations with a disk).
 * - Changes of one chunk take effect one after the other, in the order they were called; changes of different
 *   chunks are not ordered.
 * - Bytes that fail verification are never handed out. The chunk is set aside (its bytes are kept for a look, as
 *   long as there is room for them), is counted in `quarantinedCount`, and is from then on absent, so that a good
 *   copy can be stored again; once it is, nothing is kept of the bad one.
 * - What is stored never takes more than the capacity.
 *
 * Errors are AppErrors with the codes named at the operations; further, every operation may reject with
 * `disk_failing`, and those that write with `insufficient_storage`.
 */
export interface VideoRepository extends AsyncDisposable {
  /**
   * Claims the space that a chunk of `lengthBytes` takes, so that its bytes can be fetched knowing that they
   * will fit. Rejects with `insufficient_storage`.
   */
  reserve(lengthBytes: number): Promise<Reservation>;

  /**
   * Stores a chunk. `exists`: a chunk with the same position, id, length and checksum was there. Rejects with
   * `chunk_conflict` when one with the same position and id differs, with `checksum_mismatch` when the bytes are
   * not those that `checksum` says. Uses the reservation up when it resolves with `created`; otherwise the
   * reservation stays with the caller.
   */
  put(chunk: NewChunk): Promise<PutResult>;

  /** With `isUnlikely` it costs less to find that there is no such chunk, and may hold up everything when there is one. */
  stat(
    position: number,
    id: string,
    options?: { readonly isUnlikely?: boolean },
  ): Promise<ChunkEntry | undefined>;

  /** Undefined when the chunk is absent. */
  open(position: number, id: string): Promise<ChunkReading | undefined>;

  /** Whether there was anything to delete. */
  delete(position: number, id: string): Promise<boolean>;

  /**
   * The chunks with positions `first` to `last` (inclusive) behind the cursor, at most `limit`. Chunks stored or
   * deleted meanwhile may or may not be seen; all others are seen exactly once over the pages.
   */
  list(
    first: number,
    last: number,
    options: { after?: string | undefined; limit: number },
  ): Promise<ListPage>;

  digest(first: number, last: number): Promise<RangeDigestResult>;

  /**
   * Deletes every chunk with a position from `first` to `last` (inclusive) that was there when it was called; those
   * that are stored meanwhile stay. With `digest`, all of them are exactly the chunks that have this digest, as
   * `digest()` computes it: when they are not, nothing is deleted and it rejects with `digest_mismatch`, whose
   * details have what `digest()` says now.
   */
  drop(
    first: number,
    last: number,
    options?: { readonly digest?: string | undefined },
  ): Promise<{ readonly deleted: number; readonly bytes: number }>;

  /** Sets a chunk aside. Whether there was one. */
  quarantine(position: number, id: string, reason: string): Promise<boolean>;

  /**
   * Reads the whole chunk from the disk, not from a cache, and quarantines it when it is not what was stored. A
   * damaged index entry is made again if the chunk's file is sound.
   */
  verify(position: number, id: string): Promise<VerifyResult>;

  /**
   * Verifies everything behind the cursor, in order: every chunk, and whatever lies there beside them. A chunk that is
   * stored or deleted meanwhile may or may not be looked at. Before bytes are read, `admit` is waited for; what it
   * rejects with ends the scrub. One chunk that fails does not.
   */
  scrub(options: {
    after: string | undefined;
    admit: (bytes: number) => Promise<void>;
  }): AsyncGenerator<ScrubStep>;

  /** Chunks that are set aside, in order of position, then id; behind the cursor, at most `limit`. */
  listQuarantine(options: { after?: string | undefined; limit: number }): Promise<QuarantinePage>;

  /** Removes what is kept of a chunk that was set aside. Whether there was anything. */
  removeQuarantined(position: number, id: string): Promise<boolean>;

  stats(): RepositoryStats;

  /** Entries that operations looked up or passed over so far: what they cost grows with it. */
  readonly indexReads: number;
}
