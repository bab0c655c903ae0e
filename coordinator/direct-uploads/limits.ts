/** Bounds of direct uploads, with their units. */

/** How long an upload lives after it was last asked for URLs. */
export const UPLOAD_LEASE_MS = 86_400_000;
/** How long the URL of a part is good. */
export const PART_URL_LIFETIME_S = 3600;
/** How long an upload that is complete is remembered, so that a repeated request gets the same answer. */
export const COMPLETED_MEMORY_MS = 86_400_000;
export const UPKEEP_INTERVAL_MS = 60_000;

/** URLs in one answer. */
export const PARTS_PAGE_DEFAULT = 128;
export const PARTS_PAGE_MAX = 1024;
/** Parts that one request for URLs looks at to find those which are missing. */
export const PARTS_SCANNED_MAX = 4096;
/** Parts that are asked about together: none of the ring's steps can end meanwhile. */
export const INSPECTED_PARTS = 128;
/** Copies that a completion has made at the same time. */
export const COPIES_AT_ONCE = 4;
/** Nodes that a part was meant for one after the other because the one before was not up; the last one stays. */
export const ATTEMPTS_MAX = 32;

/** Missing parts that an answer names. */
export const MISSING_NAMED_MAX = 1000;
/** How long a request to complete waits; then the client asks again. */
export const COMPLETION_WAIT_MS = 25_000;
/** Longest time for a node to say which chunks it has. */
export const STAT_TIMEOUT_MS = 5000;
export const STAT_ANSWER_BYTES_MAX = 64 * 1024;
