import type { IncomingMessage } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { incompleteBody } from '../gone-signal.ts';

export function bodyTooLarge(limitBytes: number): AppError {
  return new AppError<ErrorCode>(
    'body_too_large',
    `The body is longer than the limit of ${limitBytes} bytes.`,
    {
      details: { limitBytes },
    },
  );
}

/**
 * Throws `incomplete_body` unless the request arrived as announced. What is longer than announced ends the connection
 * with an answer of the server itself; then nobody would see another one.
 */
export function assertWhole(incoming: IncomingMessage): void {
  if (!incoming.complete || incoming.socket.writableEnded) throw incompleteBody();
}
