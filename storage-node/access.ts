import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import type { Clock } from '../lib/clock/clock.ts';
import { AppError } from '../lib/errors/app-error.ts';
import { type SigningKey, verifyTarget } from '../lib/signing/signed-url.ts';

/** What a node's requests carry between middleware and handlers. */
export interface NodeEnv {
  Bindings: HttpBindings;
  Variables: { requestId: string };
}

/** Lets a request pass only if its method and target are signed with the key and have not expired. */
export function requireSignature(key: SigningKey, clock: Clock): MiddlewareHandler<NodeEnv> {
  return async (context, next) => {
    const { method = '', url = '' } = context.env.incoming;
    const verdict = verifyTarget([key], method, url, Math.floor(clock.nowMs() / 1000));
    if (!verdict.ok) throw REFUSALS[verdict.reason]();
    await next();
  };
}

const REFUSALS = {
  missing: () => new AppError('signature_missing', 'The request is not signed.'),
  malformed: () => new AppError('signature_invalid', 'The signature does not fit the request.'),
  altered: () => new AppError('signature_invalid', 'The signature does not fit the request.'),
  expired: () => new AppError('signature_expired', 'The signature has expired.'),
};
