import { positionOf } from '../../lib/hashring/index.ts';
import { createChunkId } from '../objects/chunk-id.ts';
import type { UploadMetadata } from '../videos/upload.ts';

/** A video that is being sent to the storage nodes in parts, each of which is a chunk. */
export interface DirectUpload {
  /** That of its object. */
  readonly id: string;
  readonly videoId: string;
  /** The user who began it; null for an operator. */
  readonly ownerId: string | null;
  /** Bytes. */
  readonly size: number;
  readonly partBytes: number;
  /** Three bytes. */
  readonly nonce: Uint8Array;
  /** What the client says that the bytes have, 32 bytes. */
  readonly sha256: Uint8Array | null;
  readonly metadata: Omit<UploadMetadata, 'digests'>;
  /** Null when it is complete. */
  readonly expiresAt: Date | null;
}

/** A part as one node was asked to take it. */
export interface PartAttempt {
  readonly index: number;
  /** From 0; the latest is the one that counts for new URLs. */
  readonly attempt: number;
  /** The one node that may take this attempt from a client. */
  readonly nodeId: string;
}

export function partCountOf({ size, partBytes }: Pick<DirectUpload, 'size' | 'partBytes'>): number {
  return Math.ceil(size / partBytes);
}

export function lengthOf(
  { size, partBytes }: Pick<DirectUpload, 'size' | 'partBytes'>,
  index: number,
): number {
  return Math.min(partBytes, size - index * partBytes);
}

/** The chunk that an attempt becomes. Its id follows from upload, index and attempt, and from nothing else. */
export function chunkOf(
  { id, nonce }: Pick<DirectUpload, 'id' | 'nonce'>,
  { index, attempt }: Pick<PartAttempt, 'index' | 'attempt'>,
): { readonly id: string; readonly position: number } {
  const chunkId = createChunkId(id, index, Uint8Array.of(...nonce.subarray(0, 3), attempt));
  return { id: chunkId, position: positionOf(chunkId) };
}
