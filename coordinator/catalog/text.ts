import { MOVIE_WORDS_MAX, WORD_LENGTH_MAX } from './limits.ts';

/** A text joined by punctuation of more parts than this does not count as a whole. */
export const WHOLE_PIECES_MAX = 6;

/** Letters that Unicode does not take apart, as people without them on their keyboards write them. */
const FOLDED: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
};
const FOLDS = new RegExp(`[${Object.keys(FOLDED).join('')}]`, 'g');
/** Inside of a word these are nothing: Schindler's, O’Brien, rock'n'roll. */
const APOSTROPHES = /['’‘`ʼ´]/g;
const PLAIN = /^[\x20-\x7e]*$/;
const PIECES = /[\p{L}\p{N}]+|\p{Extended_Pictographic}/gu;
/** Scripts that put no spaces between words. */
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

/** The text without case, accents and surplus blanks: what is compared, sorted and hashed. The same on every machine. */
export function normalizeText(text: string): string {
  if (PLAIN.test(text)) {
    const plain = text.toLowerCase().trim();
    // Most have none, and to look for two blanks takes a fraction of what the expression does.
    return plain.includes('  ') ? plain.replaceAll(/ {2,}/g, ' ') : plain;
  }
  return text
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .normalize('NFC')
    .toLowerCase()
    .replaceAll(FOLDS, (letter) => FOLDED[letter]!)
    .replaceAll(/[\s\p{Cc}]+/gu, ' ')
    .trim();
}

/**
 * The words by which a text is found, given its normal form. What is joined by punctuation counts in parts and as a whole
 * (`spider-man`: spider, man, spiderman); text without spaces counts as its pairs of characters.
 */
export function wordsOf(normal: string): string[] {
  const words: string[] = [];
  for (const chunk of normal.replaceAll(APOSTROPHES, '').split(' ')) {
    if (chunk === '') continue;
    const pieces = chunk.match(PIECES);
    if (pieces === null) continue;
    for (const piece of pieces) addWord(words, piece);
    if (pieces.length > 1 && pieces.length <= WHOLE_PIECES_MAX) addWord(words, pieces.join(''));
    if (words.length >= MOVIE_WORDS_MAX) return words.slice(0, MOVIE_WORDS_MAX);
  }
  return words;
}

/** Of a query, in which a joined whole would ask for more than was written. */
export function queryWordsOf(text: string): string[] {
  const words: string[] = [];
  const pieces = normalizeText(text).replaceAll(APOSTROPHES, '').match(PIECES) ?? [];
  for (const piece of pieces) addWord(words, piece);
  return [...new Set(words)];
}

function addWord(words: string[], piece: string): void {
  if (!UNSPACED.test(piece)) {
    words.push(piece.length > WORD_LENGTH_MAX ? cut(piece) : piece);
    return;
  }
  const characters = [...piece];
  if (characters.length === 1) words.push(piece);
  for (let index = 0; index + 1 < characters.length; index++) {
    words.push(characters[index]! + characters[index + 1]!);
  }
}

/** Never between the halves of a character. */
function cut(piece: string): string {
  const end = piece.charCodeAt(WORD_LENGTH_MAX - 1) >> 10 === 0x36 ? WORD_LENGTH_MAX - 1 : WORD_LENGTH_MAX;
  return piece.slice(0, end);
}
