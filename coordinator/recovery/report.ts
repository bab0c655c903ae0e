import { REPORT_ITEMS_MAX } from './limits.ts';

/** What a recovery found and did. All that is counted is counted in full; lists are cut at `REPORT_ITEMS_MAX`. */
export interface RecoveryReport {
  readonly clusterId: string;
  readonly replicas: number;
  readonly nodes: readonly {
    readonly id: string;
    readonly url: string;
    readonly chunks: number;
    /** Belonged to no cluster: it is registered, and owns nothing unless it had to. */
    readonly fresh: boolean;
  }[];
  readonly videos: { readonly recovered: number; readonly bytes: number };
  /** Chunks of these videos and of their records, by how many good copies there are. */
  readonly chunks: { readonly complete: number; readonly short: number; readonly missing: number };
  /** Recovered all the same, because the rest can still be read and a node that is missing may come back. */
  readonly incompleteVideos: Listing<{
    readonly objectId: string;
    readonly videoId: string;
    readonly title: string;
    readonly missing: number;
    readonly chunkIds: readonly string[];
  }>;
  /** Videos whose newest record cannot be read. */
  readonly damagedRecords: Listing<{
    readonly objectId: string;
    readonly version: number;
    readonly reason: string;
    /** An older record that was used instead; null: the video is not recovered. */
    readonly usedVersion: number | null;
  }>;
  /**
   * Videos whose record has fewer copies than a write quorum: no finished upload leaves that, but a deletion that a node
   * missed does, and so does the loss of nodes.
   */
  readonly doubtful: Listing<{
    readonly objectId: string;
    readonly videoId: string;
    readonly title: string;
    readonly copies: number;
    readonly restored: boolean;
  }>;
  /** Records of earlier versions, and of changes that came to nothing. */
  readonly supersededRecords: number;
  /** What no recovered video names; the sweep removes it. */
  readonly strays: {
    readonly chunks: number;
    readonly copies: number;
    readonly bytes: number;
    /** Objects that these chunks belong to. */
    readonly objects: number;
  };
  readonly ring: {
    readonly ranges: number;
    /** Slots (range times replica) whose owner was inferred from the chunks that it holds. */
    readonly inferredSlots: number;
    /** Inferred slots that another node had to get. */
    readonly movedSlots: number;
    /** Good copies that lie where they belong, of how many there should be. */
    readonly copiesInPlace: number;
    readonly copiesWanted: number;
  };
  /** Questions only the operator can answer; nothing is written while there is one. */
  readonly undecided: readonly string[];
  readonly written: boolean;
}

export interface Listing<Item> {
  total: number;
  readonly items: Item[];
}

export function emptyListing<Item>(): Listing<Item> {
  return { total: 0, items: [] };
}

export function addTo<Item>(listing: Listing<Item>, item: Item): void {
  listing.total += 1;
  if (listing.items.length < REPORT_ITEMS_MAX) listing.items.push(item);
}
