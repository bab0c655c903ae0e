/** Bounds of webhooks, with their units. */

const S = 1000;
const MIN = 60 * S;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

/** Endpoints of one user, or of the operator, and those of all together that hear of everything. */
export const ENDPOINTS_PER_OWNER_MAX = 10;
export const ENDPOINTS_FOR_ALL_MAX = 50;
export const DESCRIPTION_LENGTH_MAX = 500;
export const JSON_BODY_BYTES_MAX = 16 * 1024;
export const LIST_LENGTH_DEFAULT = 50;
export const LIST_LENGTH_MAX = 100;

/** As the specification of Standard Webhooks has it: 24 to 64 bytes. */
export const SECRET_BYTES = 32;
/** How long a secret that was replaced still signs, unless the request says otherwise, and at most. */
export const ROTATION_OVERLAP_S_DEFAULT = 86_400;
export const ROTATION_OVERLAP_S_MAX = 7 * 86_400;
/** Secrets that sign beside the current one. */
export const FORMER_SECRETS_MAX = 4;

/** What an event may be as JSON; the description of a video is cut before, the reason of a failure as well. */
export const EVENT_BYTES_MAX = 20_000;
export const EVENT_DESCRIPTION_LENGTH_MAX = 1000;
export const EVENT_REASON_LENGTH_MAX = 500;

/** Pauses before the second attempt, the third, and so on: three days in all, as the specification proposes. */
export const RETRY_DELAYS_MS: readonly number[] = [
  ...[5 * S, 5 * MIN, 30 * MIN, 2 * HOUR, 5 * HOUR],
  ...[10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR],
];
/** Each is longer by up to this share, so that what failed together is not tried again together. */
export const RETRY_JITTER = 0.1;
/** Longest pause that an endpoint may ask for. */
export const RETRY_AFTER_MS_MAX = HOUR;
/** An endpoint where nothing has arrived for so long is disabled when a delivery to it is given up. */
export const FAILING_MS_MAX = 3 * DAY;

/** From the first byte sent to the last one read. */
export const ATTEMPT_TIMEOUT_MS = 15 * S;
/** A lease outlives every attempt and the note of what came of it. */
export const ATTEMPT_LEASE_MS = 25 * S;
export const CONNECT_TIMEOUT_MS = 10 * S;
/** How long a request that names an address waits for its name to be looked up. */
export const LOOKUP_TIMEOUT_MS = 2 * S;
/** Of the answer's body: what is read, and what is kept. */
export const ANSWER_BYTES_MAX = 4096;
export const EXCERPT_LENGTH_MAX = 1000;
export const ERROR_LENGTH_MAX = 300;

/** Attempts that one coordinator has under way, and those of all coordinators to one endpoint. */
export const ATTEMPTS_AT_ONCE = 128;
export const ATTEMPTS_PER_ENDPOINT = 4;
/** ... while nothing arrives there. */
export const ATTEMPTS_PER_FAILING_ENDPOINT = 1;
/** A coordinator looks for work at least so often: another one may have died with what it had planned. */
export const LOOK_INTERVAL_MS = MIN;
/** After a look that failed. */
export const LOOK_RETRY_MS = 5 * S;
/** How long a stop waits for attempts that are under way. */
export const STOP_GRACE_MS = 5 * S;

/** How long events, and what became of them, are kept. */
export const EVENT_MEMORY_MS = 30 * DAY;
export const UPKEEP_INTERVAL_MS = HOUR;
/** Rows that one statement changes: with PGlite everybody waits for it. */
export const ROWS_AT_ONCE = 1000;
/** Deliveries that one request sends again. */
export const REPLAYED_AT_ONCE = 5 * ROWS_AT_ONCE;

/** How far deliveries are counted for the metrics. */
export const PENDING_COUNTED_MAX = 100_000;
/** Tests of one endpoint, one after the other, that are not at their end. */
export const TESTS_WAITING_MAX = 10;

/** So long after one coordinator has said how a node is, another one's differing view has to last to be told. */
export const NODE_VIEW_MS = 30 * S;
