import type { Clock } from '../../lib/clock/clock.ts';
import { HOT_READ_PAUSE_MS, HOT_READ_SLOW_MS } from '../limits.ts';
import type { FileSystem } from './file-system.ts';

/**
 * Reads what the page cache is believed to hold at once, on the main thread: a detour over another thread costs about
 * as much as copying a mebibyte, and leaves the bytes in the wrong processor's cache. When it was not there after
 * all, the disk holds up everything else; so a slow read ends such reads for a while.
 */
export class HotReads {
  readonly #fileSystem: Pick<FileSystem, 'readNow'>;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #pausedUntilMs = 0;

  constructor(parts: { fileSystem: Pick<FileSystem, 'readNow'>; clock: Pick<Clock, 'monotonicMs'> }) {
    this.#fileSystem = parts.fileSystem;
    this.#clock = parts.clock;
  }

  /** Bytes read, as `FileSystem.read`; undefined when such reads pause. Throws the system's error. */
  read(descriptor: number, into: Buffer, position: number): number | undefined {
    const startMs = this.#clock.monotonicMs();
    if (startMs < this.#pausedUntilMs) return undefined;
    const count = this.#fileSystem.readNow(descriptor, into, position);
    const endMs = this.#clock.monotonicMs();
    if (endMs - startMs > HOT_READ_SLOW_MS) this.#pausedUntilMs = endMs + HOT_READ_PAUSE_MS;
    return count;
  }
}
