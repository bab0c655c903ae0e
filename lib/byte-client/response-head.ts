import { AppError } from '../errors/app-error.ts';

/** Longest response head that is accepted, bytes. */
export const HEAD_LIMIT_BYTES = 16 * 1024;

export interface ResponseHead {
  readonly status: number;
  /** Header names in lower case; a repeated header keeps its last value. */
  readonly headers: ReadonlyMap<string, string>;
  readonly contentLength: number;
  /** Whether the connection may carry another request after the body. */
  readonly keepAlive: boolean;
}

/**
 * Parses a response head (everything before the empty line). Strict on purpose: the peers are this project's
 * own servers, so anything unusual (a transfer coding, no length, folded lines) is a fault and not a dialect.
 */
export function parseResponseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const statusLine = /^HTTP\/1\.1 (\d{3})(?: .*)?$/.exec(lines[0] ?? '');
  if (!statusLine) throw protocolError('the status line is not HTTP/1.1');
  const status = Number(statusLine[1]);
  const headers = new Map<string, string>();
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index]!;
    const colon = line.indexOf(':');
    if (colon <= 0) throw protocolError('a header line has no name');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  if (headers.has('transfer-encoding')) throw protocolError('a transfer coding was used');
  return {
    status,
    headers,
    contentLength: contentLengthOf(status, headers),
    keepAlive: headers.get('connection')?.toLowerCase() !== 'close',
  };
}

function contentLengthOf(status: number, headers: ReadonlyMap<string, string>): number {
  if (status === 204 || status === 304) return 0;
  const text = headers.get('content-length');
  if (text === undefined || !/^\d{1,15}$/.test(text)) throw protocolError('no usable Content-Length');
  return Number(text);
}

export function protocolError(what: string): AppError<'peer_protocol'> {
  return new AppError('peer_protocol', `The peer's response is not acceptable: ${what}.`, {
    retryable: true,
  });
}
