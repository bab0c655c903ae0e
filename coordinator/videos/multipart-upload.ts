import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { Dicer } from '@fastify/busboy';
import { parse as parseDisposition } from 'content-disposition';
import type { AppError } from '../../lib/errors/app-error.ts';
import { claimedDigests } from '../../lib/http/digest-fields.ts';
import { incompleteBody } from '../gone-signal.ts';
import { invalidRequest, parseFields } from '../parse-fields.ts';
import { limitIdle } from './body-idle.ts';
import { asUtf8, sanitizeFilename } from './filename.ts';
import {
  FORM_FIELD_BYTES_MAX,
  FORM_HEADER_BYTES_MAX,
  FORM_OVERHEAD_BYTES_MAX,
  FORM_PARTS_MAX,
} from './limits.ts';
import { assertWhole, bodyTooLarge } from './parse-request.ts';
import { uploadFieldsSchema } from './schema.ts';
import type { Upload, UploadMetadata } from './upload.ts';

const FILE_FIELD = 'file';
/** More than the parser can be given at once, so that it never holds a part back. */
const PART_BYTES_MAX = 16 * 1024 * 1024;

/** A part's headers as the parser gives them: lower-case names, values as Latin-1. */
type PartHeaders = Readonly<Record<string, string[] | undefined>>;

interface FilePart {
  readonly body: Readable;
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly digests: readonly Uint8Array[];
}

/**
 * An upload in a form (RFC 7578): one file, and fields before or behind it. The file is the part that has a file
 * name or is called `file`. Resolves when its first byte is near, so that nothing is opened for a form without
 * one. Digests count in the headers of the file's part only: outside they would speak about the form.
 */
export async function openMultipartUpload(
  incoming: IncomingMessage,
  options: {
    readonly signal: AbortSignal;
    readonly idleTimeoutMs: number;
    /** Of the whole form. */
    readonly bytesMax: number;
  },
): Promise<Upload> {
  const { signal, idleTimeoutMs, bytesMax } = options;
  const form = new Form(incoming, boundaryOf(incoming.headers['content-type'] ?? ''), bytesMax);
  try {
    const file = await limitIdle(incoming, idleTimeoutMs, form.file);
    const formBytes = Number(incoming.headers['content-length'] ?? 0);
    return {
      announced: { bytes: Math.max(1, formBytes - FORM_OVERHEAD_BYTES_MAX), isExact: false },
      body: file.body,
      signal,
      finish: () => limitIdle(incoming, idleTimeoutMs, form.finish(file)),
      release: () => form.release(),
    };
  } catch (error) {
    form.release();
    throw error;
  }
}

/**
 * The parser's own backpressure can leave the last write unanswered, so its parts always flow; the request is
 * paused instead while nobody takes the file's bytes.
 */
class Form {
  readonly file: Promise<FilePart>;
  readonly #incoming: IncomingMessage;
  readonly #parser: Dicer;
  readonly #fields = new Map<string, Promise<string>>();
  readonly #file = Promise.withResolvers<FilePart>();
  /** Resolves when the form and the request have ended. */
  readonly #whole = Promise.withResolvers<void>();
  #body: Readable | undefined;
  readonly #bytesMax: number;
  #bytes = 0;
  #parts = 0;
  #isReleased = false;

