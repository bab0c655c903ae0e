import type { Context } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { readJsonBody } from '../json-body.ts';
import { LIMITS } from '../limits.ts';
import { ADMIN_BODY_BYTES_MAX } from './limits.ts';

/** The JSON body of an administrator's request. Rejects like `readJsonBody`, and with `invalid_json` when there is none. */
export async function readJson(context: Context): Promise<unknown> {
  const limits = { bytesMax: ADMIN_BODY_BYTES_MAX, timeoutMs: LIMITS.jsonBodyTimeoutMs };
  const value = await readJsonBody(context, limits);
  if (value === undefined) throw new AppError<ErrorCode>('invalid_json', 'The request has no body.');
  return value;
}
