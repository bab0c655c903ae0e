import type { Writable } from 'node:stream';
import type { ObjectReading } from '../chunks/object-store.ts';

/** Bytes that are in memory, read like a stored object. */
export class MemoryReading implements ObjectReading {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Until a slow client has taken them, its answer is one of those under way, which are limited. */
  async sendTo(sink: Writable, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const taken = Promise.withResolvers<void>();
    const stop = () => taken.reject(signal.reason);
    // A response whose connection is going away drops what is written and never calls back.
    signal.addEventListener('abort', stop, { once: true });
    try {
      assertThere(sink);
      sink.write(this.#bytes, (error) => (error ? taken.reject(error) : taken.resolve()));
      await taken.promise;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  cancel(): void {}
}

/** Throws when nobody can be written to any more. */
export function assertThere(sink: Writable): void {
  if (sink.destroyed) throw new Error('the receiver has gone');
}
