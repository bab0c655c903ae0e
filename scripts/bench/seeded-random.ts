/** Random numbers that are the same again for the same seed (xorshift32), so that a failure can be repeated. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // Zero would stay zero, and neighbouring seeds would begin alike.
    this.#state = Math.imul(seed | 1, 0x9e3779b1) || 1;
    for (let turn = 0; turn < 8; turn++) this.#next();
  }

  /** A whole number from 0 to `end` without `end`. */
  below(end: number): number {
    const fraction = (this.#next() * 2 ** 21 + (this.#next() >>> 11)) / 2 ** 53;
    return Math.floor(fraction * end);
  }

  /** A whole number from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  #next(): number {
    let word = this.#state;
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    this.#state = word;
    return word >>> 0;
  }
}
