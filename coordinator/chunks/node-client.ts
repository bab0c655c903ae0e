import type { StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';

/** A chunk that lies in this process's memory and is to be copied to nodes. */
export interface OutgoingChunk {
  readonly ref: ChunkRef;
  /** The bytes in order, `ref.length` together. */
  readonly pages: readonly Buffer[];
  /** Where a node can fetch the same bytes. */
  readonly sourceUrl: string;
}

/** Bytes of one chunk as they arrive from a node, already verified there. */
export interface ChunkBody {
  /**
   * Hands the bytes on piece by piece; a piece is valid until the returned promise resolves, or until the consumer
   * returns without one. Rejects with `node_failed` when the node dies or stalls; whatever was handed on before is correct.
   */
  pipe(consume: (piece: Buffer) => Promise<void> | undefined): Promise<void>;
  cancel(): void;
}

/**
 * The byte path's transport to one storage node. Rejections are AppErrors with one of these codes:
 * `node_full` (the node has no room), `node_conflict` (it holds other bytes under this id), `chunk_absent`,
 * `chunk_corrupt` (its copy failed verification), `node_failed` (anything that speaks about the node's health).
 */
export interface NodeClient {
  /** Resolves when the chunk is verified and on the node's disk. Repeating it is harmless. */
  store(node: StorageNode, chunk: OutgoingChunk, signal: AbortSignal): Promise<void>;
  /** Resolves when the first byte of `first..last` (inclusive, within the chunk) is at hand. */
  open(
    node: StorageNode,
    ref: ChunkRef,
    range: { first: number; last: number },
    options: { stallTimeoutMs: number; signal: AbortSignal | undefined },
  ): Promise<ChunkBody>;
  /** Resolves when the chunk is gone from the node, also if it was never there. */
  delete(node: StorageNode, ref: ChunkRef): Promise<void>;
}

export type NodeErrorCode = 'node_full' | 'node_conflict' | 'chunk_absent' | 'chunk_corrupt' | 'node_failed';
