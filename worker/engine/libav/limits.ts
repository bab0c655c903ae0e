/** Bytes that FFmpeg asks for at once: whole pages of the ring's chunks, so that a film is few requests. */
export const IO_BUFFER_BYTES = 512 * 1024;

/** How much of a file is looked at to learn what is in it. */
export const PROBE_BYTES_MAX = 8 * 1024 * 1024;
export const PROBE_DURATION_SECONDS_MAX = 10;
export const STREAMS_MAX = 100;

/** Damaged packets in a row after which nothing readable is expected any more. */
export const UNREADABLE_PACKETS_MAX = 1000;

/** Pictures larger than this are not decoded: 8192 x 8192. */
export const PIXELS_MAX = 8192 * 8192;

/** Frames that are decoded at once; each is a picture's worth of memory. */
export const DECODER_THREADS_MAX = 4;
