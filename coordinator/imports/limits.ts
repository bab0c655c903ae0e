/** Bounds of uploads from URLs, with their units. */

/** Imports that one coordinator runs at a time. */
export const IMPORTS_AT_ONCE = 2;
/** Imports of one owner that are not at their end. */
export const IMPORTS_OPEN_MAX = 20;
/** How often a coordinator looks for imports that nobody runs. */
export const IMPORT_POLL_MS = 5000;
/** How often a coordinator notes how far an import is, at most; three times in a lease otherwise. */
export const IMPORT_PROGRESS_MS = 3000;
/** How often an import is begun, and the pause before the second time; it doubles. */
export const IMPORT_ATTEMPTS_MAX = 5;
export const IMPORT_RETRY_MS = 5000;
/** Longest time for one attempt. */
export const IMPORT_TIMEOUT_MS = 12 * 3_600_000;
/** How long imports that are at their end are remembered. */
export const IMPORT_MEMORY_MS = 7 * 86_400_000;

export const URL_LENGTH_MAX = 2048;
export const REDIRECTS_MAX = 5;
export const CONNECT_TIMEOUT_MS = 10_000;
/** Longest time for the head of an answer, and without a byte of its body. */
export const ORIGIN_IDLE_MS = 30_000;
/** How often a body that broke off is asked for again from where it did, and the pause before. */
export const RESUMES_MAX = 20;
export const RESUME_PAUSE_MS = 1000;
