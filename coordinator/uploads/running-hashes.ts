import { createHash, type Hash } from 'node:crypto';
import { HASHES_MAX } from './limits.ts';

/**
 * SHA-256 states of uploads whose bytes this coordinator has seen from the first on. The least recently used one gives way
 * to a new one.
 */
export class RunningHashes {
  readonly #states = new Map<string, { readonly offset: number; readonly hash: Hash }>();
  readonly #max: number;

  constructor(max = HASHES_MAX) {
    this.#max = max;
  }

  /** Takes the state of the upload's first `offset` bytes out; undefined when it is not known. */
  take(uploadId: string, offset: number): Hash | undefined {
    const state = this.#states.get(uploadId);
    this.#states.delete(uploadId);
    if (offset === 0) return createHash('sha256');
    return state?.offset === offset ? state.hash : undefined;
  }

  keep(uploadId: string, offset: number, hash: Hash): void {
    this.#states.delete(uploadId);
    this.#states.set(uploadId, { offset, hash });
    if (this.#states.size > this.#max) this.#states.delete(this.#states.keys().next().value!);
  }

  forget(uploadId: string): void {
    this.#states.delete(uploadId);
  }
}
