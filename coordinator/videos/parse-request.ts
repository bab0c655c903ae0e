import type { IncomingMessage } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import { essenceOf } from './media-type.ts';

/**
 * Reads a JSON body of at most `bytesMax`. Rejects with `unsupported_media_type`, `body_too_large`, `empty_body`,
 * `invalid_json` or `incomplete_body`.
 */
export async function readJson(incoming: IncomingMessage, bytesMax: number): Promise<unknown> {
  const type = essenceOf(incoming.headers['content-type'] ?? '');
  if (!/^application\/(?:[\w.-]+\+)?json$/.test(type)) {
    throw new AppError<ErrorCode>('unsupported_media_type', 'Send the body as application/json.');
  }
  if (Number(incoming.headers['content-length'] ?? 0) > bytesMax) throw bodyTooLarge(bytesMax);
  const text = (await readBytes(incoming, bytesMax)).toString('utf8');
  if (text.trim() === '') throw new AppError<ErrorCode>('empty_body', 'The request has no body.');
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new AppError<ErrorCode>('invalid_json', 'The body is not valid JSON.', { cause: error });
  }
}

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

function readBytes(incoming: IncomingMessage, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    // Not `for await`: leaving it early destroys the socket, and with it the answer.
    incoming.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= bytesMax) pieces.push(piece);
      else reject(bodyTooLarge(bytesMax));
    });
    incoming.once('end', () => resolve(Buffer.concat(pieces)));
    incoming.once('error', (error) => reject(incompleteBody(error)));
    incoming.once('close', () => reject(incompleteBody()));
  });
}
