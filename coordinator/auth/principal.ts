import type { Role, Visibility } from '../database/schema.ts';

export type { Role } from '../database/schema.ts';

/** What an API key may be used for, at most: never more than its user may do. */
export const SCOPES = ['videos:read', 'videos:write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Who makes a request, as far as that has been proved. */
export type Principal =
  /** Nobody has said who they are. */
  | { readonly kind: 'nobody' }
  /** Has a signed URL: may read what it names, and nothing else. */
  | { readonly kind: 'guest' }
  /** A storage node of this cluster. */
  | { readonly kind: 'node' }
  /** A transcode worker of this cluster. */
  | { readonly kind: 'worker' }
  /** Has the admin token. */
  | { readonly kind: 'operator' }
  | UserPrincipal;

export interface UserPrincipal {
  readonly kind: 'user';
  readonly userId: string;
  readonly role: Role;
  /** The login that the request belongs to; null for an API key. */
  readonly sessionId: string | null;
  /** Null: everything that the role may do. */
  readonly scopes: readonly Scope[] | null;
  /** See `UsersTable.generation`. */
  readonly generation: number;
}

export const NOBODY: Principal = Object.freeze({ kind: 'nobody' });
export const GUEST: Principal = Object.freeze({ kind: 'guest' });
export const NODE: Principal = Object.freeze({ kind: 'node' });
export const WORKER: Principal = Object.freeze({ kind: 'worker' });
export const OPERATOR: Principal = Object.freeze({ kind: 'operator' });

/** Whether everything is theirs to read and change. */
export function isAdmin(principal: Principal): boolean {
  if (principal.kind === 'operator') return true;
  return principal.kind === 'user' && principal.role === 'admin';
}

export function userIdOf(principal: Principal): string | null {
  return principal.kind === 'user' ? principal.userId : null;
}

/** Whose something is, and who may see it. */
export interface Owned {
  readonly ownerId: string | null;
  readonly visibility: Visibility;
}

/** Private things are there for their owner and administrators alone; a signed URL was given out by one of them. */
export function mayRead(principal: Principal, owned: Owned): boolean {
  return owned.visibility !== 'private' || principal.kind === 'guest' || mayChange(principal, owned);
}

export function mayChange(principal: Principal, { ownerId }: Owned): boolean {
  return isAdmin(principal) || (principal.kind === 'user' && principal.userId === ownerId);
}
