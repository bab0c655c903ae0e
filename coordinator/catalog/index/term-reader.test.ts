import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MOVIE_WORDS_MAX } from '../limits.ts';
import { normalizeText, wordsOf } from '../text.ts';
import { TermReader } from './term-reader.ts';
import { FIELDS } from './terms-part.ts';

function read(text: string, reader = new TermReader()) {
  reader.read(text, FIELDS.title);
  const slice = (units: Uint16Array, from: number, to: number) =>
    String.fromCharCode(...units.subarray(from, to));
  const terms = Array.from({ length: reader.count }, (_, index) =>
    slice(reader.units, reader.starts[index]!, reader.ends[index]!),
  );
  return { normal: slice(reader.normal, 0, reader.normalLength), terms };
}

function expected(text: string) {
  const normal = normalizeText(text);
  return { normal, terms: wordsOf(normal).map((word) => FIELDS.title + word) };
}

describe('a text is read as its normal form and its words say', () => {
  test('with each character of the first plane alone, in a word, by itself and accented', () => {
    const reader = new TermReader();
    const different: string[] = [];
    for (let unit = 0; unit <= 0xffff; unit++) {
      const character = String.fromCharCode(unit);
      const text = `${character} A${character}b ${character}e\u0301`;
      if (JSON.stringify(read(text, reader)) !== JSON.stringify(expected(text)))
        different.push(unit.toString(16));
    }
    expect(different).toEqual([]);
  });

  test('whatever it consists of', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ' ',
        '  ',
        '-',
        "'",
        '’',
        '`',
        'Spider-Man',
        "rock'n'roll",
        'é',
        'ß',
        '字字',
        'ж',
        '😀',
        '\n',
      ),
      fc.constantFrom('x'.repeat(39), 'y'.repeat(40), 'z'.repeat(41), 'a-b-c-d-e-f ', 'a-b-c-d-e-f-g '),
      fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)),
      fc.integer({ min: 0, max: 0x24f }).map((code) => String.fromCodePoint(code)),
    );
    const text = fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, (given) => {
        expect(read(given)).toEqual(expected(given));
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['many words', Array.from({ length: 5000 }, (_, number) => number).join(' ')],
    ['many parts of one word', 'a-'.repeat(5000)],
    ['a whole that is one too many', `${'q '.repeat(MOVIE_WORDS_MAX - 2)} x-y`],
    ['a long text without blanks', '字'.repeat(9999)],
    ['as much text without blanks as can be found', '字'.repeat(490)],
    ['a character that becomes many', 'ﷺ'.repeat(500)],
  ])('with %s', (_, text) => {
    expect(read(text)).toEqual(expected(text));
  });
});
