/** Bounds of resumable uploads, with their units. What an operator may set is in the configuration. */

/** How long a coordinator that died keeps others from an upload. */
export const LOCK_TTL_MS = 6000;
/** How often a lock is renewed. */
export const LOCK_RENEWAL_MS = 2000;
/** How long a request waits until the one before has let go of its upload: longer than that may take to store its rest. */
export const LOCK_WAIT_MAX_MS = 12_000;
/** How often it looks whether that is so; a message mostly comes first. */
export const LOCK_POLL_MS = 250;
/** A request that is asked to let go goes on until no byte has come for so long ... */
export const LULL_MS = 100;
/** ... looked at so often, each time after whatever had arrived was read ... */
export const LULL_LOOKS = 4;
/** ... but no longer than this. */
export const LULL_WAIT_MAX_MS = 2000;
/** How long a request that was cut off, or has to let go, may take to store what had come. */
export const FLUSH_MAX_MS = 5000;

/**
 * What is appended to an upload that ends in a chunk shorter than this becomes one chunk with it, so that uploads in small
 * pieces do not end up as many small chunks. The short chunk is read back and stored again.
 */
export const TAIL_BYTES_MAX = 1024 * 1024;
/** That is done when the chunk is at most so many times as long as what is appended, so that it costs in proportion ... */
export const TAIL_RATIO_MAX = 8;
/** ... or when it is shorter than this: an upload has about one chunk for each so many bytes at most, however it is sent. */
export const TAIL_BYTES_MIN = 64 * 1024;
/** Tails read back at a time; whoever comes then begins a new chunk. */
export const TAILS_MAX = 16;

/** Uploads whose SHA-256 so far is kept in memory. The others get theirs after they are complete. */
export const HASHES_MAX = 1000;

/** Parts of one final upload. */
export const PARTIALS_MAX = 1000;
/** Longest `Upload-Metadata`, characters. */
export const METADATA_LENGTH_MAX = 8192;

/** How often completed uploads are looked through for those that have expired. */
export const EXPIRY_INTERVAL_MS = 60_000;
