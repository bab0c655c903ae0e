import { BLOCK_BYTES } from '../lib/bytes/checksum.ts';

/** Everything that bounds something on a storage node, with its unit. */

const MIB = 1024 * 1024;

/** Longest chunk a node stores; also the size of a write buffer. */
export const CHUNK_BYTES_MAX = 8 * MIB;
/** Chunks received or pulled at the same time; further ones wait in order. */
export const WRITE_BUFFERS = 3;
/**
 * Chunks up to this length live inside the index, longer ones in files of their own. Short, because LevelDB maps
 * the tables of the index into memory, where they count as the process's.
 */
export const INLINE_BYTES_MAX = 1024;

/** Piece in which chunks are read, verified and sent: a range of 1 MiB is one piece, wherever it begins. */
export const READ_PIECE_BYTES = MIB + BLOCK_BYTES;
export const READ_PIECES = 12;
/** Readers that find every piece taken (by slow clients, mostly) go on in pieces of one block. */
export const SMALL_READ_PIECE_BYTES = BLOCK_BYTES;
export const SMALL_READ_PIECES = 128;

/** Clients that are sent segments at a time; one more is refused. Each holds a piece while it is slow. */
export const SLICES_MAX = 96;
/** While there are more than this, they are sent in the small pieces. */
export const LARGE_PIECE_SLICES_MAX = 6;

/** A read from the page cache that takes longer than this was none, or the machine has other worries. */
export const HOT_READ_SLOW_MS = 20;
/** After one, how long everything is read by other threads. */
export const HOT_READ_PAUSE_MS = 2000;

/** Decoded index entries kept in memory, bytes (estimated). */
export const ENTRY_CACHE_BYTES = 4 * MIB;
/** Chunk files kept open for reading. */
export const OPEN_FILES = 128;

/** Free space of the disk that a node never touches; below it every write is refused. */
export const DISK_FREE_BYTES_MIN = 128 * MIB;
/** Without a given capacity: the share of the disk that stays free. */
export const DISK_RESERVE_SHARE = 0.05;
/** How old a look at the disk's free space may be. */
export const DISK_FREE_MAX_AGE_MS = 1000;

/** Longest time without a byte of a request's body. */
export const BODY_IDLE_TIMEOUT_MS = 30_000;
/** Longest time a chunk's body may take in all: 70 kB/s are enough for the longest. */
export const BODY_TIMEOUT_MS = 120_000;
/** Longest time in which a client takes nothing of a response. Long: the kernel takes a slow one's bytes in big steps. */
export const SEND_IDLE_TIMEOUT_MS = 120_000;
/** Longest time without a byte from a node or coordinator that chunks are pulled from. */
export const SOURCE_IDLE_TIMEOUT_MS = 10_000;
export const SOURCE_CONNECT_TIMEOUT_MS = 3000;
/** As many as one range pull uses. */
export const SOURCE_IDLE_CONNECTIONS = 16;

/** Parts of direct uploads that are received and handed on at the same time; further ones wait in order. */
export const PART_BUFFERS = 4;
/** Clients that may wait for that; one more is refused. */
export const PARTS_WAITING_MAX = 64;
/** How long another node may take to fetch and store a part, and how much longer once a quorum has it. */
export const PART_COPY_TIMEOUT_MS = 15_000;
export const PART_STRAGGLER_TIMEOUT_MS = 5000;

/** Objects whose SHA-256 is being computed here. */
export const DIGEST_SESSIONS_MAX = 8;
/** How long one of them is remembered that nobody goes on with. */
export const DIGEST_SESSION_IDLE_MS = 120_000;

/** Longest JSON request body. */
export const JSON_BYTES_MAX = 16 * 1024;
export const LIST_LIMIT_DEFAULT = 1000;
export const LIST_LIMIT_MAX = 10_000;
/** Longest page of another node's listing. */
export const LIST_PAGE_BYTES_MAX = 4 * MIB;
/**
 * Chunks up to this length are pulled many at a time, so that they share the syncs which cost most of their time, and
 * into buffers of their own, which are small.
 */
export const PULL_SMALL_BYTES_MAX = BLOCK_BYTES;
export const PULL_SMALL_AT_ONCE = 16;
/** Chunks in a row that are not what the source lists, after which its listing is not believed any more. */
export const PULL_FAILURES_IN_A_ROW_MAX = 5;
/** Chunks that a pull names among those it could not copy. */
export const PULL_FAILED_NAMED_MAX = 20;
/** Entries asked for at a time while a range is pulled. */
export const PULL_PAGE_LIMIT = 1000;
export const PULL_PROGRESS_INTERVAL_MS = 1000;
/** How long a signed request to another node stays valid. */
export const SIGNATURE_LIFETIME_S = 60;

/** What the scrub reads a second unless it is told otherwise. */
export const SCRUB_RATE_DEFAULT_BYTES = 16 * MIB;
/** Shortest time from the start of a scrub's pass to the start of the next, unless told otherwise. */
export const SCRUB_INTERVAL_DEFAULT_MS = 24 * 3_600_000;
/** Entries and names that the scrub looks at together. */
export const SCRUB_PAGE_ENTRIES = 100;
/** How much of a scrub a crash may make it do again. */
export const SCRUB_SAVE_INTERVAL_MS = 60_000;
/** How long a scrub that failed as a whole waits before it goes on. */
export const SCRUB_RETRY_DELAY_MS = 60_000;

/** Chunks set aside that a node remembers; the oldest is forgotten for a further one. */
export const QUARANTINE_CHUNKS_MAX = 10_000;
/** Share of the capacity that their bytes may take; beyond it the oldest lose theirs. */
export const QUARANTINE_CAPACITY_SHARE = 0.05;

export const HEADERS_TIMEOUT_MS = 10_000;
export const KEEP_ALIVE_TIMEOUT_MS = 60_000;
export const HEADER_BYTES_MAX = 16 * 1024;
/** How long open requests may go on once a stop began. */
export const DRAIN_TIMEOUT_MS = 10_000;
export const STOP_TIMEOUT_MS = 20_000;

export const JOIN_BACKOFF_MIN_MS = 200;
export const JOIN_BACKOFF_MAX_MS = 5000;
