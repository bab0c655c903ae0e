const MIB = 1024 * 1024;

/** Longest files, bytes. */
export const CAPTIONS_BYTES_MAX = 2 * MIB;
export const POSTER_BYTES_MAX = 10 * MIB;
export const DOCUMENT_BYTES_MAX = 64 * MIB;
/** Of one video. */
export const ATTACHMENTS_MAX = 64;
/** What tells a file's type. */
export const HEAD_BYTES = 4100;
/** Captions that are read into memory at a time; further ones are refused. */
export const CAPTIONS_AT_ONCE = 16;
/** How long captions, and the head of anything else, may take to arrive. */
export const HEAD_TIMEOUT_MS = 60_000;

export const LABEL_LENGTH_MAX = 100;
export const CUES_MAX = 50_000;
