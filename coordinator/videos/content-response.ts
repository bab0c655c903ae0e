import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ObjectReading, ObjectStore } from '../chunks/object-store.ts';
import type { ErrorCode } from '../errors.ts';
import { type ByteRange, type RangeSelection, selectRanges } from './byte-ranges.ts';
import { allowsRange, evaluateRead } from './conditional.ts';
import type { ServedContent } from './content.ts';
import { RANGES_MAX } from './limits.ts';
import { byterangesOf } from './multipart-byteranges.ts';

export interface ContentRequest {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly requestId: string | undefined;
  /** Whether to offer the bytes as a file to save. */
  readonly download: boolean;
  /** For scripts of other origins; see `ContentCors`. */
  readonly cors: OutgoingHttpHeaders;
}

export interface ContentResponderOptions {
  readonly store: Pick<ObjectStore, 'read'>;
  /** A client that takes no byte for so long is cut off. */
  readonly clientIdleTimeoutMs: number;
  /** Answers under way at the same time; one more is refused with `too_busy`. */
  readonly answersMax: number;
  /** Makes the separators of multipart answers; not to be guessed by whoever uploads. */
  readonly createBoundary: () => string;
}

const WHOLE: RangeSelection = { kind: 'whole' };

/** Answers requests for bytes (RFC 9110 sections 13 and 14), straight into Node's response. */
export class ContentResponder {
  readonly #options: ContentResponderOptions;
  #underWay = 0;

  constructor(options: ContentResponderOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the answer was handed to the connection or the connection was cut. Rejects only before the first
   * byte, with `precondition_failed`, `range_not_satisfiable` or what kept the first chunk from being read.
   */
  async answer(content: ServedContent, request: ContentRequest): Promise<void> {
    const { incoming, outgoing } = request;
    const { size } = content;
    const verdict = evaluateRead(incoming.headers, content);
    if (verdict === 'failed') throw preconditionFailed();
    if (verdict === 'not-modified') {
      outgoing.writeHead(304, sharedHeaders(content, request));
      outgoing.end();
      return;
    }
    if (incoming.method === 'HEAD') {
      // Range is defined for GET only, so that this is the head of the whole.
      outgoing.writeHead(200, bodyHeaders(content, request, content.contentType, size));
      outgoing.end();
      return;
    }
    const selection = selectionOf(content, incoming);
    if (selection.kind === 'unsatisfiable') throw notSatisfiable(size);
    if (selection.kind === 'whole') {
      const head = () => outgoing.writeHead(200, bodyHeaders(content, request, content.contentType, size));
      await this.#send(content, request, [{ first: 0, last: size - 1 }], head);
    } else if (selection.parts.length === 1) {
      await this.#sendPart(content, request, selection.parts[0]!);
    } else {
      await this.#sendParts(content, request, selection.parts);
    }
  }

  #sendPart(content: ServedContent, request: ContentRequest, part: ByteRange): Promise<void> {
    return this.#send(content, request, [part], () => {
      const headers = bodyHeaders(content, request, content.contentType, part.last - part.first + 1);
      headers['content-range'] = `bytes ${part.first}-${part.last}/${content.size}`;
      request.outgoing.writeHead(206, headers);
    });
  }

  #sendParts(content: ServedContent, request: ContentRequest, parts: readonly ByteRange[]): Promise<void> {
    const layout = byterangesOf({
      parts,
      boundary: this.#options.createBoundary(),
      contentType: content.contentType,
      size: content.size,
    });
    const head = () =>
      request.outgoing.writeHead(
        206,
        bodyHeaders(content, request, layout.contentType, layout.contentLength),
      );
    return this.#send(content, request, parts, head, layout);
  }

  /**
   * 1. Opens the first part: until its first byte is at hand, an error can still be answered.
   * 2. Writes the head, then each part between its separators.
   * 3. From then on an error cuts the connection: a client must never take a short body for a whole one.
   */
  async #send(
    content: ServedContent,
    request: ContentRequest,
    parts: readonly ByteRange[],
    writeHead: () => void,
    separators?: { readonly before: readonly string[]; readonly end: string },
  ): Promise<void> {
    const { outgoing } = request;
    const { store, clientIdleTimeoutMs } = this.#options;
    if (!(await isTurn(outgoing))) return;
    if (this.#underWay >= this.#options.answersMax) {
      throw new AppError<ErrorCode>('too_busy', 'Too many downloads are under way here.', {
        retryable: true,
      });
    }
    this.#underWay += 1;
    const gone = new AbortController();
    const onClose = () => gone.abort(new Error('the client has gone'));
    outgoing.once('close', onClose);
    let reading: ObjectReading | undefined;
    try {
      reading = await content.open(store, parts[0]!.first, parts[0]!.last, gone.signal);
      if (outgoing.destroyed || gone.signal.aborted) return;
      // Node's own timer: it starts again with every byte that the client's side acknowledges.
      outgoing.setTimeout(clientIdleTimeoutMs);
      writeHead();
      for (let index = 0; index < parts.length; index++) {
        const part = parts[index]!;
        if (separators) outgoing.write(separators.before[index]!);
        reading ??= await content.open(store, part.first, part.last, gone.signal);
        await reading.sendTo(outgoing, gone.signal);
        reading = undefined;
      }
      outgoing.end(separators?.end);
    } catch (error) {
      if (!outgoing.headersSent) throw error;
      // A write can fail before the connection says that it has closed.
      const isGone = gone.signal.aborted || outgoing.destroyed || outgoing.socket?.destroyed !== false;
      outgoing.destroy();
      if (!isGone) throw new BodyCutError(error);
    } finally {
      this.#underWay -= 1;
      reading?.cancel();
      outgoing.off('close', onClose);
    }
  }
}

