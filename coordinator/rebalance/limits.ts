/** Bounds of rebalancing, with their units. */

const MIB = 1024 * 1024;

export const REBALANCE_LEASE = 'rebalance';
/** How long after the death of the coordinator that runs a rebalance another one takes it over. */
export const REBALANCE_LEASE_MS = 10_000;
/** How often the engine does what it does again and again, milliseconds. */
export interface EnginePace {
  /** Without a notification, it looks this often whether there is something to do. */
  readonly pollMs: number;
  /** Ranges that become ready within this time go on in one step. */
  readonly coalesceMs: number;
  /** What is under way is told this often. */
  readonly progressMs: number;
  /** Pause before a range that failed is tried again; doubled with every failure up to the most. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
}

export const ENGINE_PACE: EnginePace = {
  pollMs: 2000,
  coalesceMs: 100,
  progressMs: 1000,
  retryMinMs: 500,
  retryMaxMs: 15_000,
};

/** Copies under way at a time, in all and for one node that gains; and how many of them read from one node. */
export const CONCURRENCY_DEFAULT = 4;
export const CONCURRENCY_MAX = 64;
/** Ranges in phase `dual` at a time: their writes have more copies to make. */
export const WINDOW_RANGES = 256;
/** Chunks that a node copies at a time within one range. */
export const PULL_CONCURRENCY = 2;

/** Entries asked for at a time when listings are compared. */
export const COMPARE_PAGE_CHUNKS = 2000;
/** Ranges looked at together before they are copied or dropped one by one. */
export const SURVEY_RANGES = 128;
/** Chunks in the ranges of one survey that are compared with manifests, at most. */
export const SURVEY_CHUNKS_MAX = 20_000;
/** Ranges dropped at a time. */
export const DROPS_MAX = 4;
/** How long a node may take to begin a drop after it was asked: less than this coordinator's word counts. */
export const DROP_LIFETIME_S = 5;

/** Share of a node's capacity that a plan leaves free. */
export const CAPACITY_RESERVE = 0.05;
/** What a chunk takes beside its bytes, at most: its trailer, and the file's last sector. */
export const CHUNK_OVERHEAD_BYTES = 8192;

/** Reads are slow when their 99th percentile is above this many times its value before the rebalance. */
export const LATENCY_FACTOR = 1.5;
/** Up to this many times, more may be copied; between the two it stays as it is. */
export const LATENCY_REST_FACTOR = 1.2;
/** What reads take at least, milliseconds, when that is judged: nobody sees a difference below it. */
export const LATENCY_FLOOR_MS = 25;
/** So many adjustments later, what reads take shows what the last one did. */
export const SETTLE_ADJUSTMENTS = 3;
/** How often copying is slowed down or let go. */
export const THROTTLE_INTERVAL_MS = 1000;
export const THROTTLE_RATE_MIN = 8 * MIB;
/** How fast copying begins where there are reads, if it is not known what they leave. */
export const RATE_AT_START = 16 * MIB;
/** How long after a rebalance the rate that it ended with is where the next one begins. */
export const KNOWN_RATE_MAX_AGE_MS = 3_600_000;
/**
 * What slow reads, and fast ones, make of the rate, and what there being none does. Small steps: whoever waits for the
 * end wants to be told when that is, which nobody can of a rate that jumps.
 */
export const RATE_DECREASE = 0.8;
export const RATE_INCREASE = 1.01;
export const RATE_INCREASE_UNREAD = 1.25;
/** How much of its growth is counted on when the end is foretold: of a rate new to reads, and of one that made room for them. */
export const GROWTH_SHARE_NEW = 0.5;
export const GROWTH_SHARE_REGAINED = 0.75;
export const RATE_MAX = 1024 * MIB;
/** A rate of which less is used is not what holds copying up. */
export const RATE_USED_SHARE = 0.7;
/** How fast is being copied is judged over so many adjustments. */
export const RATE_ADJUSTMENTS = 3;

export const BYTES_PER_SECOND_MIN = 64 * 1024;
export const CHANGES_MAX = 1000;
export const REASON_LENGTH_MAX = 200;
/** Rebalances listed at a time. */
export const LIST_MAX = 200;
