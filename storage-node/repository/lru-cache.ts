import { OldestKeys } from '../../lib/oldest-keys/oldest-keys.ts';

/** Keeps the most recently used values whose costs together stay within a limit. */
export class LruCache<Value> {
  readonly #limit: number;
  readonly #costOf: (value: Value) => number;
  /** In order of use, the least recent first. */
  readonly #values = new Map<string, Value>();
  readonly #oldest = new OldestKeys(this.#values);
  #cost = 0;
  /** Called with every value that leaves the cache, also by `delete` and `set`. */
  readonly #onLeave: ((value: Value) => void) | undefined;

  constructor(options: {
    limit: number;
    costOf: (value: Value) => number;
    onLeave?: (value: Value) => void;
  }) {
    this.#limit = options.limit;
    this.#costOf = options.costOf;
    this.#onLeave = options.onLeave;
  }

  get(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  set(key: string, value: Value): void {
    this.delete(key);
    this.#values.set(key, value);
    this.#cost += this.#costOf(value);
    while (this.#cost > this.#limit && this.#values.size > 0) this.delete(this.#oldest.next()!);
  }

  delete(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#cost -= this.#costOf(value);
    this.#onLeave?.(value);
  }

  clear(): void {
    for (const key of [...this.#values.keys()]) this.delete(key);
  }
}
