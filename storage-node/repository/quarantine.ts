import { constants } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Capacity } from './capacity.ts';
import type { ChunkFiles } from './chunk-files.ts';
import { chunkName } from './chunk-name.ts';
import type { FileSystem } from './file-system.ts';
import type { IndexRecord } from './index-entry.ts';

const NOTE_SUFFIX = '.json';

/**
 * Chunks that failed verification, kept for a look: `quarantine/<chunk name>.<milliseconds>` holds the bytes as
 * they were found (there are none when the file was missing), the same name with `.json` says what was
 * expected and why it lies here. Their files may be deleted at any time; a restart takes note.
 */
export class Quarantine {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #capacity: Capacity;
  readonly #logger: Logger;
  #count = 0;

  private constructor(directory: string, context: QuarantineContext) {
    this.#directory = directory;
    this.#fileSystem = context.fileSystem;
    this.#clock = context.clock;
    this.#capacity = context.capacity;
    this.#logger = context.logger;
  }

  /** Counts what is there, against the capacity too. */
  static async open(directory: string, context: QuarantineContext): Promise<Quarantine> {
    const quarantine = new Quarantine(directory, context);
    for (const name of await context.fileSystem.list(directory)) {
      const found = await context.fileSystem.stat(join(directory, name));
      context.capacity.add(found?.sizeBytes ?? 0);
      if (name.endsWith(NOTE_SUFFIX)) quarantine.#count++;
    }
    return quarantine;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes what is stored of a chunk. The caller removes the chunk's entry afterwards. */
  async add(record: IndexRecord, files: ChunkFiles, reason: string): Promise<void> {
    const { position, id, entry } = record;
    const path = join(this.#directory, `${chunkName(position, id)}.${this.#clock.nowMs()}`);
    const movedBytes = await files.moveAway(position, id, path);
    this.#capacity.add(movedBytes ?? 0);
    this.#count++;
    try {
      if (entry?.inline) await this.#writeFile(path, entry.inline);
      await this.#writeFile(`${path}${NOTE_SUFFIX}`, noteOf(record, reason, this.#clock.nowMs()));
    } catch (error) {
      // A full disk must not keep a damaged chunk in service.
      this.#logger.warn({ err: error, path }, 'a quarantined chunk has no note');
    }
  }

  async #writeFile(path: string, bytes: Buffer): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC;
    const descriptor = await this.#fileSystem.open(path, flags);
    try {
      await this.#fileSystem.write(descriptor, [bytes], 0);
      this.#capacity.add(bytes.length);
    } finally {
      await this.#fileSystem.close(descriptor);
    }
  }
}

function noteOf({ position, id, entry }: IndexRecord, reason: string, quarantinedAt: number): Buffer {
  const { length, checksum, createdAt } = entry ?? {};
  const note = { position, id, reason, quarantinedAt, length, checksum, createdAt };
  return Buffer.from(`${JSON.stringify(note)}\n`);
}

export interface QuarantineContext {
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly capacity: Capacity;
}
