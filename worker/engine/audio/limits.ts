/** Seconds of a segment where no pictures say how long it is. */
export const SEGMENT_SECONDS = 6;
/** Sound that goes on this long after the last picture still belongs to the last segment. */
export const TAIL_SECONDS_MAX = 1;
/** Sound that is off by more than this is moved to where it belongs: one picture's time. */
export const DRIFT_SECONDS_MAX = 0.04;
/** Samples of an AAC frame. */
export const FRAME_SAMPLES = 1024;
