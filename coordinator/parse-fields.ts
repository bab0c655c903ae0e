import type { z } from 'zod';
import { AppError } from '../lib/errors/app-error.ts';
import type { ErrorCode } from './errors.ts';

/** Checks what a client sent; throws `invalid_request` that names every field that is wrong. */
export function parseFields<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: [...issue.path, key].join('.'), message: 'unknown field' }))
      : [{ field: issue.path.join('.'), message: issue.message }],
  );
  throw invalidRequest(errors);
}

export function invalidRequest(errors: readonly { field: string; message: string }[]): AppError {
  const text = errors
    .map(({ field, message }) => (field === '' ? message : `${field}: ${message}`))
    .join('; ');
  return new AppError<ErrorCode>('invalid_request', text, { details: { errors } });
}
