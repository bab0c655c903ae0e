import { Numbers } from './numbers.ts';

/** Texts as they are stored. Offsets count UTF-16 units of the decoded text. */
export interface PackedTexts {
  readonly bytes: Uint8Array;
  readonly offsets: Uint32Array;
}

/**
 * A list of texts that grows, as one run of UTF-16 units. Strings would be copied by the garbage collector, again and
 * again while there are a few of them, and have to be joined at the end.
 */
export class Texts {
  units = new Uint16Array(512);
  /** Where each begins, and where the last one ends. */
  readonly starts = new Numbers();

  constructor() {
    this.starts.push(0);
  }

  get count(): number {
    return this.starts.length - 1;
  }

  push(text: string): void {
    const start = this.#makeRoom(text.length);
    const known = this.units;
    for (let at = 0; at < text.length; at++) known[start + at] = text.charCodeAt(at);
    this.starts.push(start + text.length);
  }

  pushUnits(units: Uint16Array, from: number, to: number): void {
    const start = this.#makeRoom(to - from);
    const known = this.units;
    for (let at = from; at < to; at++) known[start + at - from] = units[at]!;
    this.starts.push(start + to - from);
  }

  /** These, in this order. */
  pack(order: Uint16Array | Uint32Array): PackedTexts {
    const starts = this.starts.values;
    const offsets = new Uint32Array(order.length + 1);
    const known = this.units;
    const units = new Uint16Array(starts[this.count]!);
    let end = 0;
    for (let index = 0; index < order.length; index++) {
      const to = starts[order[index]! + 1]!;
      for (let at = starts[order[index]!]!; at < to; at++) units[end++] = known[at]!;
      offsets[index + 1] = end;
    }
    const text = Buffer.from(units.buffer, 0, end * units.BYTES_PER_ELEMENT).toString('utf16le');
    return { bytes: Buffer.from(text), offsets };
  }

  /** For so many units after the last text, which ends at what is returned. */
  #makeRoom(length: number): number {
    const end = this.starts.values[this.count]!;
    if (end + length > this.units.length) {
      const larger = new Uint16Array(Math.max(this.units.length * 2, end + length));
      larger.set(this.units);
      this.units = larger;
    }
    return end;
  }
}
