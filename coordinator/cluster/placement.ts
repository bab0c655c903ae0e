/** A storage node as the byte path sees it. */
export interface StorageNode {
  readonly id: string;
  /** Base URL without a trailing slash, for example `http://10.0.0.7:5001`. */
  readonly url: string;
  readonly zone: string;
}

export type NodeHealth = 'up' | 'suspect' | 'down';

/** Where chunks go and come from, under the current layout. All answers are immediate. */
export interface Placement {
  /** Whether a layout exists; without one `ownersOf` throws `cluster_not_ready`. */
  readonly ready: boolean;
  /** Copies a chunk is to have, R. */
  readonly replicas: number;
  /** Copies that must be on disk before a chunk counts as stored: floor(R/2)+1. */
  readonly writeQuorum: number;
  /** The R owners of the position's range, primary first. */
  ownersOf(position: number): readonly StorageNode[];
  /** Every other node of the layout, in the range's preference order: they take handoff copies. */
  fallbacksOf(position: number): readonly StorageNode[];
  /** Every registered node, of the layout or not. */
  nodes(): readonly StorageNode[];
  healthOf(nodeId: string): NodeHealth;
  /** A request to the node failed in a way that speaks about the node: it is suspect until a check succeeds. */
  reportFailure(nodeId: string, reason: string): void;
}
