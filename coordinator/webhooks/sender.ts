import type { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { AddressGuard } from '../imports/address-guard.ts';
import { parseHttpDate } from '../videos/conditional.ts';
import type { AttemptResult } from './delivery.ts';
import { ANSWER_BYTES_MAX, ATTEMPT_TIMEOUT_MS, ERROR_LENGTH_MAX, EXCERPT_LENGTH_MAX } from './limits.ts';

export interface SenderOptions {
  readonly guard: Pick<AddressGuard, 'check'>;
  /** Connects by the guard's lookup and follows no redirect. */
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly timeoutMs?: number;
}

export interface Sent extends AttemptResult {
  /** How long the answer asks to wait; null when it does not. */
  readonly retryAfterMs: number | null;
}

/** Posts to endpoints, which may be anything. */
export class Sender {
  readonly #options: SenderOptions;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** What came of one attempt; rejects only when `stopping` aborts, and then it is not known whether it arrived. */
  async post(
    target: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    stopping: AbortSignal,
  ): Promise<Sent> {
    const { clock, timeoutMs = ATTEMPT_TIMEOUT_MS } = this.#options;
    const startedMs = clock.monotonicMs();
    const timeout = new AbortController();
    const cancel = clock.after(timeoutMs, () => timeout.abort(new Error('the attempt took too long')));
    const signal = AbortSignal.any([stopping, timeout.signal]);
    const result = (sent: Omit<Sent, 'durationMs'>) => ({
      ...sent,
      durationMs: clock.monotonicMs() - startedMs,
    });
    try {
      const answer = await this.#ask(target, headers, body, signal);
      const { statusCode } = answer;
      // What the status says counts, however the body ends.
      const response = await excerptOf(answer.body);
      const error = statusCode >= 200 && statusCode <= 299 ? null : describeStatus(statusCode);
      const retryAfterMs = readRetryAfter(answer.headers['retry-after'], clock.nowMs());
      return result({ statusCode, error, response, retryAfterMs });
    } catch (error) {
      stopping.throwIfAborted();
      const why = timeout.signal.aborted
        ? `There was no answer within ${timeoutMs / 1000} s.`
        : describeFailure(error);
      return result({ statusCode: null, error: why, response: null, retryAfterMs: null });
    } finally {
      cancel();
    }
  }

  async #ask(
    target: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    // Sockets look no addresses up that are addresses already.
    const url = this.#options.guard.check(target);
    return await request(url, {
      method: 'POST',
      dispatcher: this.#options.dispatcher,
      signal,
      headers: {
        'user-agent': 'OrbitVids-Webhooks',
        'content-type': 'application/json',
        'accept-encoding': 'identity',
        ...headers,
      },
      body,
    });
  }
}

/** The beginning of a body, as text that can be stored and shown; null for an empty one. The rest is not read. */
async function excerptOf(body: Readable): Promise<string | null> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      pieces.push(piece);
      size += piece.length;
      if (size >= ANSWER_BYTES_MAX) break;
    }
  } catch {
    // One that breaks off has said what it said.
  }
  body.on('error', () => {});
  body.destroy();
  const bytes = Buffer.concat(pieces).subarray(0, ANSWER_BYTES_MAX);
  const text = new TextDecoder().decode(bytes, { stream: true });
  const shown = text
    .replaceAll(/[^\P{Cc}\t\n]/gu, '')
    .slice(0, EXCERPT_LENGTH_MAX)
    .toWellFormed();
  return shown === '' ? null : shown;
}

function describeStatus(statusCode: number): string {
  const isRedirect = statusCode >= 300 && statusCode <= 399;
  return `The endpoint answered ${statusCode}.${isRedirect ? ' Redirects are not followed.' : ''}`;
}

/** Names no more than a code: messages of other programs may quote anything. */
function describeFailure(error: unknown): string {
  const refusal = refusalIn(error);
  if (refusal !== undefined) return refusal.slice(0, ERROR_LENGTH_MAX);
  const code = codeIn(error);
  return `The endpoint cannot be reached${code === undefined ? '' : ` (${code.slice(0, 60)})`}.`;
}

/** What the guard said, if it is what kept the connection from being made. */
function refusalIn(error: unknown): string | undefined {
  if (isAppError(error)) return error.message;
  for (const part of partsOf(error)) {
    const found = refusalIn(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

function codeIn(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === 'string') return code;
  for (const part of partsOf(error)) {
    const found = codeIn(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

function partsOf(error: unknown): readonly unknown[] {
  if (error instanceof AggregateError) return error.errors;
  return error instanceof Error && error.cause !== undefined ? [error.cause] : [];
}

/** RFC 9110 section 10.2.3: seconds, or a date. Null for nothing, or nonsense. */
export function readRetryAfter(value: string | string[] | undefined, nowMs: number): number | null {
  const text = (Array.isArray(value) ? value[0] : value)?.trim();
  if (text === undefined) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const atMs = parseHttpDate(text);
  return atMs === undefined ? null : Math.max(0, atMs - nowMs);
}
