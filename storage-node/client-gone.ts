import type { ServerResponse } from 'node:http';
import { AppError } from '../lib/errors/app-error.ts';

/** The client of a request is gone, or takes nothing any more. Nobody is left to tell. */
export function clientGone(cause?: unknown): AppError<'client_gone'> {
  return new AppError('client_gone', 'The client went away.', { cause });
}

/** Aborts with `client_gone` when the response is closed before it was sent whole. */
export function clientGoneSignal(outgoing: ServerResponse): AbortSignal {
  const controller = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort(clientGone());
  });
  return controller.signal;
}
