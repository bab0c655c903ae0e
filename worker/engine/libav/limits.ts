/** Bytes that are asked of a source at once, so that a film is few requests. */
export const READ_BLOCK_BYTES = 512 * 1024;
/** Blocks that are kept: pictures and sound may lie far apart and be read in turns. */
export const READ_BLOCKS_MAX = 4;
/** Bytes that FFmpeg asks for at once. Not more, because node-av 6.1 does not free its buffer: a process loses one a source. */
export const IO_BUFFER_BYTES = 32 * 1024;

/** How much of a file is looked at to learn what is in it. */
export const PROBE_BYTES_MAX = 8 * 1024 * 1024;
export const PROBE_DURATION_SECONDS_MAX = 10;
export const STREAMS_MAX = 100;

/** Damaged packets in a row after which nothing readable is expected any more. */
export const UNREADABLE_PACKETS_MAX = 1000;

/** Pictures larger than this are not decoded: 8192 x 8192. */
export const PIXELS_MAX = 8192 * 8192;

/** Pictures that are decoded at once; each takes its memory. */
export const DECODER_THREADS_MAX = 4;
