/** Chunks in one page of a node's listing. */
export const SCAN_PAGE_CHUNKS = 5000;
/** Objects whose records are read at the same time, and whose rows go into the database together. */
export const OBJECTS_AT_ONCE = 32;
/** Chunk rows of one statement. */
export const ROWS_AT_ONCE = 10_000;
/** Items that a report lists of each kind; it counts all. */
export const REPORT_ITEMS_MAX = 1000;
/** Missing chunks that a report lists of one video. */
export const REPORT_CHUNKS_MAX = 20;
/** Longest wait for a node's next byte. */
export const READ_STALL_MS = 10_000;
