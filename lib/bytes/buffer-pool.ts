import { assert } from '../errors/app-error.ts';
import { type BlockHasher, createBlockHasher } from './xxh64-wasm.ts';

const WASM_PAGE_BYTES = 64 * 1024;

/** The part of the WebAssembly API used here; Node's type package leaves it out. */
declare const WebAssembly: {
  readonly Memory: new (options: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

export interface PooledBuffer {
  readonly bytes: Buffer;
  /** Hashes blocks of `bytes`; their addresses are offsets of `bytes.buffer`. Only pools with `hashing` have one. */
  readonly hasher: BlockHasher | undefined;
  /** Gives the buffer back. Idempotent. The bytes must not be touched afterwards. */
  release(): void;
}

/**
 * A bounded set of equal buffers; whoever finds it empty waits in order of arrival.
 *
 * All buffers lie in one WebAssembly memory: its start is page-aligned, which lets files be written with
 * O_DIRECT, and its pages take no physical memory until they are first touched.
 */
export class BufferPool {
  readonly bufferBytes: number;
  readonly capacity: number;
  readonly #hasher: BlockHasher | undefined;
  readonly #free: Buffer[] = [];
  readonly #waiters: ((buffer: Buffer) => void)[] = [];

  constructor(options: { bufferBytes: number; capacity: number; hashing?: boolean }) {
    assert(options.bufferBytes % WASM_PAGE_BYTES === 0, 'buffers are whole 64 KiB pages');
    this.bufferBytes = options.bufferBytes;
    this.capacity = options.capacity;
    const pages = (options.bufferBytes / WASM_PAGE_BYTES) * options.capacity;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.#hasher = options.hashing ? createBlockHasher(memory, pages) : undefined;
    for (let index = options.capacity - 1; index >= 0; index--) {
      this.#free.push(Buffer.from(memory.buffer, index * options.bufferBytes, options.bufferBytes));
    }
  }

  /** Buffers that nobody holds. */
  get available(): number {
    return this.#free.length;
  }

  /** Callers that wait for a buffer. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** A buffer if one is free now. */
  tryTake(): PooledBuffer | undefined {
    const bytes = this.#free.pop();
    return bytes && this.#hold(bytes);
  }

  /** Resolves with a buffer in order of arrival; rejects with the signal's reason when it aborts first. */
  take(signal?: AbortSignal): Promise<PooledBuffer> {
    const held = this.tryTake();
    if (held) return Promise.resolve(held);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const waiter = (bytes: Buffer) => {
        signal?.removeEventListener('abort', onAbort);
        resolve(this.#hold(bytes));
      };
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  #hold(bytes: Buffer): PooledBuffer {
    let held = true;
    return {
      bytes,
      hasher: this.#hasher,
      release: () => {
        if (!held) return;
        held = false;
        const waiter = this.#waiters.shift();
        if (waiter) waiter(bytes);
        else this.#free.push(bytes);
      },
    };
  }
}
