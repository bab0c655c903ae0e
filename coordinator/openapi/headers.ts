import { exampleOf } from './parameter-example.ts';

type Json = Readonly<Record<string, unknown>>;

interface HeaderDescription {
  readonly description: string;
  readonly example: string | number;
  readonly type?: 'integer';
}

const ENTITY_TAG = '"v3"';
const DIGEST = 'sha-256=:jTQYJQ4CEHDAmxKN4fQb8Dc1nWQj1zJYn2C1XZ8pK0s=:';

/** Headers that requests may have. `Content-Type`, `Accept` and `Authorization` are not described as parameters. */
const REQUEST_HEADERS = {
  'If-Match': {
    description:
      'Do it only if the entity still has this `ETag` (RFC 9110): 412 when somebody else was faster. `*`: if it exists.',
    example: ENTITY_TAG,
  },
  'If-None-Match': {
    description: 'Answer with 304 if the entity still has this `ETag`.',
    example: ENTITY_TAG,
  },
  'If-Modified-Since': {
    description: 'Answer with 304 if nothing has changed since; `If-None-Match` goes first.',
    example: 'Sat, 17 Jan 2026 09:30:00 GMT',
  },
  'If-Unmodified-Since': {
    description: 'Answer with 412 if something has changed since; `If-Match` goes first.',
    example: 'Sat, 17 Jan 2026 09:30:00 GMT',
  },
  Range: {
    description: 'The bytes wanted, one range or several: `bytes=0-1023`, `bytes=-500`, `bytes=0-0,1000-`.',
    example: 'bytes=0-1048575',
  },
  'If-Range': {
    description:
      'Take `Range` into account only if the bytes still have this `ETag` or date; all of them otherwise.',
    example: '"jTQYJQ4CEHDAmxKN4fQb8Dc1nWQj1zJYn2C1XZ8pK0s"',
  },
  'Content-Digest': {
    description: 'The SHA-256 of the body (RFC 9530); 422 and nothing stored if the body has another one.',
    example: DIGEST,
  },
  'Repr-Digest': { description: 'Like `Content-Digest`.', example: DIGEST },
  'Content-Disposition': {
    description: 'The name of the file, if the query has none (RFC 6266).',
    example: 'attachment; filename="holiday.mp4"',
  },
  'Tus-Resumable': {
    description: 'The version of tus; without it the IETF’s draft is spoken.',
    example: '1.0.0',
  },
  'Upload-Length': { description: 'Bytes of the whole upload.', example: '7340032' },
  'Upload-Defer-Length': { description: 'tus: `1` when the length is said later.', example: '1' },
  'Upload-Offset': { description: 'Where the body begins: what `HEAD` said.', example: '1048576' },
  'Upload-Metadata': {
    description:
      'tus: `filename`, `filetype`, `title`, `description`, `visibility`, each with a value in Base64.',
    example: 'filename aG9saWRheS5tcDQ=,filetype dmlkZW8vbXA0',
  },
  'Upload-Concat': {
    description:
      'tus: `partial`, or `final;` and the addresses of parts that are complete, divided by blanks.',
    example: 'partial',
  },
  'Upload-Checksum': {
    description:
      'tus: an algorithm and the value in Base64; 460 and nothing kept if the body has another one.',
    example: 'sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=',
  },
  'Upload-Complete': {
    description: 'Draft: `?1` when the body is the last of the upload, `?0` otherwise.',
    example: '?1',
  },
  'Upload-Draft-Interop-Version': {
    description: 'Draft: `8` to get interim answers (104) with the address and the offset of the upload.',
    example: '8',
  },
  'X-HTTP-Method-Override': { description: 'What is meant: `PATCH`, `HEAD` or `DELETE`.', example: 'PATCH' },
  'Idempotency-Key': {
    description:
      'Any text of one’s own: a repeated request with it makes no second thing, and gets the first answer.',
    example: '5f3c1c5e-3f4d-4d6e-9f4e-1b0a6c1f8d2a',
  },
  'Last-Event-ID': {
    description: 'The id of the last event that was received: what came after it is sent first.',
    example: '4711',
  },
} as const satisfies Record<string, HeaderDescription>;
export type RequestHeader = keyof typeof REQUEST_HEADERS;

