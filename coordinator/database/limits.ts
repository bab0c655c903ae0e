/** Bounds of the database layer, with their units. */

/** Connections one coordinator keeps to PostgreSQL, besides the one that listens for notifications. */
export const POOL_CONNECTIONS_MAX = 10;
/** A connection that is not established by then counts as refused. */
export const CONNECT_TIMEOUT_MS = 5000;
/** How long a starting coordinator waits for PostgreSQL to accept connections, or for PGlite's directory to be free. */
export const START_WAIT_MS = 30_000;
export const START_RETRY_MS = 500;
/** Idle TCP connections are probed after this long. */
export const KEEP_ALIVE_DELAY_MS = 10_000;

/** The listening connection proves that it is alive this often ... */
export const HEARTBEAT_INTERVAL_MS = 15_000;
/** ... and counts as lost when the answer takes longer than this. */
export const HEARTBEAT_TIMEOUT_MS = 5000;
export const RECONNECT_DELAY_MIN_MS = 100;
export const RECONNECT_DELAY_MAX_MS = 5000;

/** PostgreSQL refuses payloads of 8000 bytes and more. */
export const NOTIFICATION_BYTES_MAX = 7999;

/** How often a process that waits for PGlite's directory tries again. */
export const LOCK_RETRY_MS = 50;
/** Statements that PGlite keeps prepared; some 20 KiB each. Those that come later are parsed every time. */
export const PREPARED_STATEMENTS_MAX = 100;
/** How often PGlite is looked after: whether it needs a checkpoint, and every so many times whether it needs more. */
export const CHECKPOINT_LOOK_INTERVAL_MS = 2000;
export const LOOKS_PER_ROUND = 5;
/** So much write-ahead log is worth a checkpoint at a look, unless more than so much has come since the look before. */
export const EARLY_WAL_BYTES_MIN = 4 * 1024 * 1024;
export const EARLY_WAL_BYTES_MAX = 16 * 1024 * 1024;
/** At a round a checkpoint is due after this much write-ahead log; statements wait for as long as writing that takes. */
export const CHECKPOINT_WAL_BYTES = 16 * 1024 * 1024;
/** ... or after this time, if anything was written. */
export const CHECKPOINT_AGE_MS = 300_000;
/** A table is vacuumed after this many changed rows and this share of its rows. */
export const VACUUM_ROWS_MIN = 1000;
export const VACUUM_ROWS_SHARE = 0.2;
