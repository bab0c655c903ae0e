import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';

/** A KeyObject: with a buffer for a key, making a signature costs six times as much. */
export type SigningKey = KeyObject;

/**
 * Signed requests. A signature covers the method, the path, every other query parameter, the expiry and the
 * claims, so none of them can be exchanged. The same URL serves node-to-node requests and presigned URLs.
 *
 * Query parameters: `x-expires` (Unix seconds), `x-claims` (base64url JSON, optional), `x-signature`
 * (base64url HMAC-SHA256).
 */
export interface SignedRequest {
  readonly method: string;
  /** Path and query without the three signing parameters, for example `/chunks/9af3b21c/<id>?digest=1`. */
  readonly target: string;
  readonly expiresAtS: number;
  /** As JSON. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

export type SignatureVerdict =
  | {
      readonly ok: true;
      readonly target: string;
      readonly expiresAtS: number;
      readonly claims: Readonly<Record<string, unknown>>;
    }
  | { readonly ok: false; readonly reason: 'missing' | 'malformed' | 'expired' | 'altered' };

/** Derives a 32-byte key for one purpose from the cluster's secret (HKDF-SHA256, RFC 5869). */
export function deriveKey(secret: string, purpose: string): SigningKey {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', secret, 'orbitvids', purpose, 32)));
}

/** Returns the target with the signing parameters appended. */
export function signTarget(key: SigningKey, request: SignedRequest): string {
  const claims =
    request.claims === undefined ? '' : Buffer.from(JSON.stringify(request.claims)).toString('base64url');
  const expires = String(request.expiresAtS);
  const signature = signatureOf(key, request.method, request.target, expires, claims);
  const separator = request.target.includes('?') ? '&' : '?';
  const claimsPart = claims === '' ? '' : `&x-claims=${claims}`;
  return `${request.target}${separator}x-expires=${expires}${claimsPart}&x-signature=${signature}`;
}

/**
 * Checks a request's method and full target (path and query as received). Compares in constant time. The
 * signing parameters must be the last of the query, in the order `signTarget` writes them.
 */
export function verifyTarget(
  keys: readonly SigningKey[],
  method: string,
  signedTarget: string,
  nowS: number,
): SignatureVerdict {
  if (!signedTarget.includes('x-signature=')) return { ok: false, reason: 'missing' };
  const match = /^(.*)[?&]x-expires=(\d{1,12})(?:&x-claims=([\w-]{1,4096}))?&x-signature=([\w-]{43})$/.exec(
    signedTarget,
  );
  if (!match) return { ok: false, reason: 'malformed' };
  const [, target, expires, claims = '', signature] = match as unknown as [
    string,
    string,
    string,
    string?,
    string?,
  ];
  const given = Buffer.from(signature ?? '', 'base64url');
  const valid = keys.some((key) => {
    const expected = Buffer.from(signatureOf(key, method, target, expires, claims), 'base64url');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (!valid) return { ok: false, reason: 'altered' };
  if (Number(expires) < nowS) return { ok: false, reason: 'expired' };
  return {
    ok: true,
    target,
    expiresAtS: Number(expires),
    claims: claims === '' ? {} : JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')),
  };
}

function signatureOf(
  key: SigningKey,
  method: string,
  target: string,
  expires: string,
  claims: string,
): string {
  return createHmac('sha256', key).update(`${method}\n${target}\n${expires}\n${claims}`).digest('base64url');
}
