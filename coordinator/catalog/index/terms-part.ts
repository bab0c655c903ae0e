import { unpackSections } from './sections.ts';

/** A word is a term in each field that has it; the field comes first. */
export const FIELDS = { genre: 'g', synopsis: 'o', person: 'p', title: 't' } as const;
export type Field = (typeof FIELDS)[keyof typeof FIELDS];
export const ALL_FIELDS: readonly Field[] = ['t', 'p', 'g', 'o'];

/** Beginnings of which the most frequent terms are remembered: what everybody types first. */
const BEGINNINGS_KNOWN_MAX = 256;

/** The terms of a segment in the order of their code units, and which movies have each, the most popular first. */
export class TermsPart {
  readonly weightBytes: number;
  readonly count: number;
  /** See `maskOf`. */
  readonly masks: Uint32Array;
  readonly #text: string;
  readonly #textOffsets: Uint32Array;
  readonly #postingOffsets: Uint32Array;
  readonly #postings: Uint16Array;
  readonly #frequent = new Map<string, Uint32Array>();

  constructor(bytes: Uint8Array) {
    const sections = unpackSections(bytes);
    const text = sections.text as Uint8Array;
    this.weightBytes = bytes.byteLength + text.byteLength;
    this.#text = Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString('utf8');
    this.#textOffsets = sections.textOffsets as Uint32Array;
    this.masks = sections.masks as Uint32Array;
    this.#postingOffsets = sections.postingOffsets as Uint32Array;
    this.#postings = sections.postings as Uint16Array;
    this.count = this.masks.length;
  }

  /** The number of a term; -1 when it is not here. */
  find(term: string): number {
    const number = this.firstFrom(term);
    return number < this.count && this.termAt(number) === term ? number : -1;
  }

  /** The first term that is not less. */
  firstFrom(term: string): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.termAt(middle) < term) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  termAt(number: number): string {
    return this.#text.slice(this.#textOffsets[number]!, this.#textOffsets[number + 1]!);
  }

  lengthAt(number: number): number {
    return this.#textOffsets[number + 1]! - this.#textOffsets[number]!;
  }

  frequencyAt(number: number): number {
    return this.#postingOffsets[number + 1]! - this.#postingOffsets[number]!;
  }

  postingsAt(number: number): Uint16Array {
    return this.#postings.subarray(this.#postingOffsets[number]!, this.#postingOffsets[number + 1]!);
  }

  /** The terms that begin so: from the first number to before the second. */
  rangeOf(beginning: string): readonly [number, number] {
    return [this.firstFrom(beginning), this.firstFrom(`${beginning}\uffff`)];
  }

  /** Of the terms that begin so the most frequent ones. `countMax` is the same each time. */
  frequentFrom(beginning: string, countMax: number): Uint32Array {
    const known = this.#frequent.get(beginning);
    if (known !== undefined) return known;
    const [from, to] = this.rangeOf(beginning);
    const count = to - from;
    if (count <= countMax) return Uint32Array.from({ length: count }, (_, index) => from + index);
    const found = this.#mostFrequent(from, to, countMax);
    if (this.#frequent.size < BEGINNINGS_KNOWN_MAX) this.#frequent.set(beginning, found);
    return found;
  }

  /** `countMax` of the terms, of which there are more. Counts how many have each frequency: sorting takes ten times as long. */
  #mostFrequent(from: number, to: number, countMax: number): Uint32Array {
    let frequency = 0;
    for (let number = from; number < to; number++) frequency = Math.max(frequency, this.frequencyAt(number));
    const withFrequency = new Uint32Array(frequency + 1);
    for (let number = from; number < to; number++) withFrequency[this.frequencyAt(number)]! += 1;
    let above = 0;
    for (; above + withFrequency[frequency]! < countMax; frequency--) above += withFrequency[frequency]!;
    // Of those with the lowest frequency that counts, some.
    let rest = countMax - above;
    const found = new Uint32Array(countMax);
    let length = 0;
    for (let number = from; length < countMax; number++) {
      const own = this.frequencyAt(number);
      if (own > frequency || (own === frequency && rest-- > 0)) found[length++] = number;
    }
    return found;
  }
}
