/** Pictures of one rung that are encoded at once; each takes memory, and costs a little quality. */
export const ENCODER_THREADS_MAX = 4;

/** Ticks a second that leave room between pictures as they are; coarser ones are divided by so many. */
export const FINE_TIMESCALE = 48_000;
export const TICK_DIVISION = 16;
