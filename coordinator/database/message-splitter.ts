/** The message by which a client takes its leave. */
const TERMINATE = 'X'.charCodeAt(0);
const QUERY = 'Q'.charCodeAt(0);
/** What ends the rows of a COPY: all were sent, or whoever sends them gave up. */
const [COPY_DONE, COPY_FAIL] = ['c'.charCodeAt(0), 'f'.charCodeAt(0)];
const COPY_IN = /^\s*copy\s.*\sfrom\s+stdin\b/is;
const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;

export interface SplitMessages {
  /**
   * Messages from their first byte to their last, one after the other; undefined when none is complete. A COPY with the
   * messages that have its rows counts as one.
   */
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
    // Where a COPY begins whose rows have not all come: PGlite cannot wait for them while it runs.
    let copyStart: number | undefined;
    for (;;) {
      const end = copyStart ?? position;
      const headerBytes = this.#typeBytes + LENGTH_BYTES;
      this.#neededBytes = position - end + headerBytes;
      const left = all.length - position;
      if (left < headerBytes) return end;
      const type = this.#typeBytes > 0 ? all[position] : undefined;
      if (type === TERMINATE) {
        this.#terminated = true;
        return end;
      }
      // The length counts itself, but not the type.
      const length = this.#typeBytes + all.readUInt32BE(position + this.#typeBytes);
      this.#neededBytes = position - end + length;
      if (left < length) return end;
      if (type === QUERY && isCopyIn(all.subarray(position + headerBytes, position + length)))
        copyStart = position;
      if (type === COPY_DONE || type === COPY_FAIL) copyStart = undefined;
      position += length;
      this.#typeBytes = TYPE_BYTES;
    }
  }
}

function isCopyIn(statement: Buffer): boolean {
  return COPY_IN.test(statement.toString('latin1'));
}
