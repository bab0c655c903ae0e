import { createHash, timingSafeEqual } from 'node:crypto';

const TOKEN_BYTES = 32;

/** Where the hash of the administrator's token is kept; the token itself never is. */
export interface AdminTokenStore {
  /** The stored hash; null before the first start. */
  read(): Promise<Uint8Array | null>;
  /** Stores the hash unless there is one already; returns the one that is stored then. */
  keepFirst(hash: Uint8Array): Promise<Uint8Array>;
  /** Stores the hash in place of any other. */
  replace(hash: Uint8Array): Promise<void>;
}

export interface AdminToken {
  /** SHA-256 of the token. */
  readonly hash: Uint8Array;
  /** The token itself, only when it was made just now: to be shown once. */
  readonly created?: string;
}

/** A new token: 256 random bits with a prefix by which secret scanners can know it. */
export function createAdminToken(randomBytes: (count: number) => Uint8Array): string {
  return `orbitvids_${Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url')}`;
}

/**
 * Makes sure that there is an administrator's token: the given one if any, otherwise the stored one, otherwise a
 * new one. Coordinators that start at the same time agree on one.
 */
export async function ensureAdminToken(
  store: AdminTokenStore,
  randomBytes: (count: number) => Uint8Array,
  given?: string,
): Promise<AdminToken> {
  if (given !== undefined) {
    const hash = hashToken(given);
    await store.replace(hash);
    return { hash };
  }
  const stored = await store.read();
  if (stored !== null) return { hash: stored };
  const token = createAdminToken(randomBytes);
  const own = hashToken(token);
  const kept = await store.keepFirst(own);
  return timingSafeEqual(own, kept) ? { hash: own, created: token } : { hash: kept };
}

/** Whether the token has that hash; takes the same time whatever the token is. */
export function isAdminToken(token: string, hash: Uint8Array): boolean {
  return timingSafeEqual(hashToken(token), hash);
}

function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
