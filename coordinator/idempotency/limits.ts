/** How long an answer is kept to be given again. */
export const KEY_MEMORY_MS = 86_400_000;
/** How long a request that was begun may be silent before another one with its key may take its place. */
export const KEY_LEASE_MS = 60_000;
export const KEY_RENEWAL_MS = 15_000;
export const KEY_UPKEEP_INTERVAL_MS = 600_000;
/** Longest answer that is kept, characters; those of creations are short. */
export const ANSWER_LENGTH_MAX = 1_000_000;
