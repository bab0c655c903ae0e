import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import type { RenditionPiece } from './rendition.ts';

/** What columns of 32 bits hold. */
const NUMBER_MAX = 2 ** 31 - 1;

/**
 * Throws `invalid_request` unless the parts of a piece agree with each other and with the object of `size` bytes that it lies in:
 * whoever serves it reads where it points.
 */
export function assertPiece(piece: Omit<RenditionPiece, 'object'>, size: number): void {
  const { init, timescale, durations, lengths, servedLengths } = piece;
  const count = durations.length;
  if (count === 0 || lengths.length !== count || (servedLengths ?? lengths).length !== count)
    throw invalid('a piece has as many lengths as durations, and at least one');
  if (init.length === 0) throw invalid('a piece has an initialization segment');
  for (const numbers of [[timescale], durations, lengths, servedLengths ?? []]) {
    if (numbers.some((value) => !Number.isInteger(value) || value < 1 || value > NUMBER_MAX))
      throw invalid(`timescale, durations and lengths are whole numbers from 1 to ${NUMBER_MAX}`);
  }
  const bytes = lengths.reduce((sum, length) => sum + length, 0);
  if (bytes !== size) throw invalid(`its segments have ${bytes} bytes together, its output ${size}`);
}

function invalid(why: string): AppError {
  return new AppError<ErrorCode>('invalid_request', `The piece cannot be stored: ${why}.`);
}
