import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { MiddlewareHandler } from 'hono';
import type { Clock } from '../lib/clock/clock.ts';
import { AppError } from '../lib/errors/app-error.ts';
import { type SignatureVerdict, type SigningKey, verifyTarget } from '../lib/signing/signed-url.ts';

/** What a node's requests carry between middleware and handlers. */
export interface NodeEnv {
  Bindings: HttpBindings;
  /** `claims`: what was signed beside method and target. */
  Variables: { requestId: string; claims: Readonly<Record<string, unknown>> };
}

/** Checks a request's method and target. */
export type VerifySignature = (method: string, target: string, nowS: number) => SignatureVerdict;

/** The claims of a request. Throws unless its method and target are signed and have not expired. */
export function assertSigned(
  { method = '', url = '' }: Pick<IncomingMessage, 'method' | 'url'>,
  verify: VerifySignature,
  clock: Clock,
): Readonly<Record<string, unknown>> {
  const verdict = verify(method, url, Math.floor(clock.nowMs() / 1000));
  if (!verdict.ok) throw REFUSALS[verdict.reason]();
  return verdict.claims;
}

/** Lets a request pass only if its method and target are signed with the key and have not expired. */
export function requireSignature(key: SigningKey, clock: Clock): MiddlewareHandler<NodeEnv> {
  const verify: VerifySignature = (method, target, nowS) => verifyTarget([key], method, target, nowS);
  return async (context, next) => {
    context.set('claims', assertSigned(context.env.incoming, verify, clock));
    await next();
  };
}

const REFUSALS = {
  missing: () => new AppError('signature_missing', 'The request is not signed.'),
  malformed: () => new AppError('signature_invalid', 'The signature does not fit the request.'),
  altered: () => new AppError('signature_invalid', 'The signature does not fit the request.'),
  expired: () => new AppError('signature_expired', 'The signature has expired.'),
};
