import { randomInt } from 'node:crypto';
import { Texts } from './texts.ts';

/** Nobody can choose texts that all meet in one place. */
const SEED = randomInt(2 ** 32);
/** Of FNV-1a. */
const PRIME = 0x01000193;

/**
 * Texts by number, each once. They are looked for by their units: what is known already, as most words are, never becomes
 * a string.
 */
export class TextTable {
  readonly texts = new Texts();
  /** Pairs of a hash and a number plus 1, at the place that the hash says or behind it; at most half of them are in use. */
  #slots = new Uint32Array(2 * 64);
  #units = new Uint16Array(256);

  /** The number of the text, which is the next one when it was not here. */
  add(units: Uint16Array, from: number, to: number): number {
    let hash = SEED;
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ units[at]!, PRIME);
    hash = (hash ^ (hash >>> 15)) >>> 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = (hash * 2) & mask;
    for (; slots[slot + 1] !== 0; slot = (slot + 2) & mask) {
      const number = slots[slot + 1]! - 1;
      if (slots[slot] === hash && this.#isText(number, units, from, to)) return number;
    }
    slots[slot] = hash;
    this.texts.pushUnits(units, from, to);
    slots[slot + 1] = this.texts.count;
    if (this.texts.count * 4 > slots.length) this.#grow();
    return this.texts.count - 1;
  }

  addString(text: string): number {
    if (text.length > this.#units.length) this.#units = new Uint16Array(text.length);
    const units = this.#units;
    for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
    return this.add(units, 0, text.length);
  }

  #isText(number: number, units: Uint16Array, from: number, to: number): boolean {
    const starts = this.texts.starts.values;
    const start = starts[number]!;
    if (starts[number + 1]! - start !== to - from) return false;
    const known = this.texts.units;
    for (let at = from; at < to; at++) if (known[start + at - from] !== units[at]) return false;
    return true;
  }

  #grow(): void {
    const before = this.#slots;
    const slots = new Uint32Array(before.length * 2);
    const mask = slots.length - 1;
    for (let at = 0; at < before.length; at += 2) {
      if (before[at + 1] === 0) continue;
      let slot = (before[at]! * 2) & mask;
      while (slots[slot + 1] !== 0) slot = (slot + 2) & mask;
      slots[slot] = before[at]!;
      slots[slot + 1] = before[at + 1]!;
    }
    this.#slots = slots;
  }
}