  constructor(incoming: IncomingMessage, boundary: string, bytesMax: number) {
    this.#incoming = incoming;
    this.#bytesMax = bytesMax;
    this.file = this.#file.promise;
    for (const { promise } of [this.#file, this.#whole]) promise.catch(() => {});

    const config = {
      boundary,
      maxHeaderPairs: 32,
      maxHeaderSize: FORM_HEADER_BYTES_MAX,
      partHwm: PART_BYTES_MAX,
    };
    this.#parser = new Dicer(config);
    this.#parser.on('part', (part) => this.#onPart(part));
    this.#parser.on('error', (error) => this.#fail(incompleteBody(error)));
    this.#parser.once('finish', () => {
      this.#file.reject(invalid('the form has no file'));
      if (incoming.readableEnded) this.#whole.resolve();
      else incoming.once('end', () => this.#whole.resolve());
    });
    incoming.on('data', this.#onData);
    incoming.once('end', () => this.#parser.end());
    incoming.on('error', (error) => this.#fail(incompleteBody(error)));
    incoming.once('close', () => {
      if (!incoming.complete) this.#fail(incompleteBody());
    });
  }

  async finish(file: FilePart): Promise<UploadMetadata> {
    await this.#whole.promise;
    assertWhole(this.#incoming);
    const given: Record<string, string> = {};
    for (const [name, value] of this.#fields) given[name] = await value;
    const { filename, ...fields } = parseFields(uploadFieldsSchema, given);
    return {
      ...fields,
      filename: filename ?? file.filename,
      contentType: file.contentType,
      digests: file.digests,
    };
  }

  /** Lets go of the request: what is still to come is nobody's. */
  release(): void {
    this.#isReleased = true;
    this.#incoming.off('data', this.#onData);
  }

  readonly #onData = (piece: Buffer) => {
    this.#bytes += piece.length;
    if (this.#bytes > this.#bytesMax) this.#fail(bodyTooLarge(this.#bytesMax));
    else this.#parser.write(piece);
  };

  #onPart(part: Dicer.PartStream): void {
    this.#parts += 1;
    if (this.#parts > FORM_PARTS_MAX) {
      this.#skip(part);
      this.#fail(invalid(`the form has more than ${FORM_PARTS_MAX} parts`));
      return;
    }
    // The parser fails a part that the request cuts off; the form knows already.
    part.on('error', (error) => this.#fail(incompleteBody(error)));
    part.once('header', (headers: object) => {
      try {
        this.#onHeaders(part, headers as PartHeaders);
      } catch (error) {
        this.#skip(part);
        this.#fail(error as Error);
      }
    });
  }

  #onHeaders(part: Dicer.PartStream, headers: PartHeaders): void {
    const { type, parameters } = parseDisposition(asUtf8(headers['content-disposition']?.[0] ?? ''), {
      multipart: true,
    });
    const { name } = parameters;
    if (type !== 'form-data' || name === undefined) throw invalid('a part of the form has no name');
    if (parameters.filename === undefined && name !== FILE_FIELD) {
      if (this.#fields.has(name)) throw invalid('given more than once', name);
      this.#fields.set(name, this.#readField(part, name));
      return;
    }
    if (this.#body !== undefined) throw invalid('the form has more than one file', name);
    this.#file.resolve({
      body: this.#openBody(part),
      filename: sanitizeFilename(parameters.filename ?? ''),
      contentType: headers['content-type']?.[0],
      digests: claimedDigests({
        'content-digest': headers['content-digest'],
        'repr-digest': headers['repr-digest'],
      }),
    });
  }

  #openBody(part: Readable): Readable {
    const body = new Readable({ read: () => void (this.#isReleased || this.#incoming.resume()) });
    // A reader that came and went must not leave an error without a listener.
    body.on('error', () => {});
    part.on('data', (piece: Buffer) => {
      if (!body.push(piece)) this.#incoming.pause();
    });
    part.once('end', () => body.push(null));
    this.#body = body;
    return body;
  }

  /** Never rejects: a field that is too long or cut off fails the form. */
  #readField(part: Readable, name: string): Promise<string> {
    const pieces: Buffer[] = [];
    let size = 0;
    part.on('data', (piece: Buffer) => {
      size += piece.length;
      if (size <= FORM_FIELD_BYTES_MAX) pieces.push(piece);
      else this.#fail(invalid(`longer than ${FORM_FIELD_BYTES_MAX} bytes`, name));
    });
    return new Promise((resolve) => {
      part.once('end', () => resolve(Buffer.concat(pieces).toString('utf8')));
    });
  }

  #skip(part: Readable): void {
    part.on('error', () => {});
    part.resume();
  }

  #fail(error: Error): void {
    this.#file.reject(error);
    this.#whole.reject(error);
    this.release();
    this.#body?.destroy(error);
  }
}

function boundaryOf(contentType: string): string {
  // The syntax of parameters is the same in both headers.
  const { boundary } = parseDisposition(contentType).parameters;
  if (boundary === undefined || boundary === '' || boundary.length > 70) {
    throw invalid('the multipart content type has no usable boundary', 'boundary');
  }
  return boundary;
}

function invalid(message: string, field = ''): AppError {
  return invalidRequest([{ field, message }]);
}
