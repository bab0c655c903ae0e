import type { Writable } from 'node:stream';
import type { ObjectReading } from '../chunks/object-store.ts';

/** Bytes that are in memory, read like a stored object. */
export class MemoryReading implements ObjectReading {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Hands all of it over at once: whoever has it in memory keeps it there meanwhile. */
  async sendTo(sink: Writable): Promise<void> {
    if (sink.destroyed) throw new Error('the receiver has gone');
    sink.write(this.#bytes);
  }

  cancel(): void {}
}
