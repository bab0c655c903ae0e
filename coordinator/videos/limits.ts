/** Numbers that bound what a client may send or ask for. What an operator may set is in the configuration. */
export const TITLE_LENGTH_MAX = 300;
export const DESCRIPTION_LENGTH_MAX = 20_000;
/** Bytes of UTF-8: the longest name most file systems take. */
export const FILENAME_BYTES_MAX = 255;
export const CONTENT_TYPE_LENGTH_MAX = 255;

export const JSON_BODY_BYTES_MAX = 64 * 1024;

export const FORM_PARTS_MAX = 16;
export const FORM_FIELD_BYTES_MAX = 128 * 1024;
export const FORM_HEADER_BYTES_MAX = 8 * 1024;
/** What a form may add to its file: boundaries, part headers and fields. */
export const FORM_OVERHEAD_BYTES_MAX = FORM_PARTS_MAX * (FORM_FIELD_BYTES_MAX + FORM_HEADER_BYTES_MAX);

export const LIST_LENGTH_DEFAULT = 20;
export const LIST_LENGTH_MAX = 100;

/** Ranges of one request, counted after overlapping and adjacent ones were joined. */
export const RANGES_MAX = 16;

/** How often a change is tried again because another one came first. */
export const EDIT_ATTEMPTS_MAX = 20;
/** How long a new record may be on its way to the nodes before the sweep may take it for garbage. */
export const RECORD_LEASE_MS = 120_000;
/** Longest time that a deletion waits for nodes to forget the video's record. */
export const RECORD_REMOVAL_WAIT_MS = 1000;
/** Videos without a record that are looked up at a time. */
export const RECORD_BACKFILL_BATCH = 100;
/** Longer than a batch takes by far. */
export const RECORD_BACKFILL_LEASE_MS = 600_000;
/** How often videos without a record are looked for. */
export const RECORD_BACKFILL_RETRY_MS = 60_000;

/** Videos without SHA-256 that are looked up at a time, and how often. */
export const SHA256_BACKFILL_BATCH = 20;
export const SHA256_BACKFILL_INTERVAL_MS = 5000;
/** Longer than a node takes for one request to hash chunks. */
export const SHA256_BACKFILL_LEASE_MS = 300_000;

/** Object ids of one lease renewal. */
export const LEASE_BATCH_LENGTH = 500;

/** Between looks for sources that may be dropped, and how many are looked up at a time. */
export const SOURCE_DROPS_INTERVAL_MS = 5000;
export const SOURCE_DROPS_BATCH = 100;
