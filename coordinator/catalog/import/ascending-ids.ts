import { randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';

const ID_BYTES = 16;
const IDS = 512;
const SEQUENCE_MAX = 0x7fff_ffff;

/** UUIDv7s, each greater than the one before. Random bytes are taken for many at a time: that is most of their cost. */
export class AscendingIds {
  readonly #random = new Uint8Array(ID_BYTES * IDS);
  #at = this.#random.length;
  #msecs: number;
  #seq = 0;

  /** All are greater than this one, too. */
  constructor(after: string) {
    this.#msecs = Number.parseInt(after.replaceAll('-', '').slice(0, 12), 16) + 1;
  }

  next(): string {
    if (this.#at === this.#random.length) {
      randomFillSync(this.#random);
      this.#at = 0;
    }
    const msecs = Date.now();
    if (msecs > this.#msecs) {
      this.#msecs = msecs;
      this.#seq = 0;
    } else if (this.#seq === SEQUENCE_MAX) {
      this.#msecs += 1;
      this.#seq = 0;
    } else {
      this.#seq += 1;
    }
    const random = this.#random.subarray(this.#at, this.#at + ID_BYTES);
    this.#at += ID_BYTES;
    return uuidv7({ random, msecs: this.#msecs, seq: this.#seq });
  }
}
