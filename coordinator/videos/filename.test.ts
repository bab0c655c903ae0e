import { parse } from 'content-disposition';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentDisposition, sanitizeFilename, suggestedFilename, titleOf } from './filename.ts';

describe('sanitizeFilename', () => {
  test.each<[string, string | undefined]>([
    ['movie.mp4', 'movie.mp4'],
    ['  a movie .mp4 ', 'a movie .mp4'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\windows\\system32\\cmd.exe', 'cmd.exe'],
    ['C:\\Videos\\trip.mov', 'trip.mov'],
    ['/absolute/path/', 'path'],
    ['a/../..', undefined],
    ['..', undefined],
    ['.', undefined],
    ['', undefined],
    ['   ', undefined],
    ['///', undefined],
    ['.hidden', '.hidden'],
    ['a\0b\r\nSet-Cookie: x=1.mp4', 'abSet-Cookie: x=1.mp4'],
    ['tab\there\u0085\u2028.mp4', 'tabhere.mp4'],
    // Would be shown as "annexe.gpj".
    ['ann\u202egpj.exe', 'anngpj.exe'],
    ['\u2066x\u2069\u200f.mp4', 'x.mp4'],
    ['"quoted" \'name\'; x=%41.mp4', '"quoted" \'name\'; x=%41.mp4'],
    ['Amélie – 愛.mkv', 'Amélie – 愛.mkv'],
    ['Ame\u0301lie.mkv', 'Am\u00e9lie.mkv'],
    ['lone\ud800surrogate.mp4', 'lone\ufffdsurrogate.mp4'],
    ['family \u{1f468}\u200d\u{1f469}.mp4', 'family \u{1f468}\u200d\u{1f469}.mp4'],
  ])('%j', (given, expected) => {
    expect(sanitizeFilename(given)).toBe(expected);
  });

  test('a long name keeps its extension and whole characters within 255 bytes', () => {
    const name = sanitizeFilename(`${'é'.repeat(300)}.mp4`)!;
    expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
    expect(name).toMatch(/^é+\.mp4$/);
    expect(sanitizeFilename('\u{1f600}'.repeat(100))).toBe('\u{1f600}'.repeat(63));
    expect(Buffer.byteLength(sanitizeFilename(`x.${'y'.repeat(400)}`)!)).toBe(255);
  });

  test('whatever goes in, what comes out is one safe component and stays as it is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (given) => {
        const name = sanitizeFilename(given);
        if (name === undefined) return;
        expect(name).not.toMatch(/[\\/\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
        expect(name).not.toMatch(/^\.*$/);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(sanitizeFilename(name)).toBe(name);
      }),
    );
  });
});

describe('contentDisposition', () => {
  test.each([
    ['a.mp4', `inline; filename=a.mp4; filename*=UTF-8''a.mp4`],
    ['a b.mp4', `inline; filename="a b.mp4"; filename*=UTF-8''a%20b.mp4`],
    ['naïve €.mp4', `inline; filename="na_ve _.mp4"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.mp4`],
    ['a"b\\c%41.mp4', `inline; filename=a_b_c_41.mp4; filename*=UTF-8''a%22b%5Cc%2541.mp4`],
    ["it's (1)*.mp4", `inline; filename="it's (1)*.mp4"; filename*=UTF-8''it%27s%20%281%29%2A.mp4`],
  ])('%j', (filename, expected) => {
    expect(contentDisposition('inline', filename)).toBe(expected);
  });

  test('any sanitized name survives the header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (given) => {
        const name = sanitizeFilename(given);
        if (name === undefined) return;
        const header = contentDisposition('attachment', name);
        expect(header).toMatch(/^[\x20-\x7e]+$/);
        expect(parse(header).parameters.filename).toBe(name);
      }),
    );
  });
});

describe('suggestedFilename', () => {
  const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  test.each<[string | undefined, string | undefined]>([
    [undefined, undefined],
    ['attachment', undefined],
    ['attachment; filename=a.mp4', 'a.mp4'],
    ['attachment; filename="a \\"b\\".mp4"', 'a "b".mp4'],
    [`attachment; filename="x.mp4"; filename*=UTF-8''%E2%82%AC.mp4`, '€.mp4'],
    [`attachment; filename*=UTF-8''%E2%82%AC.mp4; filename="x.mp4"`, '€.mp4'],
    [`attachment; filename="x.mp4"; filename*=UTF-8''%ff%ff`, 'x.mp4'],
    [`attachment; filename*=iso-8859-1'en'na%EFve.mp4`, 'naïve.mp4'],
    [latin1('attachment; filename="€ uro.mp4"'), '€ uro.mp4'],
    ['attachment; filename="na\u00efve.mp4"', 'naïve.mp4'],
    ['attachment; filename="unterminated', undefined],
    ['filename=a.mp4', undefined],
    [';;;===', undefined],
  ])('%j', (header, expected) => {
    expect(suggestedFilename(header)).toBe(expected);
  });
});

test('a title is the name without its extension', () => {
  expect(titleOf('A trip.part1.mp4')).toBe('A trip.part1');
  expect(titleOf('.hidden')).toBe('.hidden');
  expect(titleOf('noextension')).toBe('noextension');
});
