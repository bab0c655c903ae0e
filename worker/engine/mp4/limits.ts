/** A `moov` of a day at 60 pictures a second has about 100 MiB. */
export const MOOV_BYTES_MAX = 128 * 1024 * 1024;
/** Boxes side by side that are looked at: more are no film's. */
export const BOXES_MAX = 4096;
/** Of one track: a day at 60 pictures a second. Its table takes 25 bytes a sample. */
export const SAMPLES_MAX = 6_000_000;
/** Of all tracks together. */
export const MOVIE_SAMPLES_MAX = 16_000_000;
export const TRACKS_MAX = 64;
export const EDITS_MAX = 1024;
/** Samples of a track times the parts of it that are shown, where there are several: each may be nearly all of it. */
export const EDITED_SAMPLES_MAX = 4_000_000;
/** Of a codec's description, so that an initialization segment stays small. */
export const SAMPLE_ENTRY_BYTES_MAX = 32 * 1024;
/** Read at once. */
export const READ_BYTES = 4 * 1024 * 1024;
/** Read where the header of a box is expected; what it precedes is often in it. */
export const GLANCE_BYTES = 64 * 1024;