/**
 * Resolves when the answers to earlier requests of the same connection have been sent, so that a client which sends
 * many requests at once costs one reading at a time. False when the connection closed meanwhile.
 */
async function isTurn(outgoing: ServerResponse): Promise<boolean> {
  if (outgoing.socket || outgoing.destroyed) return !outgoing.destroyed;
  return new Promise((resolve) => {
    outgoing.once('socket', () => resolve(true));
    outgoing.once('close', () => resolve(false));
  });
}

/** The bytes could not be had in the middle of a body; the connection is cut already, and nobody is left to tell. */
export class BodyCutError extends Error {
  constructor(cause: unknown) {
    super('a body was cut short', { cause });
    this.name = 'BodyCutError';
  }
}

function selectionOf(content: ServedContent, incoming: IncomingMessage): RangeSelection {
  const { range, 'if-range': ifRange } = incoming.headers;
  if (range === undefined || !allowsRange(ifRange as string | undefined, content)) return WHOLE;
  return selectRanges(range, content.size, RANGES_MAX);
}

/** What every successful answer says, 304 included. */
function sharedHeaders(content: ServedContent, request: ContentRequest): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'accept-ranges': 'bytes',
    'cache-control': content.cacheControl,
    etag: content.etag,
    'content-security-policy': content.policy,
    'referrer-policy': 'no-referrer',
    ...request.cors,
  };
  if (content.lastModified !== undefined) headers['last-modified'] = content.lastModified;
  if (request.requestId !== undefined) headers['x-request-id'] = request.requestId;
  return headers;
}

function bodyHeaders(
  content: ServedContent,
  request: ContentRequest,
  contentType: string,
  contentLength: number,
): OutgoingHttpHeaders {
  const headers = sharedHeaders(content, request);
  headers['content-type'] = contentType;
  headers['content-length'] = contentLength;
  const disposition = request.download ? content.attachment : content.inline;
  if (disposition !== null) headers['content-disposition'] = disposition;
  if (content.reprDigest !== null) headers['repr-digest'] = content.reprDigest;
  headers['x-content-type-options'] = 'nosniff';
  return headers;
}

function preconditionFailed(): AppError {
  return new AppError<ErrorCode>(
    'precondition_failed',
    'The video is not in the state that the request names.',
  );
}

function notSatisfiable(size: number): AppError {
  return new AppError<ErrorCode>(
    'range_not_satisfiable',
    `The video has ${size} bytes; none of the ranges can be sent.`,
    {
      details: { headers: { 'content-range': `bytes */${size}`, 'accept-ranges': 'bytes' } },
    },
  );
}
