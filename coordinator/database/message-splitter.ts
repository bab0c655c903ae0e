/** The message by which a client takes its leave. */
const TERMINATE = 'X'.charCodeAt(0);
const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;

export interface SplitMessages {
  /** Messages from their first byte to their last, one after the other; undefined when none is complete. */
  readonly whole: Buffer | undefined;
  /** The client has taken its leave; whatever comes after is nothing. */
  readonly terminated: boolean;
}

/**
 * Finds the ends of messages in what a client of PostgreSQL sends: PGlite has to be given whole ones, and a pipe
 * cuts them anywhere. See "Message Formats" in PostgreSQL's manual; the first message has no type.
 */
export class MessageSplitter {
  #pieces: Buffer[] = [];
  #length = 0;
  /** With fewer bytes there is nothing to find. */
  #neededBytes = LENGTH_BYTES;
  #typeBytes = 0;
  #terminated = false;

  push(bytes: Buffer): SplitMessages {
    if (this.#terminated) return { whole: undefined, terminated: true };
    this.#pieces.push(bytes);
    this.#length += bytes.length;
    if (this.#length < this.#neededBytes) return { whole: undefined, terminated: false };
    const all = this.#pieces.length === 1 ? bytes : Buffer.concat(this.#pieces, this.#length);
    const end = this.#skipWhole(all);
    this.#pieces = end < all.length ? [all.subarray(end)] : [];
    this.#length = all.length - end;
    return { whole: end > 0 ? all.subarray(0, end) : undefined, terminated: this.#terminated };
  }

  /** Returns where the last whole message ends, or the one that ends all of it begins. */
  #skipWhole(all: Buffer): number {
    let position = 0;
    for (;;) {
      const headerBytes = this.#typeBytes + LENGTH_BYTES;
      this.#neededBytes = headerBytes;
      const left = all.length - position;
      if (left < headerBytes) return position;
      if (this.#typeBytes > 0 && all[position] === TERMINATE) {
        this.#terminated = true;
        return position;
      }
      // The length counts itself, but not the type.
      this.#neededBytes = this.#typeBytes + all.readUInt32BE(position + this.#typeBytes);
      if (left < this.#neededBytes) return position;
      position += this.#neededBytes;
      this.#typeBytes = TYPE_BYTES;
    }
  }
}
