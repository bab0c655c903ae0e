import type { Context } from 'hono';
import type { z } from 'zod';
import { AppError } from '../lib/errors/app-error.ts';
import { CHECKSUM_HEADER, CHUNK_ID_PATTERN, parseChecksum, parsePosition } from '../lib/node-api/targets.ts';
import type { NodeEnv } from './access.ts';
import type { ChunkAddress } from './chunks/chunk-service.ts';
import { JSON_BYTES_MAX, LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX } from './limits.ts';

/** The path parameters `position` and `id`. */
export function parseAddress(context: Context<NodeEnv>): ChunkAddress {
  return addressOf(context.req.param('position') ?? '', context.req.param('id') ?? '');
}

/** A chunk's position and id as they stand in a path. Nothing else ever becomes part of a file's name. */
export function addressOf(positionText: string, id: string): ChunkAddress {
  const position = parsePosition(positionText);
  if (position === undefined) throw invalid('The position is not eight lower-case hex digits.');
  if (!CHUNK_ID_PATTERN.test(id)) throw invalid('The chunk id is malformed.');
  return { position, id };
}

/** The path parameter `range`: `{first}-{last}`, both inclusive. */
export function parseRange(context: Context<NodeEnv>): { first: number; last: number } {
  return readRange(context.req.param('range') ?? '');
}

/** Throws `invalid_request`. */
export function readRange(text: string): { first: number; last: number } {
  const first = parsePosition(text.slice(0, 8));
  const last = parsePosition(text.slice(9));
  if (first === undefined || last === undefined || text[8] !== '-') {
    throw invalid('A range is two positions of eight lower-case hex digits with a dash in between.');
  }
  if (first > last) throw invalid('The range ends before it begins.');
  return { first, last };
}

/** The parameter `limit` of a listing. */
export function parseLimit(context: Context<NodeEnv>): number {
  const text = context.req.query('limit');
  if (text === undefined) return LIST_LIMIT_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > LIST_LIMIT_MAX) throw invalid(`limit: expected 1 to ${LIST_LIMIT_MAX}`);
  return limit;
}

/** The announced length of the body: `length_required` without one, `body_too_large` beyond the limit. */
export function parseContentLength(context: Context<NodeEnv>, limitBytes: number): number {
  return readContentLength(context.req.header('content-length'), limitBytes);
}

/** The same of the header's value. */
export function readContentLength(header: string | undefined, limitBytes: number): number {
  if (header === undefined) throw new AppError('length_required', 'The request needs a Content-Length.');
  const length = Number(header);
  if (length > limitBytes) throw new AppError('body_too_large', `The body may have ${limitBytes} bytes.`);
  return length;
}

/** The body as JSON of the schema's shape. */
export async function parseJson<Schema extends z.ZodType>(
  context: Context<NodeEnv>,
  schema: Schema,
): Promise<z.infer<Schema>> {
  parseContentLength(context, JSON_BYTES_MAX);
  return readJson(await context.req.text(), schema);
}

/** Text as JSON of the schema's shape. */
export function readJson<Schema extends z.ZodType>(text: string, schema: Schema): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('invalid_json', 'The body is not JSON.', { cause: error });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw invalid(`${issue?.path.join('.') || 'body'}: ${issue?.message}`);
}

export function invalid(detail: string): AppError {
  return new AppError('invalid_request', detail);
}

/** The value of the header `x-chunk-checksum`, if there is one. */
export function readChecksum(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const checksum = parseChecksum(String(header));
  if (checksum === undefined) throw invalid(`${CHECKSUM_HEADER} is not eight lower-case hex digits.`);
  return checksum;
}
