import { describe, expect, test } from 'vitest';
import {
  allowsRange,
  type ConditionalHeaders,
  evaluateRead,
  matchesStrongly,
  matchesWeakly,
  parseHttpDate,
  type Verdict,
} from './conditional.ts';

const ETAG = '"abc"';
const MODIFIED = 'Fri, 02 Jan 2026 03:04:05 GMT';
const BEFORE = 'Fri, 02 Jan 2026 03:04:04 GMT';
const AFTER = 'Fri, 02 Jan 2026 03:04:06 GMT';
const current = { etag: ETAG, lastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5) };

describe('evaluateRead', () => {
  test.each<[ConditionalHeaders, Verdict]>([
    [{}, 'proceed'],
    // Step 1: If-Match, compared strongly.
    [{ 'if-match': ETAG }, 'proceed'],
    [{ 'if-match': '*' }, 'proceed'],
    [{ 'if-match': '"x", "abc" ,"y"' }, 'proceed'],
    [{ 'if-match': '"x"' }, 'failed'],
    [{ 'if-match': 'W/"abc"' }, 'failed'],
    [{ 'if-match': 'abc' }, 'failed'],
    [{ 'if-match': '' }, 'failed'],
    // Step 2: If-Unmodified-Since, only without If-Match.
    [{ 'if-unmodified-since': MODIFIED }, 'proceed'],
    [{ 'if-unmodified-since': AFTER }, 'proceed'],
    [{ 'if-unmodified-since': BEFORE }, 'failed'],
    [{ 'if-unmodified-since': 'yesterday' }, 'proceed'],
    [{ 'if-match': ETAG, 'if-unmodified-since': BEFORE }, 'proceed'],
    [{ 'if-match': '"x"', 'if-unmodified-since': AFTER }, 'failed'],
    // Step 3: If-None-Match, compared weakly.
    [{ 'if-none-match': ETAG }, 'not-modified'],
    [{ 'if-none-match': 'W/"abc"' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"x", W/"abc"' }, 'not-modified'],
    [{ 'if-none-match': '"x"' }, 'proceed'],
    [{ 'if-none-match': '"ab", "c"' }, 'proceed'],
    [{ 'if-none-match': '"a,b", "abc"' }, 'not-modified'],
    // Step 4: If-Modified-Since, only without If-None-Match.
    [{ 'if-modified-since': MODIFIED }, 'not-modified'],
    [{ 'if-modified-since': AFTER }, 'not-modified'],
    [{ 'if-modified-since': BEFORE }, 'proceed'],
    [{ 'if-modified-since': '2026-01-02' }, 'proceed'],
    [{ 'if-none-match': '"x"', 'if-modified-since': AFTER }, 'proceed'],
    [{ 'if-none-match': ETAG, 'if-modified-since': BEFORE }, 'not-modified'],
    // The first steps come before the last.
    [{ 'if-match': '"x"', 'if-none-match': ETAG }, 'failed'],
    [{ 'if-match': ETAG, 'if-none-match': ETAG }, 'not-modified'],
    [{ 'if-unmodified-since': BEFORE, 'if-none-match': ETAG }, 'failed'],
    [{ 'if-unmodified-since': MODIFIED, 'if-modified-since': MODIFIED }, 'not-modified'],
  ])('%j: %s', (headers, verdict) => {
    expect(evaluateRead(headers, current)).toBe(verdict);
  });

  test('dates mean nothing to what has none', () => {
    expect(evaluateRead({ 'if-unmodified-since': BEFORE, 'if-modified-since': AFTER }, { etag: ETAG })).toBe(
      'proceed',
    );
  });
});

describe('allowsRange', () => {
  test.each<[string | undefined, boolean]>([
    [undefined, true],
    [ETAG, true],
    ['"x"', false],
    ['W/"abc"', false],
    ['*', false],
    [MODIFIED, true],
    [AFTER, false],
    [BEFORE, false],
    ['Friday, 02-Jan-26 03:04:05 GMT', true],
    ['nonsense', false],
    ['', false],
  ])('If-Range %s: %s', (header, allowed) => {
    expect(allowsRange(header, current)).toBe(allowed);
  });
});

test('entity tags are compared whole, weak ones only weakly', () => {
  expect(matchesStrongly('W/"abc"', ETAG)).toBe(false);
  expect(matchesWeakly('W/"abc"', ETAG)).toBe(true);
  expect(matchesWeakly('"abcd"', ETAG)).toBe(false);
  expect(matchesWeakly('"x"junk, "abc"', ETAG)).toBe(false);
  expect(matchesWeakly(',, "abc" ,', ETAG)).toBe(true);
});

describe('parseHttpDate', () => {
  const expected = Date.UTC(1994, 10, 6, 8, 49, 37);
  test.each<[string, number | undefined]>([
    ['Sun, 06 Nov 1994 08:49:37 GMT', expected],
    ['Sunday, 06-Nov-94 08:49:37 GMT', expected],
    ['Sun Nov  6 08:49:37 1994', expected],
    [' Sun, 06 Nov 1994 08:49:37 GMT ', expected],
    ['Sun, 06 Nov 1994 08:49:37 CET', undefined],
    ['Sun, 06 Nov 1994 08:49:37', undefined],
    ['Sun, 06 Xxx 1994 08:49:37 GMT', undefined],
    ['1994-11-06T08:49:37Z', undefined],
    ['784111777', undefined],
    ['', undefined],
  ])('%s', (text, ms) => {
    expect(parseHttpDate(text)).toBe(ms);
  });
});
