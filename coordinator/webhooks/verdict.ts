import type { AttemptResult, Verdict } from './delivery.ts';
import { RETRY_AFTER_MS_MAX, RETRY_DELAYS_MS, RETRY_JITTER } from './limits.ts';

/**
 * What follows from an attempt: only 2xx is a success, 410 ends everything, and whatever else it was is tried again by the
 * schedule, later if the endpoint asks for that, until the schedule ends. `random` is from 0 to 1.
 */
export function judge(
  { statusCode, error }: Pick<AttemptResult, 'statusCode' | 'error'>,
  {
    tries,
    isTest,
    retryAfterMs,
    random,
  }: {
    /** This attempt's number since the delivery was asked for, from 1. */
    readonly tries: number;
    /** A test is made once: whoever wants another one asks for it. */
    readonly isTest: boolean;
    /** What the answer asks for; null when it says nothing. */
    readonly retryAfterMs: number | null;
    readonly random: number;
  },
): Verdict {
  if (error === null) return { state: 'delivered' };
  const pauseMs = Math.min(Math.max(retryAfterMs ?? 0, 0), RETRY_AFTER_MS_MAX);
  const delayMs = isTest ? undefined : RETRY_DELAYS_MS[tries - 1];
  const isGone = statusCode === 410;
  if (isGone || delayMs === undefined) return { state: 'failed', pauseMs, isGone, isTest };
  const retryInMs = Math.max(delayMs * (1 + RETRY_JITTER * random), pauseMs);
  return { state: 'pending', retryInMs, pauseMs };
}
