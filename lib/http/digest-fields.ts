import { parseDictionary } from 'structured-headers';
import { AppError } from '../errors/app-error.ts';

const SHA256_BYTES = 32;

/**
 * The SHA-256 values that a request claims for its content (RFC 9530): `Content-Digest` and `Repr-Digest`
 * speak about the same bytes here, because content codings are not accepted. Other algorithms are ignored.
 * Throws `digest_malformed`.
 */
export function claimedDigests(headers: {
  readonly 'content-digest'?: string | string[] | undefined;
  readonly 'repr-digest'?: string | string[] | undefined;
}): Uint8Array[] {
  return [
    claimOf('Content-Digest', headers['content-digest']),
    claimOf('Repr-Digest', headers['repr-digest']),
  ].filter((digest) => digest !== undefined);
}

/** Throws `digest_mismatch` unless the actual digest is each of the claimed ones. */
export function assertDigests(claimed: readonly Uint8Array[], actual: Uint8Array): void {
  if (claimed.every((digest) => Buffer.from(digest).equals(actual))) return;
  throw new AppError('digest_mismatch', 'The bytes that arrived are not those that the digest names.', {
    details: { receivedDigest: formatDigest(actual) },
  });
}

/** A `Repr-Digest` value. */
export function formatDigest(sha256: Uint8Array): string {
  return `sha-256=:${Buffer.from(sha256).toString('base64')}:`;
}

function claimOf(name: string, field: string | string[] | undefined): Uint8Array | undefined {
  if (field === undefined) return undefined;
  const text = Array.isArray(field) ? field.join(', ') : field;
  const value = parseField(name, text).get('sha-256')?.[0];
  if (value === undefined) return undefined;
  if (!(value instanceof ArrayBuffer)) throw malformed(name, 'sha-256 is not a byte sequence');
  const bytes = new Uint8Array(value);
  if (bytes.length !== SHA256_BYTES) throw malformed(name, `sha-256 has ${bytes.length} bytes, not 32`);
  return bytes;
}

function parseField(name: string, text: string) {
  try {
    return parseDictionary(text);
  } catch (error) {
    throw malformed(name, 'not a dictionary of structured fields', error);
  }
}

function malformed(name: string, reason: string, cause?: unknown): AppError {
  return new AppError('digest_malformed', `${name}: ${reason}.`, { cause });
}
