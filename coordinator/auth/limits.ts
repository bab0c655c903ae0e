/** Numbers of accounts that no operator needs to change. Units are in the names. */

/** How long an access token is good. */
export const ACCESS_TOKEN_TTL_S = 900;
/** How far the clocks of coordinators, and of services that verify tokens, may be apart. */
export const CLOCK_TOLERANCE_S = 30;
/** How long it is remembered that a session is over: longer than its tokens live, by clocks that are minutes off. */
export const SESSION_REVOCATION_TTL_MS = 1_800_000;
/** ... and that a user's tokens are void: longer than any address lives that was signed for the user. */
export const USER_REVOCATION_TTL_MS = 90_000_000;
/** Longest life of a signed address. */
export const GRANT_LIFETIME_S_MAX = 86_400;
export const GRANT_LIFETIME_S_DEFAULT = 21_600;
/** Tokens whose signature is known to be good, about 1 KiB each. */
export const VERIFIED_TOKENS_MAX = 20_000;
/** The same for grants in addresses, about 1 KiB each; with more, all are forgotten, which costs an HMAC each. */
export const OPENED_GRANTS_MAX = 8192;

export const REFRESH_TOKEN_TTL_MS = 30 * 86_400_000;
/** So long a used refresh token gets its successor once more: the answer that brought it may have been lost. */
export const REFRESH_GRACE_MS = 10_000;

/** A key signs for so long ... */
export const SIGNING_KEY_LIFETIME_MS = 30 * 86_400_000;
/** ... is published so long before, so that whoever keeps the key set for a while has it ... */
export const SIGNING_KEY_LEAD_MS = 900_000;
/** ... and is known for so long after: longer than anything that it signed is good. */
export const SIGNING_KEY_RETENTION_MS = 2 * 86_400_000;
/** How long services may keep the key set. */
export const JWKS_MAX_AGE_S = 300;
export const RSA_BITS = 2048;

/** OWASP's first recommendation for Argon2id: 19 MiB, two passes, one lane. */
export const ARGON2_MEMORY_KIB = 19_456;
export const ARGON2_PASSES = 2;
export const ARGON2_LANES = 1;
/** Hashes under way at a time: half of the threads that Node shares with files, names and signatures. */
export const HASHES_AT_ONCE = 2;
/** Hashes that wait for their turn; one more is refused as too busy. */
export const HASHES_WAITING_MAX = 64;

/** In code points. */
export const PASSWORD_LENGTH_MIN = 10;
export const PASSWORD_LENGTH_MAX = 256;
export const EMAIL_LENGTH_MAX = 254;
export const NAME_LENGTH_MAX = 100;

export const API_KEY_NAME_LENGTH_MAX = 100;
export const API_KEYS_PER_USER_MAX = 50;
export const API_KEY_DAYS_DEFAULT = 90;
export const API_KEY_DAYS_MAX = 366;
/** API keys that are kept in memory. */
export const API_KEYS_CACHED_MAX = 10_000;
/** The last use of keys is written down this often. */
export const API_KEY_USE_INTERVAL_MS = 60_000;

/** Failed logins to one account from one address, and to one account from anywhere. */
export const LOGIN_FAILURES_MAX = 10;
export const LOGIN_FAILURES_WINDOW_MS = 900_000;
export const ACCOUNT_FAILURES_MAX = 100;
export const ACCOUNT_FAILURES_WINDOW_MS = 3_600_000;
/** The windows of what an operator may set: logins, registrations and refreshes from one address. */
export const LOGIN_WINDOW_MS = 900_000;
export const REGISTRATION_WINDOW_MS = 3_600_000;
export const REFRESH_WINDOW_MS = 60_000;
/** Exhausted limits that are remembered without asking the database. */
export const LIMITS_REMEMBERED_MAX = 10_000;

/** Longest JSON body of these routes. */
export const AUTH_BODY_BYTES_MAX = 16 * 1024;
export const USERS_LENGTH_DEFAULT = 50;
export const USERS_LENGTH_MAX = 200;
export const AUDIT_LENGTH_DEFAULT = 100;
export const AUDIT_LENGTH_MAX = 500;

/** How often what has expired is removed, and a new signing key made if it is time. */
export const UPKEEP_INTERVAL_MS = 60_000;
export const AUDIT_KEPT_DAYS = 400;
