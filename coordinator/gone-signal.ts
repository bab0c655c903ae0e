import type { ServerResponse } from 'node:http';
import { AppError } from '../lib/errors/app-error.ts';
import type { ErrorCode } from './errors.ts';

export function incompleteBody(cause?: unknown): AppError {
  return new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.', { cause });
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
