import { UploadError } from './answers.ts';

export interface Backoff {
  /** Tries in all, at least 1. */
  readonly tries: number;
  /** Before the second try; twice as long before each further one. */
  readonly firstMs: number;
  readonly longestMs: number;
}

export const BACKOFF_DEFAULT: Backoff = { tries: 10, firstMs: 300, longestMs: 15_000 };

/**
 * Tries until it works, for as long as the failures are of the kind that passes. Waits a random time between half and all
 * of what the backoff says, or as long as the server asks for, so that many clients do not come back at once.
 */
export async function retrying<Result>(
  backoff: Backoff = BACKOFF_DEFAULT,
  signal: AbortSignal | undefined,
  action: () => Promise<Result>,
): Promise<Result> {
  for (let tried = 1; ; tried++) {
    signal?.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof UploadError) || !error.retryable || tried >= backoff.tries) throw error;
      const longestMs = Math.min(backoff.longestMs, backoff.firstMs * 2 ** (tried - 1));
      const waitMs = longestMs * (0.5 + Math.random() / 2);
      await sleep(Math.max(waitMs, Math.min(error.retryAfterMs ?? 0, backoff.longestMs)), signal);
    }
  }
}

/** Rejects with the signal's reason as soon as it aborts. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}
