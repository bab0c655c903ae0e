import type { NodeState, RebalanceState } from '../database/schema.ts';

/** What an operator wants of one node; what is not given stays. */
export interface NodeChange {
  readonly nodeId: string;
  /**
   * `active`: it gets its share of the ranges. `draining`: it gives them to others. `lost`: it is gone, others copy
   * what it had from the remaining copies. `removed`: the same, for good.
   */
  readonly state?: 'active' | 'draining' | 'lost' | 'removed' | undefined;
  /** Share of the data relative to the other nodes. */
  readonly weight?: number | undefined;
  readonly zone?: string | undefined;
}

/** What is now, or will be, of one node. */
export interface NodeStanding {
  readonly state: NodeState;
  readonly weight: number;
  readonly zone: string;
  readonly ranges: number;
}

export interface PlannedNode {
  readonly nodeId: string;
  readonly before: NodeStanding;
  readonly after: NodeStanding;
  /** What it has to copy from others, by what is stored now. */
  readonly gainedChunks: number;
  readonly gainedBytes: number;
  /** What it may drop at the end. */
  readonly lostBytes: number;
}

/** What a change would do, by what is stored now. */
export interface RebalancePlan {
  readonly fromEpoch: number;
  readonly nodes: readonly PlannedNode[];
  /** Ranges whose set of owners changes. */
  readonly ranges: number;
  readonly totalRanges: number;
  /** Copies to be made. */
  readonly chunks: number;
  readonly bytes: number;
  /** Of all copies' bytes that are stored; 0 when nothing is. */
  readonly share: number;
  /** Copies of whole ranges to be made, and the fewest with which any layout for these nodes could do. */
  readonly movedRanges: number;
  readonly minimumRanges: number;
  /** `bytes`, scaled by the two. */
  readonly minimumBytes: number;
  /** By the rate of the last rebalance that copied something; null when there was none. */
  readonly estimatedSeconds: number | null;
}

export interface RebalanceLimits {
  /** Null: as fast as it goes while reads do not suffer. */
  readonly bytesPerSecond?: number | null | undefined;
  /** Copies under way at a time. */
  readonly concurrency?: number | null | undefined;
}

/** How a rebalance stands. */
export interface RebalanceReport {
  readonly id: string;
  readonly state: RebalanceState;
  readonly reason: string;
  readonly changes: readonly NodeChange[];
  readonly plan: RebalancePlan;
  readonly createdAt: string;
  readonly finishedAt: string | null;
  readonly ranges: {
    readonly total: number;
    readonly waiting: number;
    /** Being copied to their new owners. */
    readonly copying: number;
    /** Copied; reads and writes pass to the new owners. */
    readonly switching: number;
    readonly done: number;
  };
  /** Copies as planned at the start; done are those of ranges whose copy is complete, and what of others has arrived. */
  readonly chunks: { readonly total: number; readonly done: number };
  readonly bytes: { readonly total: number; readonly done: number };
  /** Chunk bytes that nodes really copied. Less than done when they had some; more when chunks were stored meanwhile. */
  readonly copiedBytes: number;
  readonly bytesPerSecond: number | null;
  readonly secondsLeft: number | null;
  readonly limits: { readonly bytesPerSecond: number | null; readonly concurrency: number | null };
  /** What holds it up now, in words; null when nothing does. */
  readonly error: string | null;
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly bytes: number;
    readonly doneBytes: number;
  }[];
}
