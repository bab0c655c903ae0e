import { type CoordinatorClient, type LeaseName, persistently, Refused } from './coordinator-client.ts';
import { APPEND_BYTES_MAX, TRANSFER_RETRY_MS } from './limits.ts';
import type { OutputSink } from './task-context.ts';

/** An object on the ring, written through the coordinator. An addition whose answer was lost is known by its place. */
export class HttpOutput implements OutputSink {
  readonly #client: Pick<CoordinatorClient, 'append'>;
  readonly #lease: LeaseName;
  readonly #name: string;
  readonly #signal: AbortSignal;
  #size = 0;
  /** Additions are made one after the other, in the order in which they were asked for. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: {
    readonly client: Pick<CoordinatorClient, 'append'>;
    readonly lease: LeaseName;
    readonly name: string;
    readonly signal: AbortSignal;
  }) {
    this.#client = options.client;
    this.#lease = options.lease;
    this.#name = options.name;
    this.#signal = options.signal;
  }

  append(bytes: readonly Uint8Array[]): Promise<void> {
    // After a failure nothing may follow: there would be a gap.
    this.#last = this.#last.then(() => this.#append(bytes));
    this.#last.catch(() => {});
    return this.#last;
  }

  async #append(bytes: readonly Uint8Array[]): Promise<void> {
    const all = bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes);
    const begin = this.#size;
    while (this.#size < begin + all.length) {
      const offset = this.#size;
      const piece = all.subarray(offset - begin, offset - begin + APPEND_BYTES_MAX);
      await persistently(() => this.#send(begin, all, piece, offset), {
        maxMs: TRANSFER_RETRY_MS,
        signal: this.#signal,
      });
    }
  }

  async #send(begin: number, all: Uint8Array, piece: Uint8Array, offset: number): Promise<void> {
    try {
      this.#size = await this.#client.append(this.#lease, this.#name, offset, piece, this.#signal);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'upload_offset_mismatch') throw error;
      // A part of what was sent before has been stored: go on behind it.
      const size = Number(error.details.size);
      if (!(size > offset && size <= begin + all.length)) throw error;
      this.#size = size;
    }
  }
}
