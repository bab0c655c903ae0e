import type { IncomingMessage, ServerResponse } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';

export function bodyTooLarge(limitBytes: number): AppError {
  return new AppError<ErrorCode>(
    'body_too_large',
    `The body is longer than the limit of ${limitBytes} bytes.`,
    {
      details: { limitBytes },
    },
  );
}

export function incompleteBody(cause?: unknown): AppError {
  return new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.', { cause });
}

/**
 * Throws `incomplete_body` unless the request arrived as announced. What is longer than announced ends the connection
 * with an answer of the server itself; then nobody would see another one.
 */
export function assertWhole(incoming: IncomingMessage): void {
  if (!incoming.complete || incoming.socket.writableEnded) throw incompleteBody();
}

/** Aborts when the connection closes before the answer was sent. */
export function goneSignal(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  if (outgoing.closed) controller.abort(incompleteBody());
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort(incompleteBody());
  });
  return controller.signal;
}
