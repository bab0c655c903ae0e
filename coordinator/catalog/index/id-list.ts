import { assert } from '../../../lib/errors/app-error.ts';
import { Numbers } from './numbers.ts';

/** Numbers of 32 bits that an id has. */
const PARTS = 4;
const HYPHEN = 0x2d;
const DIGITS = Uint8Array.from({ length: 128 }, (_, unit) => Number.parseInt(String.fromCharCode(unit), 16));

/** Ids of movies, which are UUIDs, as numbers. */
export class IdList {
  count = 0;
  readonly #parts = new Numbers();

  push(id: string): void {
    let part = 0;
    let digits = 0;
    for (let at = 0; at < id.length; at++) {
      const unit = id.charCodeAt(at);
      if (unit === HYPHEN) continue;
      part = (part << 4) | DIGITS[unit]!;
      digits += 1;
      if (digits % 8 === 0) this.#parts.push(part);
    }
    assert(digits === 8 * PARTS, 'ids are UUIDs');
    this.count += 1;
  }

  /** Below 0 when the first one is less. */
  compare(a: number, b: number): number {
    const parts = this.#parts.values;
    for (let part = 0; part < PARTS; part++) {
      const difference = parts[a * PARTS + part]! - parts[b * PARTS + part]!;
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** These, in this order. */
  pack(order: Uint16Array): Uint8Array {
    const bytes = new Uint8Array(order.length * PARTS * Uint32Array.BYTES_PER_ELEMENT);
    const view = new DataView(bytes.buffer);
    const parts = this.#parts.values;
    let at = 0;
    for (let index = 0; index < order.length; index++) {
      for (let part = 0; part < PARTS; part++, at += 4)
        view.setUint32(at, parts[order[index]! * PARTS + part]!);
    }
    return bytes;
  }
}