/** Headers of answers that clients should know of. */
const ANSWER_HEADERS = {
  ETag: {
    description: 'Of the state that is answered; for `If-Match` and `If-None-Match`.',
    example: ENTITY_TAG,
  },
  Location: {
    description: 'Where what was made is.',
    example: '/api/v1/videos/019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11',
  },
  'Upload-Offset': { description: 'Bytes that are stored safely: where to go on.', example: '1048576' },
  'Upload-Length': { description: 'Bytes of the whole upload, if that is known.', example: '7340032' },
  'Upload-Expires': {
    description: 'tus: until when the upload can go on.',
    example: 'Sat, 17 Jan 2026 09:30:00 GMT',
  },
  'Upload-Complete': { description: 'Draft: whether the upload is complete, `?1` or `?0`.', example: '?0' },
  'Upload-Limit': {
    description: 'Draft: the largest and smallest upload, and its time left.',
    example: 'max-size=1099511627776, min-size=1',
  },
  'Orbitvids-Video-Id': {
    description: 'The video that the upload has become.',
    example: '019bcb4e-7a10-7c3e-9a54-3f1f0f6d2b11',
  },
  'Cache-Control': { description: 'Who may keep the answer, and for how long.', example: 'no-cache' },
  'Last-Modified': { description: 'When it last changed.', example: 'Sat, 17 Jan 2026 09:30:00 GMT' },
  'Accept-Ranges': { description: 'Parts may be asked for by `Range`.', example: 'bytes' },
  'Content-Range': {
    description: 'Which bytes these are, and of how many; absent when there are several ranges.',
    example: 'bytes 0-1048575/7340032',
  },
  'Content-Length': { description: 'Bytes of the body.', example: 7340032, type: 'integer' },
  'Content-Disposition': {
    description: 'The name of the file; `attachment` with `download=1`.',
    example: 'inline; filename="holiday.mp4"',
  },
  'Repr-Digest': { description: 'The SHA-256 of the whole (RFC 9530).', example: DIGEST },
  'Retry-After': { description: 'Seconds after which to try again.', example: 2, type: 'integer' },
  'WWW-Authenticate': {
    description: 'What is missing or wrong about the credentials (RFC 6750).',
    example: 'Bearer realm="orbitvids", error="invalid_token"',
  },
  'Set-Cookie': {
    description: 'Of a login in cookies: the tokens, which scripts cannot read; emptied where a login ends.',
    example: 'orbitvids_access=eyJhbGciOiJSUzI1NiJ9...; HttpOnly; SameSite=Lax; Path=/',
  },
} as const satisfies Record<string, HeaderDescription>;
export type AnswerHeader = keyof typeof ANSWER_HEADERS;

export function headerParameters(names: readonly RequestHeader[] = []): Json[] {
  return names.map((name) => ({
    name,
    in: 'header',
    required: false,
    description: REQUEST_HEADERS[name].description,
    schema: { type: 'string' },
    examples: exampleOf(REQUEST_HEADERS[name].example, false),
  }));
}

/** The names and components of an answer's headers; every answer has a request id. */
export function headersOf(names: readonly AnswerHeader[] = []): Json {
  return Object.fromEntries(
    [...names, REQUEST_ID].map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
}

const REQUEST_ID = 'X-Request-Id';

export function headerComponents(): Json {
  const all: Readonly<Record<string, HeaderDescription>> = {
    ...ANSWER_HEADERS,
    [REQUEST_ID]: {
      description:
        'Names the request in the log. A request may bring its own, of 8 to 64 letters, digits, `.`, `_`, `-`.',
      example: 'b0c6a6a1-5c8e-4d0d-a0f0-0f7e3a5c2d11',
    },
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, { description, example, type = 'string' }]) => [
      name,
      { description, schema: { type }, example },
    ]),
  );
}
