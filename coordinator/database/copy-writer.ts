const SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
/** Flags, and the length of an extension that there is none of. */
const HEADER_BYTES = 8;
const UUID_BYTES = 16;
const LENGTH_BYTES = 4;
/** A UTF-16 unit has as many bytes in UTF-8 at most. */
const UNIT_BYTES_MAX = 3;
const START_BYTES = 64 * 1024;
/** Of the list's head: dimensions, whether there are nulls, type, length, where it begins. */
const LIST_HEAD_BYTES = 20;
const TEXT_TYPE = 25;

/**
 * Rows in the binary format of COPY (see "COPY" in PostgreSQL's manual), which nobody has to read as text: `begin`, for each
 * row `row` and its values in the order of the columns, `finish`. One buffer is written again and again.
 */
export class CopyWriter {
  #bytes = Buffer.allocUnsafeSlow(START_BYTES);
  #at = 0;

  begin(): void {
    this.#at = SIGNATURE.copy(this.#bytes);
    this.#bytes.fill(0, this.#at, this.#at + HEADER_BYTES);
    this.#at += HEADER_BYTES;
  }

  row(columns: number): void {
    this.#reserve(2);
    this.#at = this.#bytes.writeInt16BE(columns, this.#at);
  }

  /** Hexadecimal digits, with hyphens or without. */
  uuid(text: string | null): void {
    if (!this.#startValue(text, UUID_BYTES)) return;
    const end = this.#at + UUID_BYTES;
    for (let from = 0; this.#at < end; from += 2) {
      if (text!.charCodeAt(from) === HYPHEN) from += 1;
      this.#bytes[this.#at++] = (digitOf(text!.charCodeAt(from)) << 4) | digitOf(text!.charCodeAt(from + 1));
    }
  }

  text(text: string | null): void {
    this.#reserve(LENGTH_BYTES + (text?.length ?? 0) * UNIT_BYTES_MAX);
    if (text === null) this.#null();
    else this.#text(text);
  }

  /** `text[]`. */
  texts(list: readonly string[]): void {
    let bytesMax = LENGTH_BYTES + LIST_HEAD_BYTES;
    for (const text of list) bytesMax += LENGTH_BYTES + text.length * UNIT_BYTES_MAX;
    this.#reserve(bytesMax);
    const start = this.#at;
    this.#at += LENGTH_BYTES;
    this.#int32(list.length === 0 ? 0 : 1);
    this.#int32(0);
    this.#int32(TEXT_TYPE);
    if (list.length > 0) {
      this.#int32(list.length);
      this.#int32(1);
      for (const text of list) this.#text(text);
    }
    this.#bytes.writeInt32BE(this.#at - start - LENGTH_BYTES, start);
  }

  smallint(value: number | null): void {
    if (this.#startValue(value, 2)) this.#at = this.#bytes.writeInt16BE(value!, this.#at);
  }

  integer(value: number | null): void {
    if (this.#startValue(value, 4)) this.#int32(value!);
  }

  float8(value: number | null): void {
    if (this.#startValue(value, 8)) this.#at = this.#bytes.writeDoubleBE(value!, this.#at);
  }

  /** What was written since `begin`, in a buffer of its own. */
  finish(): Uint8Array<ArrayBuffer> {
    this.row(-1);
    return new Uint8Array(this.#bytes.subarray(0, this.#at));
  }

  /** Whether there is a value, whose bytes come next. */
  #startValue(value: unknown, length: number): boolean {
    this.#reserve(LENGTH_BYTES + length);
    if (value === null) this.#null();
    else this.#int32(length);
    return value !== null;
  }

  #null(): void {
    this.#int32(-1);
  }

  #text(text: string): void {
    const start = this.#at;
    const length = this.#bytes.write(text, start + LENGTH_BYTES);
    this.#bytes.writeInt32BE(length, start);
    this.#at = start + LENGTH_BYTES + length;
  }

  #int32(value: number): void {
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
  }

  #reserve(length: number): void {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

const HYPHEN = 45;
const [ZERO, NINE, LOWER_A] = [48, 57, 97];

/** Of a hexadecimal digit; letters may be of any case. */
function digitOf(code: number): number {
  return code <= NINE ? code - ZERO : (code | 32) - LOWER_A + 10;
}
