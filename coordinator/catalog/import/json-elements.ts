import { IMPORT_RECORD_BYTES_MAX } from '../limits.ts';

/** One element of the array, or one line. */
export interface JsonElement {
  /** Undefined when it is longer than the limit. Valid while the callback runs that is given the element. */
  readonly bytes: Uint8Array | undefined;
  /** Where it begins, counted from 0. */
  readonly byte: number;
  /** Counted from 1. */
  readonly line: number;
}

/** What comes after this place cannot be understood. */
export class JsonStructureError extends Error {
  readonly byte: number;
  readonly line: number;

  constructor(message: string, byte: number, line: number) {
    super(message);
    this.byte = byte;
    this.line = line;
  }
}

const [TAB, NEWLINE, RETURN, SPACE] = [9, 10, 13, 32];
const [QUOTE, COMMA, BACKSLASH] = [34, 44, 92];
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

type State = 'start' | 'lines' | 'value' | 'first' | 'inside' | 'after' | 'end';

/**
 * Cuts a JSON array into its elements, or text with one JSON value a line into its lines, as the bytes come. It looks at
 * brackets and quotes only: whether an element is JSON is for a parser to say. Holds one element at most.
 */
export class JsonElements {
  readonly #onElement: (element: JsonElement) => void;
  #state: State = 'start';
  /** Of the next byte. */
  #byte = 0;
  #line = 1;
  // The element that has begun.
  #pieces: Uint8Array[] = [];
  #length = 0;
  #startByte = 0;
  #startLine = 1;
  #depth = 0;
  #inString = false;
  #isEscaped = false;
  #marks = 0;

  constructor(onElement: (element: JsonElement) => void) {
    this.#onElement = onElement;
  }

  /** Throws `JsonStructureError`. The bytes are the caller's again when it returns. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'inside') at = this.#scanElement(bytes, at);
      else if (this.#state === 'lines') at = this.#scanLine(bytes, at);
      else at = this.#between(bytes, at);
    }
    // Of an element that goes on.
    const last = this.#pieces.length - 1;
    if (last >= 0) this.#pieces[last] = new Uint8Array(this.#pieces[last]!);
  }

  /** Throws `JsonStructureError` when the array is not complete. */
  end(): void {
    if (this.#state === 'lines') {
      if (this.#length > 0) this.#emit();
    } else if (this.#state === 'start') {
      throw this.#error('there is nothing in it');
    } else if (this.#state !== 'end') {
      throw this.#error('the array ends before it is complete');
    }
  }

  #between(bytes: Uint8Array, at: number): number {
    const byte = bytes[at]!;
    const isBlank = byte === SPACE || byte === TAB || byte === NEWLINE || byte === RETURN;
    if (this.#state === 'start' && byte === BYTE_ORDER_MARK[this.#marks] && this.#byte === this.#marks) {
      this.#marks += 1;
    } else if (!isBlank) {
      const isBegun = this.#decide(byte);
      // It belongs to the element or line that begins with it.
      if (isBegun) return at;
    }
    if (byte === NEWLINE) this.#line += 1;
    this.#byte += 1;
    return at + 1;
  }

  /** Whether an element begins. */
  #decide(byte: number): boolean {
    switch (this.#state) {
      case 'start':
        if (byte === OPEN_ARRAY) this.#state = 'first';
        else this.#begin('lines');
        return byte !== OPEN_ARRAY;
      case 'first':
      case 'value':
        if (byte === CLOSE_ARRAY && this.#state === 'first') this.#state = 'end';
        else if (byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) {
          throw this.#error('a value was expected');
        } else {
          this.#begin('inside');
          return true;
        }
        return false;
      case 'after':
        if (byte === COMMA) this.#state = 'value';
        else if (byte === CLOSE_ARRAY) this.#state = 'end';
        else throw this.#error('a comma or the end of the array was expected');
        return false;
      default:
        throw this.#error('the array has ended');
    }
  }

  #begin(state: 'lines' | 'inside'): void {
    this.#state = state;
    this.#startByte = this.#byte;
    this.#startLine = this.#line;
  }

  #scanElement(bytes: Uint8Array, from: number): number {
    let at = from;
    let depth = this.#depth;
    let inString = this.#inString;
    let isEscaped = this.#isEscaped;
    let line = this.#line;
    let isDone = false;
    for (; at < bytes.length; at++) {
      const byte = bytes[at]!;
      if (inString) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) inString = false;
        else if (byte === NEWLINE) line += 1;
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        depth += 1;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        // The array's own end, behind a number or a word.
        if (depth === 0) {
          isDone = true;
          break;
        }
        depth -= 1;
        if (depth === 0) {
          at += 1;
          isDone = true;
          break;
        }
      } else if (byte === COMMA && depth === 0) {
        isDone = true;
        break;
      } else if (byte === NEWLINE) {
        line += 1;
      }
    }
    this.#depth = depth;
    this.#inString = inString;
    this.#isEscaped = isEscaped;
    this.#take(bytes, from, at);
    this.#byte += at - from;
    this.#line = line;
    if (isDone) {
      this.#emit();
      this.#state = 'after';
    }
    return at;
  }

  #scanLine(bytes: Uint8Array, from: number): number {
    const end = bytes.indexOf(NEWLINE, from);
    const to = end === -1 ? bytes.length : end;
    if (this.#length === 0 && to > from) {
      this.#startByte = this.#byte;
      this.#startLine = this.#line;
    }
    this.#take(bytes, from, to);
    this.#byte += to - from;
    if (end === -1) return to;
    if (this.#length > 0) this.#emit();
    this.#byte += 1;
    this.#line += 1;
    return to + 1;
  }

  #take(bytes: Uint8Array, from: number, to: number): void {
    this.#length += to - from;
    if (this.#length > IMPORT_RECORD_BYTES_MAX) this.#pieces = [];
    else if (to > from) this.#pieces.push(bytes.subarray(from, to));
  }

  #emit(): void {
    const isWhole = this.#length <= IMPORT_RECORD_BYTES_MAX;
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const element = { bytes: isWhole ? bytes : undefined, byte: this.#startByte, line: this.#startLine };
    this.#pieces = [];
    this.#length = 0;
    this.#onElement(element);
  }

  #error(message: string): JsonStructureError {
    return new JsonStructureError(message, this.#byte, this.#line);
  }
}
