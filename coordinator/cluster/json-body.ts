import type { Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { ADMIN_BODY_BYTES_MAX } from './limits.ts';

/** For routes of administrators that read JSON. */
export const limitAdminBody = bodyLimit({
  maxSize: ADMIN_BODY_BYTES_MAX,
  onError: () => {
    throw new AppError<ErrorCode>(
      'body_too_large',
      `The body is longer than the limit of ${ADMIN_BODY_BYTES_MAX} bytes.`,
      { details: { limitBytes: ADMIN_BODY_BYTES_MAX } },
    );
  },
});

/** The body as JSON, which `limitAdminBody` has bounded. Rejects with `invalid_json`. */
export async function readJson(context: Context): Promise<unknown> {
  try {
    return await context.req.json();
  } catch (error) {
    throw new AppError<ErrorCode>('invalid_json', 'The request body is not JSON.', { cause: error });
  }
}
