/** A storage node as the byte path sees it. */
export interface StorageNode {
  readonly id: string;
  /** Base URL without a trailing slash, for example `http://10.0.0.7:5001`. */
  readonly url: string;
  readonly zone: string;
}

export type NodeHealth = 'up' | 'suspect' | 'down';

/** Where a chunk is to be stored. */
export interface WriteTargets {
  /** Every node that is to hold the chunk, each once: R nodes, somewhat more while the range changes hands. */
  readonly owners: readonly StorageNode[];
  /** The chunk counts as stored when a write quorum of each of these sets has it. */
  readonly sets: readonly (readonly StorageNode[])[];
  /** Other nodes, in the range's preference order: they take handoff copies. */
  readonly fallbacks: readonly StorageNode[];
}

/** Where a chunk may lie. */
export interface ReadSources {
  /** Nodes that hold every chunk of the range that was ever acknowledged, save for lost copies. */
  readonly owners: readonly StorageNode[];
  /** All others, the likeliest first: they may hold a handoff, or copies from before. */
  readonly others: readonly StorageNode[];
}

/** Stands for one write or drop under the view of the ring that was in use when it began. */
export interface RingPermit {
  /**
   * Whether the view still counts. Once it does not, others may act as if this process had stopped, so nothing that
   * was done under the permit may be acknowledged any more. With `forMs`: whether it will count for that long, even if
   * this process does nothing more.
   */
  isValid(forMs?: number): boolean;
  /** To be called exactly when nothing is under way under the permit any more; idempotent. */
  leave(): void;
}

/** Where chunks go and come from, under the ring's current state. All answers are immediate. */
export interface Placement {
  /** Whether a layout exists; without one every look-up throws `cluster_not_ready`. */
  readonly ready: boolean;
  /** Copies a chunk is to have, R. */
  readonly replicas: number;
  /** Copies of a set of owners that must be on disk before a chunk counts as stored: floor(R/2)+1. */
  readonly writeQuorum: number;
  /** The range of a position. */
  rangeOf(position: number): number;
  writeTargetsOf(position: number): WriteTargets;
  readSourcesOf(position: number): ReadSources;
  /**
   * To be asked for before `writeTargetsOf`, without awaiting anything in between: the ring moves on only when the
   * permits of its earlier states have been given back. Throws `cluster_not_ready` while this coordinator may not
   * write, because it lost touch with the others.
   */
  enter(): RingPermit;
  /** Every registered node, of the layout or not. */
  nodes(): readonly StorageNode[];
  healthOf(nodeId: string): NodeHealth;
  /** A request to the node failed in a way that speaks about the node: it is suspect until a check succeeds. */
  reportFailure(nodeId: string, reason: string): void;
}
