import type { Context } from 'hono';
import type { z } from 'zod';
import { AppError } from '../lib/errors/app-error.ts';
import type { ErrorCode } from './errors.ts';
import { parseFields } from './parse-fields.ts';

export interface JsonBodyLimits {
  readonly bytesMax: number;
  /** How long the whole body may take. */
  readonly timeoutMs: number;
}

/**
 * The body as JSON in strict UTF-8; undefined when there is none, which `null` is not. Rejects with `unsupported_media_type`, `body_too_large`,
 * `request_timeout`, `incomplete_body` or `invalid_json`. A page elsewhere cannot have a browser send this type unasked.
 */
export async function readJsonBody(c: Context, { bytesMax, timeoutMs }: JsonBodyLimits): Promise<unknown> {
  const bytes = await readBytes(c, bytesMax, timeoutMs);
  if (bytes.length === 0) return undefined;
  const type = c.req.header('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') {
    throw new AppError<ErrorCode>('unsupported_media_type', 'Send the body as application/json.');
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    // The parser's own message quotes the body, which may be a password.
    const what = error instanceof TypeError ? 'UTF-8' : 'JSON';
    throw new AppError<ErrorCode>('invalid_json', `The body is not valid ${what}.`);
  }
}

/** The body, checked by the schema of an object. One that is absent counts as an empty object; `null` is refused. */
export async function readJsonFields<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
  limits: JsonBodyLimits,
): Promise<z.infer<Schema>> {
  const body = await readJsonBody(c, limits);
  return parseFields(schema, body === undefined ? {} : body);
}

async function readBytes(c: Context, bytesMax: number, timeoutMs: number): Promise<Buffer> {
  if (Number(c.req.header('content-length') ?? 0) > bytesMax) throw tooLarge(bytesMax);
  const reader = c.req.raw.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  let timer: NodeJS.Timeout | undefined;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(requestTimeout(timeoutMs)), timeoutMs);
  });
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), timedOut]);
      if (done) return Buffer.concat(pieces);
      size += value.length;
      if (size > bytesMax) throw tooLarge(bytesMax);
      pieces.push(value);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError<ErrorCode>('incomplete_body', 'The body ended before it was complete.', {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** What is still to come of such bodies is nobody's: the connection ends with the answer. */
const CLOSE = { connection: 'close' };

function tooLarge(limitBytes: number): AppError {
  return new AppError<ErrorCode>(
    'body_too_large',
    `The body is longer than the limit of ${limitBytes} bytes.`,
    { details: { limitBytes, headers: CLOSE } },
  );
}

function requestTimeout(timeoutMs: number): AppError {
  return new AppError<ErrorCode>('request_timeout', `The body did not arrive within ${timeoutMs} ms.`, {
    details: { headers: CLOSE },
  });
}
