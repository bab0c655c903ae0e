import type { IncomingMessage } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';

/**
 * Settles with `work`, which reads the request, or rejects with `request_timeout` once no byte has come for
 * `idleTimeoutMs`. Not for work that pauses the request: a paused socket counts as an idle one.
 */
export async function limitIdle<Result>(
  incoming: IncomingMessage,
  idleTimeoutMs: number,
  work: Promise<Result>,
): Promise<Result> {
  let onTimeout = () => {};
  const timedOut = new Promise<never>((_, reject) => {
    onTimeout = () =>
      reject(new AppError<ErrorCode>('request_timeout', `No data came for ${idleTimeoutMs} ms.`));
  });
  incoming.setTimeout(idleTimeoutMs).once('timeout', onTimeout);
  try {
    return await Promise.race([work, timedOut]);
  } finally {
    incoming.setTimeout(0).off('timeout', onTimeout);
  }
}
