/** Pictures of one rung that are encoded at once; each takes memory, and costs a little quality. */
export const ENCODER_THREADS_MAX = 4;
