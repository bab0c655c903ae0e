/** A list of numbers that grows. */
export class Numbers {
  values = new Uint32Array(64);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Uint32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }
}

/** Lists of numbers, one behind the other. */
export class NumberLists {
  readonly numbers = new Numbers();
  /** Where each list begins, and where the last one ends. */
  readonly starts = new Numbers();

  constructor() {
    this.starts.push(0);
  }

  /** To the list that has begun. */
  push(number: number): void {
    this.numbers.push(number);
  }

  endList(): void {
    this.starts.push(this.numbers.length);
  }
}
