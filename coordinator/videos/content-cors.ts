import type { OutgoingHttpHeaders } from 'node:http';

const EXPOSED =
  'accept-ranges, content-disposition, content-length, content-range, etag, last-modified, repr-digest, x-request-id';

/** Which scripts of other origins may read a video's bytes, and these of the headers. */
export class ContentCors {
  readonly #origins: ReadonlySet<string>;

  /** `['*']` for all. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
  }

  /** For any answer to a request from that origin. */
  headersFor(origin: string | undefined): OutgoingHttpHeaders {
    if (this.#origins.size === 0) return NONE;
    if (this.#origins.has('*')) return ALL;
    // One address has different answers for different origins.
    const vary = { vary: 'Origin' };
    return origin !== undefined && this.#origins.has(origin) ? { ...answerOf(origin), ...vary } : vary;
  }

  /** For the request with which a browser asks beforehand. */
  preflightFor(origin: string | undefined): OutgoingHttpHeaders {
    const headers = this.headersFor(origin);
    return headers['access-control-allow-origin'] === undefined
      ? { allow: ALLOW, ...headers }
      : { ...PREFLIGHT, ...headers };
  }
}

function answerOf(origin: string): OutgoingHttpHeaders {
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED };
}

const NONE: OutgoingHttpHeaders = Object.freeze({});
const ALL: OutgoingHttpHeaders = Object.freeze(answerOf('*'));
const ALLOW = 'GET, HEAD, OPTIONS';
const PREFLIGHT: OutgoingHttpHeaders = {
  'access-control-allow-methods': ALLOW,
  'access-control-allow-headers':
    'Authorization, If-Match, If-Modified-Since, If-None-Match, If-Range, If-Unmodified-Since, Range, X-Request-Id',
  'access-control-max-age': '86400',
  allow: ALLOW,
};
