import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import type { StoredUpload } from './upload-repository.ts';

export function throwExpired(): never {
  throw new AppError<ErrorCode>('upload_gone', 'The upload has expired.');
}

export function offsetMismatch({ received }: StoredUpload, offset: number): AppError {
  return new AppError<ErrorCode>(
    'upload_offset_mismatch',
    `The upload has ${received} bytes; the request begins at ${offset}.`,
    {
      details: {
        type: 'https://iana.org/assignments/http-problem-types#mismatching-upload-offset',
        'expected-offset': received,
        'provided-offset': offset,
        headers: { 'upload-offset': String(received) },
      },
    },
  );
}

export function lengthChanged(before: number, after: number): AppError {
  return new AppError<ErrorCode>(
    'upload_length_changed',
    `The upload has ${before} bytes by what was said before, and ${after} by this request.`,
    { details: { type: 'https://iana.org/assignments/http-problem-types#inconsistent-upload-length' } },
  );
}

export function tooLong(length: number): AppError {
  return new AppError<ErrorCode>(
    'upload_too_long',
    `The upload was to have ${length} bytes; this would be more.`,
    {
      details: { length },
    },
  );
}

export function isFinal(): AppError {
  return new AppError<ErrorCode>('upload_final', 'The upload is made of others; nothing can be added to it.');
}

export function isJoined(): AppError {
  return new AppError<ErrorCode>('upload_joined', 'The upload has become a part of another one.');
}

export function isCompleted(): AppError {
  return new AppError<ErrorCode>('upload_completed', 'The upload is complete; nothing can be added to it.', {
    details: { type: 'https://iana.org/assignments/http-problem-types#completed-upload' },
  });
}

export function takenOver(message: string): AppError {
  return new AppError<ErrorCode>('upload_taken_over', message, { retryable: true });
}

export function uploadNotFound(id: string): AppError {
  return new AppError<ErrorCode>('upload_not_found', `There is no upload ${id}.`);
}
