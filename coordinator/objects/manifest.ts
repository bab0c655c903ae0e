/** A chunk as a manifest names it. */
export interface ChunkRef {
  readonly id: string;
  /** xxh32 of the id: its place on the ring. */
  readonly position: number;
  readonly length: number;
  /** See `chunkChecksum`. */
  readonly checksum: number;
}

/** What a stored byte string consists of, in order. Immutable once committed. */
export interface Manifest {
  readonly objectId: string;
  /** Sum of the chunks' lengths, bytes. */
  readonly size: number;
  readonly chunks: readonly ChunkRef[];
}
