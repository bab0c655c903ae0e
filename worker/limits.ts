/** Bounds of a worker, with their units. */

/** Bytes of one addition to an output; see the coordinator's API. */
export const APPEND_BYTES_MAX = 8 * 1024 * 1024;

/** How long a request for work may be held by the coordinator. */
export const LEASE_WAIT_MS = 25_000;
/** Beyond that, how long any answer may take. */
export const ANSWER_TIMEOUT_MS = 60_000;
/** Before a request is tried again: at first, and at most. */
export const RETRY_DELAY_MIN_MS = 200;
export const RETRY_DELAY_MAX_MS = 2000;
/** A read or an addition that has failed for so long fails the attempt at the task. */
export const TRANSFER_RETRY_MS = 120_000;

/** Reads that follow each other fetch so much at a time, and the next as much ahead ... */
export const READ_AHEAD_BYTES = 4 * 1024 * 1024;
/** ... others so much at least. */
export const READ_BYTES_MIN = 128 * 1024;
/** What is kept of what was read. */
export const READ_CACHE_BYTES = 32 * 1024 * 1024;

/** How often a child says how far it is. */
export const PROGRESS_INTERVAL_MS = 250;
/** How often a child's memory is looked at. */
export const WATCH_INTERVAL_MS = 250;
/** Tasks that one child does before another takes its place. */
export const CHILD_TASKS_MAX = 50;
/** How long a child may take to start. */
export const CHILD_START_MS = 60_000;
/** Before another child is started in place of one that did not come up. */
export const CHILD_RESTART_DELAY_MS = 2000;
