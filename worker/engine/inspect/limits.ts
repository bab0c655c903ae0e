/** Segments go on up to the first keyframe after this long. */
export const SEGMENT_SECONDS = 4;
/** Of sound without pictures. */
export const SOUND_SEGMENT_SECONDS = 6;
/** A player has to wait for a whole segment: pictures with keyframes further apart are encoded. */
export const SEGMENT_SECONDS_MAX = 20;
/** As results and rows have them. */
export const SEGMENTS_MAX = 100_000;
export const DURATION_TICKS_MAX = 2 ** 31 - 1;
/** A cut-off file is played as far as it goes, if that is so long at least. */
export const CUT_OFF_SECONDS_MIN = 1;
/** Ticks a second of a plan: fine enough for pictures, and rough enough that a segment's length is a number of 32 bits. */
export const TIMESCALE_MIN = 1000;
export const TIMESCALE_MAX = 10_000_000;
/** Longer ones are mistakes of a file. */
export const DURATION_SECONDS_MAX = 7 * 24 * 3600;
/** Before the end that a file tells of, looked through for the end that it has. */
export const END_SECONDS = 10;
/** Of the first picture, looked at to see whether it is what the file says. */
export const PICTURE_GLANCE_BYTES = 64 * 1024;
/** Each has up to 16 bytes in a recipe's header. */
export const SEGMENT_SAMPLES_MAX = 50_000;
/** From decoding to being shown; more is no reordering of pictures. */
export const DELAY_SECONDS_MAX = 5;
