/** Of a stream whose keyframes are far apart: what waits for the next one in memory. */
export const SEGMENT_BYTES_MAX = 192 * 1024 * 1024;
/** Sound waits for the pictures' next boundary up to so many seconds after the last one, then it is cut by itself. */
export const SOUND_WAIT_SECONDS = 30;
/** A frame of sound begins when the one before ends, where the container says so but for this share of a frame. */
export const JITTER_SHARE = 0.5;
/** Packets between two signs of life. */
export const PACKETS_BETWEEN_SIGNS = 200;
