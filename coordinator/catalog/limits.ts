/** Numbers that bound the catalog. Units are in the names. */

export const TITLE_LENGTH_MAX = 500;
export const NAME_LENGTH_MAX = 200;
export const DIRECTORS_MAX = 50;
export const GENRES_MAX = 50;
export const GENRE_LENGTH_MAX = 60;
export const SYNOPSIS_LENGTH_MAX = 10_000;
export const POSTER_LENGTH_MAX = 2048;
export const YEAR_MIN = 1850;
export const YEAR_MAX = 2200;
export const RUNTIME_MINUTES_MAX = 60_000;
export const JSON_BODY_BYTES_MAX = 128 * 1024;

export const QUERY_LENGTH_MAX = 200;
/** Words of a query that count. */
export const QUERY_WORDS_MAX = 12;
export const LIST_LENGTH_DEFAULT = 20;
export const LIST_LENGTH_MAX = 100;
export const SUGGESTIONS_DEFAULT = 8;
export const SUGGESTIONS_MAX = 20;
/** Values of each facet. */
export const FACET_VALUES_MAX = 50;
/** Directors are counted among so many of the best matches; genres and years among all. */
export const FACET_DIRECTORS_DOCS_MAX = 20_000;

/** Movies of one segment: their numbers have 16 bits. */
export const SEGMENT_DOCS_MAX = 65_536;
/** Text that a segment is made of, characters; it ends before. */
export const SEGMENT_TEXT_MAX = 48 * 1024 * 1024;
/** Changed movies that wait in memory for a segment of their own. */
export const CHANGES_MAX = 1000;
/** So many segments with fewer movies than this are made into one. */
export const SMALL_SEGMENTS_MAX = 8;
export const SMALL_SEGMENT_DOCS = 24_000;
/** A part of a segment as it lies in the database: decoding a larger one would hold up others. */
export const PART_BYTES = 256 * 1024;
/** Words of a movie that can be found. */
export const MOVIE_WORDS_MAX = 1000;
export const WORD_LENGTH_MAX = 40;

/** Words that a beginning may stand for, the most frequent ones, in a segment. */
export const PREFIX_WORDS_MAX = 256;
/** Of each word that a single beginning may stand for, suggestions look at so many of a segment's most popular movies: */
export const SUGGESTED_DOCS_MAX = 50;
/** at least, however many segments there are. */
export const SUGGESTED_DOCS_MIN = 12;
/** Words that a misspelt one may stand for. */
export const CORRECTIONS_MAX = 8;
export const CORRECTIONS_CACHED_MAX = 1000;
/** A search lets others have their turn after this time. */
export const TURN_MS = 1;
/** A search that waits for its turn is preferred as if it had worked so much less, for each millisecond. */
export const WAIT_SHARE = 0.25;

/** From so many movies on, searches have a thread of their own. */
export const SEARCH_THREAD_MOVIES_MIN = 20_000;
/** How long a search waits for a thread that is being started again. */
export const SEARCH_WAIT_MS = 5000;
/** How long after its start a thread that ends is started again at once; earlier, it waits for longer each time. */
export const THREAD_STEADY_MS = 60_000;
export const THREAD_RESTART_MIN_MS = 100;
export const THREAD_RESTART_MAX_MS = 30_000;

/** Movies that one statement reads for several who wait. */
export const GATHERED_IDS_MAX = 500;
/** Statements that read movies at the same time, on PostgreSQL; PGlite runs one. */
export const MOVIE_READS_MAX = 4;

/** Movies whose JSON is kept in memory, and how many bytes they may have together. */
export const CACHED_MOVIES_MAX = 50_000;
export const CACHED_BYTES_MAX = 64 * 1024 * 1024;
export const CACHED_ANSWERS_MAX = 2000;
/** What may have come into these caches between two collections of the young generation: each takes 2 ms then. */
export const COLLECT_EVERY_BYTES = 128 * 1024;
/** Whatever becomes of notifications, nothing older than this is served from memory. */
export const STALE_MS_MAX = 30_000;
/** How often the index is compared with the database's, should a notification have been lost. */
export const SYNC_INTERVAL_MS = 10_000;
/** How often waiting changes and small segments are looked at. */
export const UPKEEP_INTERVAL_MS = 5000;
export const UPKEEP_LEASE_MS = 120_000;
/** How long answers may be kept by others without asking again. */
export const MAX_AGE_S = 10;

/** By how much the thread of the searches lets that go first which answers everybody. */
export const SEARCH_NICENESS = 5;
/** By how much threads that make segments let all go first that answer. */
export const BACKGROUND_NICENESS = 10;

export const IMPORT_BYTES_MAX = 64 * 1024 ** 3;
export const IMPORT_IDLE_TIMEOUT_MS = 60_000;
/** One element of the array, or one line. */
export const IMPORT_RECORD_BYTES_MAX = 2 * 1024 * 1024;
/** Movies of one statement: others wait for as long as it runs. */
export const IMPORT_ROWS = 1000;
/** Statements that an import may have on their way. */
export const IMPORT_STATEMENTS_MAX = 2;
/** What an import may have taken in or stored between two collections of the young generation. */
export const IMPORT_COLLECT_EVERY_BYTES = 4 * 1024 * 1024;
/** Bytes that the parsing thread may have before it. */
export const IMPORT_BUFFER_BYTES = 4 * 1024 * 1024;
export const IMPORT_PROBLEMS_MAX = 100;
export const IMPORT_VALUE_LENGTH_MAX = 100;
export const IMPORT_LEASE_MS = 30_000;
