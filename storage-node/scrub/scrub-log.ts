import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../../lib/logging/logger.ts';
import { writeDurably } from '../write-durably.ts';

const FILE = 'scrub.json';
const milliseconds = z.number().nonnegative();
const count = z.int().nonnegative();

const scrubRecordSchema = z.object({
  formatVersion: z.literal(1),
  /** Wall clock; null before the first pass. */
  passStartedMs: milliseconds.nullable(),
  /** Null when the pass has ended. */
  unfinished: z.object({ cursor: z.string().nullable() }).nullable(),
  lastFinishedMs: milliseconds.nullable(),
  lastFinishedStartedMs: milliseconds.nullable(),
  checkedChunks: count,
  checkedBytes: count,
  foundCorrupt: count,
});
/** How far the scrub has come, and what it found on the way. */
export type ScrubRecord = Readonly<z.infer<typeof scrubRecordSchema>>;

export const NO_SCRUB_YET: ScrubRecord = {
  formatVersion: 1,
  passStartedMs: null,
  unfinished: null,
  lastFinishedMs: null,
  lastFinishedStartedMs: null,
  checkedChunks: 0,
  checkedBytes: 0,
  foundCorrupt: 0,
};

/** Where a scrub's record outlives the process. */
export interface ScrubLog {
  load(): Promise<ScrubRecord>;
  /** Resolves when the record is on the disk. */
  save(record: ScrubRecord): Promise<void>;
}

/** `scrub.json` in the data directory. One that cannot be used counts as absent: the scrub then begins anew. */
export function scrubLogIn(directory: string, logger: Logger): ScrubLog {
  const path = join(directory, FILE);
  return {
    async load() {
      try {
        return scrubRecordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
          logger.warn({ err: error, path }, 'the record of the scrub is not usable; it begins anew');
        }
        return NO_SCRUB_YET;
      }
    },
    save: (record) => writeDurably(path, `${JSON.stringify(record)}\n`),
  };
}
