import type { Readable, Writable } from 'node:stream';
import type { ChunkRef, Manifest } from '../objects/manifest.ts';
import type { StoredObject } from '../objects/object-repository.ts';

/** A record of an object as it is to be stored. */
export interface RecordContent {
  /** Above that of every record of the object before. */
  readonly version: number;
  readonly bytes: Buffer;
}

export interface WriteOptions {
  /** More bytes than this reject with `body_too_large`. */
  readonly limitBytes: number;
  /**
   * Asked with every chunk whether the object may have so many bytes by now, for sources of unknown length; its rejection
   * is that of the write.
   */
  readonly admit?: (sizeBytes: number) => Promise<void>;
  /** Aborting stops the write; chunks already stored are removed as far as their nodes answer. */
  readonly signal: AbortSignal;
  /**
   * Makes the object's record. Called when all bytes of the source are known, while the last chunks are still on their
   * way; its rejection is that of the write.
   */
  readonly describe: (content: ObjectContent) => Promise<RecordContent>;
}

/** What was read from a source. */
export interface ObjectContent extends Omit<StoredObject, 'record'> {
  readonly sha256: Uint8Array;
  /** The object's first bytes, at most 4 KiB, for content sniffing. */
  readonly head: Uint8Array;
}

export interface WrittenObject extends ObjectContent {
  readonly record: readonly ChunkRef[];
}

/** A range of an object whose first byte is at hand: from here on only the death of every owner can stop it. */
export interface ObjectReading {
  /**
   * Sends the bytes in order, waiting for the sink, and resolves when the sink has taken the last one. Does not
   * end the sink. Rejects when the bytes cannot be had from any node or the sink closes; then the bytes sent so
   * far are a true prefix and the caller must cut the connection.
   */
  sendTo(sink: Writable, signal: AbortSignal): Promise<void>;
  /** Releases what the reading holds; idempotent, and needless after `sendTo`. */
  cancel(): void;
}

/** The byte path: whole objects in and out of the ring. */
export interface ObjectStore {
  /**
   * Reads `source` to its end and stores it as chunks of the object, and its record beside it. Resolves when every
   * chunk is on the disks of a write quorum of its owners. Memory is bounded across all writes: `source` is paused while the buffers
   * are taken. Rejects with `write_quorum_unavailable`, `insufficient_storage`, `cluster_not_ready`,
   * `body_too_large`, `request_timeout` (the source was idle too long) or the source's own error.
   */
  write(objectId: string, source: Readable, options: WriteOptions): Promise<WrittenObject>;
  /**
   * Opens bytes `first` to `last` (inclusive) of the object. Rejects with `chunk_unavailable` when no node can
   * serve the first chunk now. `signal` counts until the first chunk was read.
   */
  read(manifest: Manifest, first: number, last: number, signal?: AbortSignal): Promise<ObjectReading>;
  /** Stores another record of an object; resolves and rejects like `write`. */
  writeRecord(objectId: string, record: RecordContent, signal?: AbortSignal): Promise<ChunkRef[]>;
  /** Deletes chunks of an object from their owners that answer now; the sweep does the rest. Never rejects. */
  remove(objectId: string, chunks: readonly ChunkRef[]): Promise<void>;
  /** Like `remove`, but from every node that answers now, whether it owns the chunks or not. */
  removeEverywhere(objectId: string, chunks: readonly ChunkRef[]): Promise<void>;
}
