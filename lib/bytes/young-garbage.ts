import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type CollectMinor = (options: { type: 'minor' }) => void;

/**
 * Frees the small buffers that bodies arrive in. Each is garbage as soon as it has been copied, but its memory lies
 * outside of V8's heap: left to itself, V8 reacts to the growing total by marking the whole heap again and again on
 * every core, which cost more than all else about an upload together. A collection of the young generation
 * finds the same buffers for next to nothing.
 *
 * It serves caches of small things as well. A collection copies what was kept since the last but one, while everybody waits;
 * the young generation grows to 64 MiB and more, and to copy a cache's part of that took 15 ms every two seconds.
 */
export class YoungGarbage {
  readonly #everyBytes: number;
  readonly #collect: CollectMinor;
  #receivedBytes = 0;

  /** `everyBytes` lie between two collections: fewer cost more collections, more let V8 start its own. */
  constructor(everyBytes: number, collect: CollectMinor = exposeGc()) {
    this.#everyBytes = everyBytes;
    this.#collect = collect;
  }

  /** To be called with the size of each buffer that has been received and copied, or of what is kept. */
  add(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes < this.#everyBytes) return;
    this.#receivedBytes = 0;
    this.#collect({ type: 'minor' });
  }
}

/** V8's collector; available without a command-line flag because only new contexts get what a flag adds. */
function exposeGc(): CollectMinor {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as CollectMinor;
}
