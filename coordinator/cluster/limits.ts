/** Bounds of the cluster's own traffic, with their units. */

/** Longest wait for a storage node's answer to a question about itself. */
export const PROBE_TIMEOUT_MS = 5000;
/** How long a signed request to a storage node stays valid. */
export const SIGNATURE_LIFETIME_S = 60;
export const PROBE_BYTES_MAX = 64 * 1024;

export const HEALTH_INTERVAL_MS = 1000;
export const HEALTH_TIMEOUT_MS = 2000;
/** A node that has not answered for this long is down. */
export const DOWN_AFTER_MS = 10_000;

/** Layout and nodes are read again this often even when no notification says so. */
export const RELOAD_INTERVAL_MS = 10_000;
/** How often the database is told which nodes were seen. */
export const LAST_SEEN_INTERVAL_MS = 60_000;

/** Pause before nodes of the static list that could not be registered are tried again. */
export const REGISTER_RETRY_MS = 1000;

export const SWEEP_INTERVAL_MS = 300_000;
/** Chunks younger than this are left alone whatever the database says. */
export const SWEEP_MIN_AGE_MS = 60_000;
/** How often open objects are expired. */
export const EXPIRY_INTERVAL_MS = 30_000;
/** The sweep's lease: longer than the pause between two renewals by far. */
export const SWEEP_LEASE_MS = 90_000;
/** Chunks in one page of a node's listing, and in one question to the database. */
export const SWEEP_PAGE_CHUNKS = 1000;
/** Deletions under way on one node at a time. */
export const SWEEP_DELETES_MAX = 4;
/** Nodes swept at a time. */
export const SWEEP_NODES_MAX = 4;

/** What a storage node says of itself, too, when nothing is configured. */
export const WEIGHT_DEFAULT = 1;
export const ZONE_DEFAULT = 'default';
export const WEIGHT_MAX = 1_000_000;

/** How long a coordinator that says nothing more holds up a change of the ring. */
export const PRESENCE_TTL_MS = 10_000;
export const PRESENCE_INTERVAL_MS = 2000;
/** A coordinator stops writing after this share of its lease, so clocks may differ in speed by the rest. */
export const PRESENCE_SAFETY_SHARE = 0.75;
/** How often a barrier looks, if no notification comes. */
export const BARRIER_POLL_MS = 250;

/** Longest page of a node's listing. */
export const INVENTORY_PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Longest wait for a node that looks through a range. */
export const DIGEST_TIMEOUT_MS = 30_000;
/** Longest wait for a node that drops a range. */
export const DROP_TIMEOUT_MS = 60_000;
/** Longest wait for a node that copies one chunk from another. */
export const CHUNK_COPY_TIMEOUT_MS = 30_000;
/** A pull tells its progress once a second. */
export const PULL_IDLE_TIMEOUT_MS = 15_000;
export const PULL_LINE_BYTES_MAX = 64 * 1024;

/** Events that are kept; older ones are forgotten. */
export const EVENTS_KEPT = 10_000;
/** Below what a notification may carry. */
export const EVENT_PAYLOAD_BYTES_MAX = 7900;
/** Kept events that a client which comes back is told at most. */
export const EVENTS_REPLAYED_MAX = 1000;
/** So that proxies and clients see that the stream lives. */
export const EVENT_HEARTBEAT_MS = 15_000;
/** Events that wait for a client that does not read; then it is cut off and may come back. */
export const EVENTS_WAITING_MAX = 1000;
/** Longest JSON body of an admin request. */
export const ADMIN_BODY_BYTES_MAX = 64 * 1024;
