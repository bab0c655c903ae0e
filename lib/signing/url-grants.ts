import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SigningKey } from './signed-url.ts';

/** The query parameter that carries a grant. */
export const GRANT_PARAMETER = 'x-grant';

/**
 * What a signed URL allows: every path below a prefix, for one purpose, until it expires. Unlike `signTarget`, which
 * signs one request, it leaves the rest of the query to the client, and one grant opens a playlist with all its segments.
 */
export interface UrlGrant {
  /** For example `playback`. */
  readonly scope: string;
  /** A path that is opened, and all below it: `/api/v1/videos/<id>`. No slash at the end. */
  readonly prefix: string;
  /** Unix seconds. */
  readonly expiresAtS: number;
  /** On whose behalf it was given: a user and the generation of their tokens. */
  readonly issuer?: { readonly userId: string; readonly generation: number } | undefined;
}

export type GrantVerdict =
  | { readonly ok: true; readonly grant: UrlGrant }
  | {
      readonly ok: false;
      readonly reason: 'malformed' | 'altered' | 'expired' | 'other_scope' | 'other_path';
    };

/** The key of an id, or undefined when there is none, or not any more: so keys can be exchanged. */
export type KeyLookup = (keyId: string) => SigningKey | undefined;

const SIGNATURE_BYTES = 32;
/** Key id, payload (base64url JSON), signature (base64url HMAC-SHA256 of what stands before it). */
const FORM = /^([\w-]{1,64})\.([\w-]{1,2048})\.([\w-]{43})$/;

/** The id of the key that a value says it was signed with. */
export function keyIdOf(value: string): string {
  return value.slice(0, Math.max(0, value.indexOf('.')));
}

/** The value for `x-grant`. */
export function signGrant(key: SigningKey, keyId: string, grant: UrlGrant): string {
  const { scope, prefix, expiresAtS, issuer } = grant;
  const fields = [scope, prefix, expiresAtS, ...(issuer ? [issuer.userId, issuer.generation] : [])];
  const signed = `${keyId}.${Buffer.from(JSON.stringify(fields)).toString('base64url')}`;
  return `${signed}.${signatureOf(key, signed).toString('base64url')}`;
}

/** What a grant is to open: a path (as received, without the query) for a purpose. */
export interface GrantTarget {
  readonly scope: string;
  readonly path: string;
  readonly nowS: number;
}

/**
 * Whether the value was signed with a key that is known; compares in constant time. What it opens, and until when, is
 * `judgeGrant`'s question, which has another answer for every target.
 */
export function openGrant(keyOf: KeyLookup, value: string): GrantVerdict {
  const [, keyId = '', payload = '', signature = ''] = FORM.exec(value) ?? [];
  if (keyId === '') return { ok: false, reason: 'malformed' };
  const key = keyOf(keyId);
  const given = Buffer.from(signature, 'base64url');
  if (key === undefined || given.length !== SIGNATURE_BYTES) return { ok: false, reason: 'altered' };
  if (!timingSafeEqual(given, signatureOf(key, `${keyId}.${payload}`)))
    return { ok: false, reason: 'altered' };
  return { ok: true, grant: grantOf(JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))) };
}

/** Whether a grant that was opened is good for the target. */
export function judgeGrant(grant: UrlGrant, asked: GrantTarget): GrantVerdict {
  if (grant.expiresAtS <= asked.nowS) return { ok: false, reason: 'expired' };
  if (grant.scope !== asked.scope) return { ok: false, reason: 'other_scope' };
  return isBelow(asked.path, grant.prefix) ? { ok: true, grant } : { ok: false, reason: 'other_path' };
}

/** What is written in another way than we write it may mean another path to somebody: it is not below anything. */
function isBelow(path: string, prefix: string): boolean {
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return false;
  const rest = path.slice(prefix.length);
  return !/\/\.{1,2}(\/|$)|\/\/|[%\\]/.test(rest);
}

function grantOf(fields: readonly unknown[]): UrlGrant {
  const [scope, prefix, expiresAtS, userId, generation] = fields as [
    string,
    string,
    number,
    string?,
    number?,
  ];
  const issuer = userId === undefined ? undefined : { userId, generation: generation! };
  return { scope, prefix, expiresAtS, issuer };
}

function signatureOf(key: SigningKey, text: string): Buffer {
  return createHmac('sha256', key).update(`grant\n${text}`).digest();
}
