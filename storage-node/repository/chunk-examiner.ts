import type { Logger } from '../../lib/logging/logger.ts';
import { formatPosition } from '../../lib/node-api/targets.ts';
import { CorruptChunkError } from './block-verifier.ts';
import type { ChunkFiles } from './chunk-files.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { chunkName } from './chunk-name.ts';
import type { Admission, ChunkReader } from './chunk-reader.ts';
import type { ScrubTarget } from './disk-scrub.ts';
import type { IndexEntry, IndexRecord } from './index-entry.ts';
import type { ScrubFinding } from './video-repository.ts';

export interface ChunkExaminerParts {
  readonly index: ChunkIndex;
  readonly files: ChunkFiles;
  readonly reader: ChunkReader;
  readonly logger: Logger;
  /** Runs an action while nobody else changes the chunk of that name. */
  readonly exclusively: <Result>(name: string, action: () => Promise<Result>) => Promise<Result>;
  /** Sets a chunk aside; its lock is held. */
  readonly setAside: (name: string, record: IndexRecord, reason: string) => Promise<void>;
  /** Sets a chunk aside if it still is the one that the entry describes. Whether it was. */
  readonly setAsideIfSame: (entry: IndexEntry, reason: string) => Promise<boolean>;
  readonly putEntry: (name: string, entry: IndexEntry) => Promise<void>;
}

export type Examination = { readonly finding: ScrubFinding | 'absent'; readonly bytes: number };

/**
 * Looks at single chunks, whatever state entry and file are in, and leaves them sound or set aside. Where only the
 * entry is damaged or gone, the file has all it takes to make it again.
 */
export class ChunkExaminer {
  readonly #parts: ChunkExaminerParts;

  constructor(parts: ChunkExaminerParts) {
    this.#parts = parts;
  }

  /** `record` is what the index said a moment ago. Rejects with what `admit` and the disk reject with. */
  async examine({ position, id, record }: ScrubTarget, admit: Admission): Promise<Examination> {
    if (record?.entry) return this.#examineWhole(record.entry, admit);
    const { files, index } = this.#parts;
    // The chunk's lock is not held while the reading waits for its turn.
    await admit((await files.sizeOf(position, id)) ?? record?.bodyBytes ?? 0);
    const name = chunkName(position, id);
    const written = await this.#parts.exclusively(name, async (): Promise<Examination | IndexEntry> => {
      // Memory may know better, but what counts is what a restart will find.
      index.forget(name);
      const now = await index.get(name, position, id);
      return now?.entry ?? this.#mend(name, now ?? { position, id, entry: undefined }, now !== undefined);
    });
    return 'finding' in written ? written : this.#examineWhole(written, admit);
  }

  /** As `examine`, but what the disk rejects with is logged and found `unreadable`. Undefined when the chunk is gone. */
  async examineForScrub(
    target: ScrubTarget,
    admit: Admission,
  ): Promise<{ finding: ScrubFinding; bytes: number } | undefined> {
    let refused = false;
    try {
      const { finding, bytes } = await this.examine(target, async (wantedBytes) => {
        refused = true;
        await admit(wantedBytes);
        refused = false;
      });
      return finding === 'absent' ? undefined : { finding, bytes };
    } catch (error) {
      if (refused) throw error;
      this.#parts.logger.error(
        {
          event: 'chunk_unreadable',
          err: error,
          position: formatPosition(target.position),
          id: target.id,
        },
        'a chunk could not be verified',
      );
      return { finding: 'unreadable', bytes: 0 };
    }
  }

  async #examineWhole(entry: IndexEntry, admit: Admission): Promise<Examination> {
    const bytes = entry.length;
    try {
      if (entry.inline) {
        await admit(bytes);
        await this.#removeStrayFile(entry);
      }
      await this.#parts.reader.verify(entry, admit);
      return { finding: 'sound', bytes };
    } catch (error) {
      if (!(error instanceof CorruptChunkError)) throw error;
      const isThat = await this.#parts.setAsideIfSame(entry, error.message);
      return { finding: isThat ? 'quarantined' : 'absent', bytes };
    }
  }

  /** The chunk's lock is held, and it has no sound entry. */
  async #mend(name: string, record: IndexRecord, hasEntry: boolean): Promise<Examination> {
    const { files, logger } = this.#parts;
    const { position, id } = record;
    const hasFile = (await files.sizeOf(position, id)) !== undefined;
    if (!hasEntry) {
      if (!hasFile) return { finding: 'absent', bytes: 0 };
      // The rest of a write or delete that failed; the next start decides.
      if (await files.isMarked(position, id)) return { finding: 'sound', bytes: 0 };
    }
    if (!hasFile && record.unreadable) return { finding: 'absent', bytes: 0 };
    const entry = hasFile ? await this.#entryOfSoundFile(position, id) : undefined;
    if (entry) {
      await this.#parts.putEntry(name, entry);
      logger.warn(
        { event: 'index_entry_rebuilt', position: formatPosition(position), id },
        'an index entry was damaged or missing and was made again from its file',
      );
      return { finding: 'rebuilt', bytes: entry.length };
    }
    const entryIs = hasEntry ? 'the index entry is damaged' : 'it has no index entry';
    await this.#parts.setAside(name, record, hasFile ? `${entryIs} and the file is not sound` : entryIs);
    return { finding: 'quarantined', bytes: 0 };
  }

  async #entryOfSoundFile(position: number, id: string): Promise<IndexEntry | undefined> {
    const { files, reader } = this.#parts;
    const entry = await files.readTrailer(position, id);
    if (!entry) return undefined;
    try {
      await reader.verify(entry);
      return entry;
    } catch (error) {
      if (error instanceof CorruptChunkError) return undefined;
      throw error;
    }
  }

  /** A chunk that lives in the index has no business with a file, unless it was stored anew meanwhile. */
  async #removeStrayFile({ position, id }: IndexEntry): Promise<void> {
    const { files, index, exclusively } = this.#parts;
    if ((await files.sizeOf(position, id)) === undefined) return;
    const name = chunkName(position, id);
    await exclusively(name, async () => {
      const now = await index.get(name, position, id);
      if (now?.entry?.inline) await files.remove(position, id);
    });
  }
}
