import type { MiddlewareHandler } from 'hono';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { isAdminToken } from './admin-token.ts';

const CHALLENGE = 'Bearer realm="orbitvids"';

/** Lets a request pass that carries the administrator's token (RFC 6750); refuses others with `unauthorized`. */
export function createRequireAdmin(options: { readonly tokenHash: Uint8Array }): MiddlewareHandler {
  return async (c, next) => {
    const header = c.req.header('authorization');
    if (header === undefined) {
      throw unauthorized('This needs the admin token: Authorization: Bearer <token>.', CHALLENGE);
    }
    const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
    if (token === undefined || !isAdminToken(token, options.tokenHash)) {
      throw unauthorized('The token is not the admin token.', `${CHALLENGE}, error="invalid_token"`);
    }
    await next();
  };
}

function unauthorized(message: string, challenge: string): AppError {
  return new AppError<ErrorCode>('unauthorized', message, {
    details: { headers: { 'www-authenticate': challenge } },
  });
}
