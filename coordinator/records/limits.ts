/** Chunks that one line of a record names. */
export const LINE_CHUNKS_MAX = 1000;
/** Longest line of a record, characters: a head with the longest description, or a full line of chunks. */
export const LINE_LENGTH_MAX = 512 * 1024;
/** Up to so many chunks a record is compressed where it is made: handing it to another thread costs more. */
export const INLINE_CHUNKS_MAX = 200;
/** Longest document, uncompressed: a manifest of ten million chunks. */
export const DOCUMENT_BYTES_MAX = 512 * 1024 * 1024;
