import { MOVIE_WORDS_MAX, WORD_LENGTH_MAX } from '../limits.ts';
import { normalizeText, WHOLE_PIECES_MAX, wordsOf } from '../text.ts';
import type { Field } from './terms-part.ts';

const BLANK = 0x20;

/** The normal form of each Latin character that has one of a single ASCII character, whatever stands beside it; else 0. */
const PLAIN_FORMS = Uint8Array.from({ length: 0x250 }, (_, unit) => {
  const form = normalizeText(`a${String.fromCharCode(unit)}a`).slice(1, -1);
  return /^[\x20-\x7e]$/.test(form) ? form.charCodeAt(0) : 0;
});

/** What an ASCII character is in a word. */
const BETWEEN = 0;
const PART = 1;
const NOTHING = 2;
const KINDS = Uint8Array.from({ length: 0x80 }, (_, unit) => {
  const character = String.fromCharCode(unit);
  return /[a-z0-9]/.test(character) ? PART : /['`]/.test(character) ? NOTHING : BETWEEN;
});

/**
 * Takes one text after the other apart as `normalizeText` and `wordsOf` do. No strings are made of what becomes ASCII,
 * which is most.
 */
export class TermReader {
  /** The text in its normal form. */
  normal = new Uint16Array(256);
  normalLength = 0;
  /** The terms, in no order, and where each begins and ends. */
  units = new Uint16Array(1024);
  readonly starts = new Uint32Array(MOVIE_WORDS_MAX);
  readonly ends = new Uint32Array(MOVIE_WORDS_MAX);
  count = 0;
  #field = 0;
  #unitsLength = 0;

  read(text: string, field: Field): void {
    this.count = 0;
    this.#unitsLength = 0;
    this.#field = field.charCodeAt(0);
    if (this.#normalizePlain(text)) this.#readPlain();
    else this.#readOther(normalizeText(text));
  }

  /** False for a text that has other characters than those. */
  #normalizePlain(text: string): boolean {
    this.#makeRoom(text.length);
    const normal = this.normal;
    let length = 0;
    let last = BLANK;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      const form = unit < PLAIN_FORMS.length ? PLAIN_FORMS[unit]! : 0;
      if (form === 0) return false;
      if (form === BLANK && last === BLANK) continue;
      last = form;
      normal[length++] = form;
    }
    this.normalLength = last === BLANK && length > 0 ? length - 1 : length;
    return true;
  }

  #readOther(normal: string): void {
    this.#makeRoom(normal.length);
    this.normalLength = normal.length;
    for (let at = 0; at < normal.length; at++) this.normal[at] = normal.charCodeAt(at);
    for (const word of wordsOf(normal)) {
      const start = this.#begin();
      for (let at = 0; at < word.length; at++) this.units[this.#unitsLength++] = word.charCodeAt(at);
      this.#end(start);
    }
  }

  #readPlain(): void {
    const { normal, normalLength } = this;
    let chunkStart = 0;
    let pieces = 0;
    let start = this.#begin();
    for (let at = 0; at <= normalLength; at++) {
      const unit = at < normalLength ? normal[at]! : BLANK;
      const kind = KINDS[unit]!;
      if (kind === PART) this.units[this.#unitsLength++] = unit;
      if (kind !== BETWEEN) continue;
      if (this.#unitsLength > start) {
        this.#end(start);
        start = this.#begin();
        pieces++;
      }
      if (unit !== BLANK) continue;
      if (pieces > 1 && pieces <= WHOLE_PIECES_MAX) {
        this.#addWhole(start, chunkStart, at);
        start = this.#begin();
      }
      pieces = 0;
      chunkStart = at + 1;
    }
  }

  /** A chunk without what is between its pieces. */
  #addWhole(start: number, from: number, to: number): void {
    for (let at = from; at < to; at++) {
      const unit = this.normal[at]!;
      if (KINDS[unit] === PART) this.units[this.#unitsLength++] = unit;
    }
    this.#end(start);
  }

  /** A term; its field comes first. */
  #begin(): number {
    this.units[this.#unitsLength++] = this.#field;
    return this.#unitsLength;
  }

  #end(start: number): void {
    if (this.count === MOVIE_WORDS_MAX) return;
    this.starts[this.count] = start - 1;
    this.ends[this.count++] = Math.min(this.#unitsLength, start + WORD_LENGTH_MAX);
  }

  /** Of each character, where words are pairs, there may be two of a piece and two of a whole, each with its field. */
  #makeRoom(length: number): void {
    if (length > this.normal.length) this.normal = new Uint16Array(length);
    if (length * 6 + 2 > this.units.length) this.units = new Uint16Array(length * 6 + 2);
  }
}
