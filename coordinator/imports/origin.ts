import { Readable } from 'node:stream';
import { type Dispatcher, request } from 'undici';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { essenceOf } from '../videos/media-type.ts';
import type { AddressGuard } from './address-guard.ts';
import { ORIGIN_IDLE_MS, REDIRECTS_MAX, RESUME_PAUSE_MS, RESUMES_MAX } from './limits.ts';

export interface OriginOptions {
  readonly guard: AddressGuard;
  /** Connects by the guard's lookup and follows no redirect. */
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
}

/** A file as another server has it. */
export interface OriginFile {
  /** Bytes; null when the server does not say. */
  readonly size: number | null;
  readonly contentType: string | undefined;
  readonly contentDisposition: string | undefined;
  /** After redirects. */
  readonly url: URL;
  /** Goes on by Range when the connection breaks, if the server lets it. Fails with `import_failed`. */
  readonly body: Readable;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable;
  readonly url: URL;
}

/** Fetches files from other servers. */
export class Origin {
  readonly #options: OriginOptions;

  constructor(options: OriginOptions) {
    this.#options = options;
  }

  /** Rejects with `import_refused`, or with `import_failed`, which is retryable when another try may succeed. */
  async open(text: string, signal: AbortSignal): Promise<OriginFile> {
    const answer = await this.#ask(this.#options.guard.check(text), {}, signal);
    if (answer.status !== 200) throw await givenUp(answer, statusError(answer.status));
    const coding = headerOf(answer, 'content-encoding');
    if (coding !== undefined && coding !== 'identity') {
      throw await givenUp(answer, failed(`The server sends it with Content-Encoding ${coding}.`, false));
    }
    const contentType = headerOf(answer, 'content-type');
    if (contentType !== undefined && essenceOf(contentType) === 'text/html') {
      throw await givenUp(answer, failed('The URL leads to a web page, not to a file.', false));
    }
    const length = headerOf(answer, 'content-length');
    const size = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : null;
    return {
      size,
      contentType,
      contentDisposition: headerOf(answer, 'content-disposition'),
      url: answer.url,
      body: Readable.from(this.#bytes(answer, size, signal), { objectMode: false }),
    };
  }

  /** The bytes of the answer, and of further ones that go on where it broke off. */
  async *#bytes(first: Answer, size: number | null, signal: AbortSignal): AsyncGenerator<Buffer> {
    const validator = validatorOf(first);
    let answer = first;
    let received = 0;
    for (let resumed = 0; ; ) {
      try {
        for await (const piece of answer.body) {
          received += (piece as Buffer).length;
          if (size !== null && received > size) throw failed('The server sends more than it said.', false);
          yield piece as Buffer;
        }
        if (size === null || received === size) return;
        throw failed('The server sent less than it said.', true);
      } catch (error) {
        signal.throwIfAborted();
        if (isAppError(error) && !error.retryable) throw error;
        if (validator === undefined || size === null) throw asFailure(error);
        let last = error;
        for (;;) {
          if (resumed >= RESUMES_MAX) throw asFailure(last);
          resumed += 1;
          await this.#options.clock.sleep(RESUME_PAUSE_MS, signal);
          try {
            answer = await this.#resume(first.url, { received, size, validator }, signal);
            break;
          } catch (again) {
            signal.throwIfAborted();
            if (isAppError(again) && !again.retryable) throw again;
            last = again;
          }
        }
      }
    }
  }

  async #resume(
    url: URL,
    { received, size, validator }: { received: number; size: number; validator: string },
    signal: AbortSignal,
  ): Promise<Answer> {
    const answer = await this.#ask(url, { range: `bytes=${received}-`, 'if-range': validator }, signal);
    if (answer.status === 206) {
      if (headerOf(answer, 'content-range') === `bytes ${received}-${size - 1}/${size}`) return answer;
      throw await givenUp(answer, failed('The server does not go on where the connection broke.', true));
    }
    if (answer.status === 200) {
      // Another file by now, or a server that knows no ranges: only a new beginning helps.
      throw await givenUp(answer, new RestartNeeded());
    }
    throw await givenUp(answer, statusError(answer.status));
  }

  async #ask(start: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer> {
    const { guard, dispatcher } = this.#options;
    let url = start;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const answer = await this.#askOnce(url, headers, dispatcher, signal);
      const location = headerOf(answer, 'location');
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      await givenUp(answer, undefined);
      url = guard.check(location, url);
    }
    throw failed(`The URL redirects more than ${REDIRECTS_MAX} times.`, false);
  }

  async #askOnce(
    url: URL,
    headers: Record<string, string>,
    dispatcher: Dispatcher,
    signal: AbortSignal,
  ): Promise<Answer> {
    try {
      const {
        statusCode,
        headers: answered,
        body,
      } = await request(url, {
        dispatcher,
        signal,
        headers: { 'user-agent': 'OrbitVids', accept: '*/*', 'accept-encoding': 'identity', ...headers },
        headersTimeout: ORIGIN_IDLE_MS,
        bodyTimeout: ORIGIN_IDLE_MS,
      });
      return { status: statusCode, headers: answered, body, url };
    } catch (error) {
      signal.throwIfAborted();
      throw refusalIn(error) ?? failed('The server cannot be reached.', true, error);
    }
  }
}

/** The server cannot go on where it stopped: the whole attempt has to begin anew. */
class RestartNeeded extends AppError<ErrorCode> {
  constructor() {
    super('import_failed', 'The connection broke, and the server could not go on from there.', {
      retryable: false,
    });
  }
}

/** Whether another attempt from the beginning may succeed. */
export function isPassing(error: unknown): boolean {
  return !isAppError(error) || error.retryable || error instanceof RestartNeeded;
}

/** By which a server tells whether it still has the same file. */
function validatorOf(answer: Answer): string | undefined {
  const etag = headerOf(answer, 'etag');
  if (etag?.startsWith('"')) return etag;
  return headerOf(answer, 'last-modified');
}

function headerOf({ headers }: Pick<Answer, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Lets go of an answer that nobody reads. */
async function givenUp<Value>(answer: Answer, value: Value): Promise<Value> {
  answer.body.on('error', () => {});
  answer.body.destroy();
  return value;
}

function statusError(status: number): AppError {
  return failed(`The server answered ${status}.`, status === 408 || status === 429 || status >= 500);
}

function failed(message: string, retryable: boolean, cause?: unknown): AppError {
  return new AppError<ErrorCode>('import_failed', message, { retryable, cause });
}

function asFailure(error: unknown): AppError {
  return isAppError(error) ? error : failed('The connection broke.', true, error);
}

/** What the guard said, if it is what kept the connection from being made. */
function refusalIn(error: unknown): AppError | undefined {
  if (isAppError(error)) return error;
  if (error instanceof AggregateError) {
    for (const part of error.errors) if (refusalIn(part) !== undefined) return refusalIn(part);
  }
  return error instanceof Error && error.cause !== undefined ? refusalIn(error.cause) : undefined;
}
