/** Bounds of repair, with their units. */

export const REPAIR_LEASE = 'repair';
/** How long after the death of the coordinator that repairs another one takes over. */
export const REPAIR_LEASE_MS = 10_000;
/** How often is looked for something to do. */
export const REPAIR_INTERVAL_MS = 1000;
/** Suspicions wait this long for others, so that many of one range are one write. */
export const SUSPICION_FLUSH_MS = 200;

/** Every range is checked this often when nothing points to it. */
export const CENSUS_INTERVAL_MS = 1_800_000;
/** Ranges checked before the chunks that they lack are copied, the rarest first. */
export const BATCH_RANGES = 128;
/** Ranges checked at a time. */
export const CHECKS_MAX = 6;
/** Chunks copied at a time. */
export const COPIES_MAX = 4;
/** Chunks of one range that are listed as short at most; all are counted. */
export const SHORT_LISTED_MAX = 1000;
/** Short chunks shown with the status. */
export const SHORT_SAMPLE = 100;
/** A range that could not be repaired is tried again after this long. */
export const RETRY_MS = 15_000;

/** How often nodes are asked for what they set aside, and whose data they have. */
export const NODE_WATCH_INTERVAL_MS = 5000;
export const QUARANTINE_PAGE = 1000;
export const QUARANTINE_BYTES_MAX = 4 * 1024 * 1024;
export const HEALTH_TIMEOUT_MS = 2000;

/**
 * So long, or as long as it takes to be declared lost, a coordinator has to have seen a node down by itself: after an
 * outage of everything, nodes that are slow to start must not lose their ranges.
 */
export const WATCHED_DOWN_MS = 300_000;

/** A node that is down for longer is declared lost. */
export const REPLICATE_AFTER_MS = 900_000;
