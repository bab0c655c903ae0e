import { createHash } from 'node:crypto';
import { crc32 } from '../../lib/bytes/crc32.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';

/** What the bytes of a request have to come to. */
export interface Checksum {
  update(bytes: Buffer): void;
  /** Throws unless the bytes are those that were meant. */
  verify(): void;
}

const DIGESTS = ['sha1', 'md5', 'sha256', 'sha512'] as const;
const DIGEST_BYTES: Readonly<Record<string, number>> = {
  sha1: 20,
  md5: 16,
  sha256: 32,
  sha512: 64,
  crc32: 4,
};

/** For `Tus-Checksum-Algorithm`. */
export const CHECKSUM_ALGORITHMS: readonly string[] = [...DIGESTS, 'crc32'];

/** `Upload-Checksum`: an algorithm and a value in Base64. Throws `checksum_unsupported`; verifying throws `checksum_mismatch`. */
export function parseChecksum(header: string): Checksum {
  const [algorithm = '', text = '', ...more] = header.trim().split(' ');
  const expected = Buffer.from(text, 'base64');
  if (
    more.length > 0 ||
    !CHECKSUM_ALGORITHMS.includes(algorithm) ||
    expected.length !== DIGEST_BYTES[algorithm]
  ) {
    throw new AppError<ErrorCode>(
      'checksum_unsupported',
      `Upload-Checksum has to be one of ${CHECKSUM_ALGORITHMS.join(', ')}, and its value in Base64.`,
    );
  }
  return checksumOf(algorithm, expected, () => {
    throw new AppError<ErrorCode>(
      'checksum_mismatch',
      'The bytes that arrived do not have the checksum that they should. Nothing of them was kept.',
    );
  });
}

/** The SHA-256 of a `Content-Digest`; verifying throws what `assertDigests` does. */
export function digestChecksum(sha256: Uint8Array): Checksum {
  return checksumOf('sha256', Buffer.from(sha256), () => {
    throw new AppError<ErrorCode>(
      'digest_mismatch',
      'The bytes that arrived are not those that the digest names.',
    );
  });
}

function checksumOf(algorithm: string, expected: Buffer, refuse: () => never): Checksum {
  if (algorithm === 'crc32') {
    let sum = 0;
    return {
      update: (bytes) => {
        sum = crc32(bytes, sum);
      },
      verify: () => {
        if (sum !== expected.readUInt32BE()) refuse();
      },
    };
  }
  const hash = createHash(algorithm);
  return {
    update: (bytes) => void hash.update(bytes),
    verify: () => {
      if (!hash.digest().equals(expected)) refuse();
    },
  };
}
