import { Mp4Error } from './boxes.ts';

/** Numbers out of bits, the highest first, as codecs' headers have them. Throws Mp4Error at the end. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get bitsLeft(): number {
    return this.#bytes.length * 8 - this.#at;
  }

  /** Up to 32 of them. */
  bits(count: number): number {
    if (count > this.bitsLeft) throw new Mp4Error("a codec's header ends early");
    let value = 0;
    for (let index = 0; index < count; index++, this.#at++) {
      value = value * 2 + ((this.#bytes[this.#at >> 3]! >> (7 - (this.#at & 7))) & 1);
    }
    return value;
  }

  flag(): boolean {
    return this.bits(1) === 1;
  }

  skip(count: number): void {
    if (count > this.bitsLeft) throw new Mp4Error("a codec's header ends early");
    this.#at += count;
  }

  /** Exponential Golomb code without a sign: ue(v) of H.264, 9.1. */
  unsigned(): number {
    let zeros = 0;
    while (!this.flag()) zeros += 1;
    if (zeros > 31) throw new Mp4Error('a number is too long');
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** The same with a sign: se(v). */
  signed(): number {
    const code = this.unsigned();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}
