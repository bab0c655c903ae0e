import { AppError } from '../../lib/errors/app-error.ts';

/** Inclusive. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * What a Range header asks of `length` bytes; undefined for all of them, which is also the answer to headers that
 * are malformed or name several ranges (RFC 9110 section 14.2 lets a server ignore them). Throws
 * `range_not_satisfiable`.
 */
export function parseByteRange(header: string | undefined, length: number): ByteRange | undefined {
  const match = header === undefined ? null : /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header);
  if (!match) return undefined;
  const [, from, to] = match as unknown as [string, string, string];
  if (from === '') {
    if (to === '') return undefined;
    const suffix = Number(to);
    if (suffix === 0) throw notSatisfiable(length);
    return { first: Math.max(0, length - suffix), last: length - 1 };
  }
  const first = Number(from);
  const last = to === '' ? length - 1 : Math.min(Number(to), length - 1);
  if (to !== '' && Number(to) < first) return undefined;
  if (first >= length) throw notSatisfiable(length);
  return { first, last };
}

function notSatisfiable(length: number): AppError {
  return new AppError('range_not_satisfiable', `The chunk has ${length} bytes.`, {
    details: { headers: { 'content-range': `bytes */${length}` } },
  });
}
