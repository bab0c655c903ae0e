/** Bounds of transcoding, with their units. */

/** Audio tracks of a video that are made playable. */
export const AUDIO_TRACKS_MAX = 8;
/** How long a piece is that one worker encodes: a title in about so many, but none beyond these. */
export const PIECES_AIM = 8;
export const PIECE_SECONDS_MIN = 20;
export const PIECE_SECONDS_MAX = 90;

/** A task whose attempts all failed is given up. */
export const ATTEMPTS_MAX = 4;
/** Before the second attempt; four times as long before each further one. */
export const RETRY_DELAY_MS = 2000;

/** Requests for work that may wait here at a time. */
export const LEASES_WAITING_MAX = 1000;
/** How long the address of a source is good; a heartbeat brings another one in time. */
export const SOURCE_URL_LIFETIME_S = 3600;

/** Bytes of one addition to an output. */
export const APPEND_BYTES_MAX = 8 * 1024 * 1024;
export const OUTPUTS_MAX = 128;
export const OUTPUT_BYTES_MAX = 64 * 1024 ** 3;
/** Bytes of what a worker says that it made: four hours in segments of a second, in several renditions. */
export const RESULT_BYTES_MAX = 8 * 1024 * 1024;
/** Of other messages of workers. */
export const MESSAGE_BYTES_MAX = 64 * 1024;
export const MESSAGE_TIMEOUT_MS = 30_000;

/** How often videos without a job are looked for, and how many of their jobs may wait at a time. */
export const BACKFILL_INTERVAL_MS = 300_000;
export const BACKFILL_WAITING_MAX = 100;

/** Workers that were silent for so long are forgotten. */
export const WORKER_MEMORY_MS = 86_400_000;
/** One that was silent for so long is not shown as running. */
export const WORKER_SILENT_MS = 60_000;

/** Jobs of one video that are remembered, the latest ones. */
export const JOBS_KEPT_MAX = 10;
export const JOBS_LENGTH_DEFAULT = 20;
export const JOBS_LENGTH_MAX = 100;
/** Tasks of a job that are shown; of all of them there are counts. */
export const TASKS_SHOWN_MAX = 1000;
/** Before a task is tried again whose workers were lost more than once: it may be what ends them. */
export const RELAPSE_DELAY_MS = 5000;
