/** The validators of a representation. */
export interface Validators {
  /** A strong entity tag with its quotes. */
  readonly etag: string;
  /** Whole seconds, as milliseconds since the epoch; undefined when the representation has no such date. */
  readonly lastModifiedMs?: number;
}

/** The request headers that make a request conditional (RFC 9110 section 13.1), lower-case. */
export interface ConditionalHeaders {
  readonly 'if-match'?: string | undefined;
  readonly 'if-none-match'?: string | undefined;
  readonly 'if-modified-since'?: string | undefined;
  readonly 'if-unmodified-since'?: string | undefined;
  readonly 'if-range'?: string | undefined;
}

export type Verdict = 'proceed' | 'not-modified' | 'failed';

/** Evaluates the preconditions of a GET or HEAD in the order of RFC 9110 section 13.2.2. */
export function evaluateRead(headers: ConditionalHeaders, current: Validators): Verdict {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) {
    if (!matchesStrongly(ifMatch, current.etag)) return 'failed';
  } else {
    const since = readDate(headers['if-unmodified-since'], current);
    if (since !== undefined && current.lastModifiedMs! > since) return 'failed';
  }

  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return matchesWeakly(ifNoneMatch, current.etag) ? 'not-modified' : 'proceed';
  const since = readDate(headers['if-modified-since'], current);
  return since !== undefined && current.lastModifiedMs! <= since ? 'not-modified' : 'proceed';
}

/**
 * Whether a Range header may be honoured (RFC 9110 section 13.1.5). The modification date counts as a strong
 * validator: the caller vouches that the bytes never change under one date.
 */
export function allowsRange(ifRange: string | undefined, current: Validators): boolean {
  if (ifRange === undefined) return true;
  if (/^\s*(W\/)?"/.test(ifRange)) return ifRange.trim() === current.etag;
  return readDate(ifRange, current) === current.lastModifiedMs && current.lastModifiedMs !== undefined;
}

/** If-Match: `*` or one of the tags is the current one; weak tags never match. */
export function matchesStrongly(header: string, etag: string): boolean {
  return header.trim() === '*' || entityTags(header).includes(etag);
}

/** If-None-Match: `*` or one of the tags is the current one, weak or not. */
export function matchesWeakly(header: string, etag: string): boolean {
  return header.trim() === '*' || entityTags(header).some((tag) => tag === etag || tag === `W/${etag}`);
}

/** The tags of a list, as written. A malformed list is read up to its first error. */
function entityTags(header: string): string[] {
  const tags: string[] = [];
  const tag = /[\s,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)/y;
  for (let match = tag.exec(header); match !== null; match = tag.exec(header)) tags.push(match[1]!);
  return tags;
}

function readDate(header: string | undefined, current: Validators): number | undefined {
  return header === undefined || current.lastModifiedMs === undefined ? undefined : parseHttpDate(header);
}

const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE =
  /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/** The three forms of an HTTP-date (RFC 9110 section 5.6.7); undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  const trimmed = text.trim();
  const ms =
    IMF_FIXDATE.test(trimmed) || RFC_850_DATE.test(trimmed)
      ? Date.parse(trimmed)
      : ASCTIME_DATE.test(trimmed)
        ? Date.parse(`${trimmed} GMT`)
        : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}
