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
/** At this many times a pace that was found beside them is given up as far as it takes; below, only a little of it. */
export const LATENCY_SEVERE_FACTOR = 2;
/** Beyond this many times nobody waits to see whether it lasts. */
export const LATENCY_EXTREME_FACTOR = 3;
/** A single slow moment is seen in so many adjustments, and says nothing about the next. */
export const BLIP_ADJUSTMENTS = 4;
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
 * What slow reads, and fast ones, make of the rate while it is being found: fast ones before any were slow, and after. And
 * what there being none does.
 */
export const RATE_DECREASE = 0.9;
export const RATE_DECREASE_SEVERE = 0.8;
export const RATE_INCREASE_NEW = 1.06;
export const RATE_INCREASE = 1.01;
export const RATE_INCREASE_UNREAD = 1.25;
/** So many adjustments without reads in a row, and there are none. */
export const UNREAD_ADJUSTMENTS = 10;
/** The same of a rate that is held: what slow reads, very slow ones and fast ones make of it, and the least for the first. */
export const HELD_DECREASE = 0.9;
export const HELD_DECREASE_SEVERE = 0.7;
export const HELD_INCREASE = 1.1;
export const HELD_INCREASE_SLOW = 1.03;
export const HELD_ROOM_MIN = 0.75;
/** Below this share of it, it is not held: more copies at a time may help. */
export const HELD_USED_SHARE = 0.9;
export const RATE_MAX = 1024 * MIB;
/** A rate of which less is used is not what holds copying up. */
export const RATE_USED_SHARE = 0.7;
/** How fast is being copied is judged over so many adjustments. */
export const RATE_ADJUSTMENTS = 3;

/** What reads leave is being found out for so long, if it is not known, and this share of all bytes; no longer than the third. */
export const FIND_MS = 4000;
export const FIND_SHARE = 0.09;
export const FIND_TIMEOUT_MS = 300_000;
/** Once more, after it was held. */
export const REFIND_MS = 15_000;
/** The pace that is held, as a share of the rate that was found beside reads that did not mind; */
export const PACE_OF_FOUND = 0.75;
/** of one beside reads that did; */
export const PACE_OF_FELT = 0.6;
/** of the operator's limit; */
export const PACE_OF_LIMIT = 0.85;
/** of what was done lately, when a pace could not be held. */
export const PACE_OF_DONE = 0.85;
/** What is done lately is known after so long. */
export const DONE_KNOWN_MS = 10_000;
/** Copying aims to be early by this factor. */
export const PACE_MARGIN = 1.15;
/** How far from the pace it goes when it is early, and when it is late. */
export const PACE_LEAD_MAX = 0.5;
export const PACE_BEHIND_MAX = 1.35;
/** What it is trusted to reach when it is late: so much more than what it did lately, and so much of the pace at least. */
export const PACE_REGAINED = 1.15;
export const PACE_DOUBT = 0.5;
/** Later than it can make up for so long, it commits to a later end. */
export const PACE_LATE_MS = 5000;
/** When reads have not minded for so long, and there is as much time left, what they leave is found out again. */
export const REFIND_AFTER_MS = 600_000;
/** What the last phases of the last ranges take beyond their copies. */
export const TAIL_MS = 1000;
/** How many bytes are copied for each that was planned is known after so many; it counts within these bounds. */
export const COST_KNOWN_BYTES = 64 * MIB;
export const COST_MIN = 0.5;
export const COST_MAX = 3;
/** What of a copy is paid for when it begins: its first chunk waits for nothing. */
export const PREPAID_MAX = 8 * MIB;
/** What copies that begin late may make up, milliseconds. */
export const COPY_CREDIT_MS = 1000;

export const BYTES_PER_SECOND_MIN = 64 * 1024;
export const CHANGES_MAX = 1000;
export const REASON_LENGTH_MAX = 200;
/** Rebalances listed at a time. */
export const LIST_MAX = 200;
