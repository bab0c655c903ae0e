import type { Clock } from '../../lib/clock/clock.ts';
import type { DiskHealth } from './disk-health.ts';
import type { FileSystem } from './file-system.ts';

export interface DiskSpaceOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly health: DiskHealth;
  /** Free space that is never touched. */
  readonly freeBytesMin: number;
  /** How old a look at the free space may be. */
  readonly maxAgeMs: number;
}

/**
 * Watches the disk itself. Others may fill it, whatever this node's capacity says, and an index that runs into a
 * full disk is worse than a refused write.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #freeBytes = 0;
  /** Granted since the last look. */
  #grantedBytes = 0;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Rejects with `insufficient_storage` when writing the bytes would use up the disk. */
  async assertRoomFor(bytes: number): Promise<void> {
    const { clock, maxAgeMs, freeBytesMin, health } = this.#options;
    if (clock.monotonicMs() - this.#lookedAtMs > maxAgeMs) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
      await this.#looking;
    }
    if (this.#freeBytes - this.#grantedBytes - bytes < freeBytesMin) throw health.full();
    this.#grantedBytes += bytes;
  }

  async #look(): Promise<void> {
    const { fileSystem, directory, clock } = this.#options;
    const { freeBytes } = await fileSystem.space(directory);
    this.#freeBytes = freeBytes;
    this.#grantedBytes = 0;
    this.#lookedAtMs = clock.monotonicMs();
  }
}
