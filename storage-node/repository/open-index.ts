import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Level } from 'level';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { IndexDatabase } from './chunk-index.ts';
import { errnoOf, type FileSystem } from './file-system.ts';

export interface OpenedIndex {
  readonly database: IndexDatabase;
  /** LevelDB could not open what it found: entries may be missing. */
  readonly damaged: boolean;
}

const OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  // Block checksums do not compress, and inline chunks are mostly compressed already.
  compression: false,
  cacheSize: 1024 * 1024,
  writeBufferSize: 1024 * 1024,
  // Tables are mapped into memory: few and small ones, or a large index takes the process beyond its memory.
  maxFileSize: 1024 * 1024,
  maxOpenFiles: 74,
} as const;

/**
 * Opens the LevelDB at `location`, or makes it. What cannot be opened is repaired with LevelDB's own means; what
 * cannot be repaired is set aside under another name and replaced by an empty one. Rejects with `directory_in_use`
 * when another process has it open.
 */
export async function openIndex(
  location: string,
  context: {
    fileSystem: FileSystem;
    clock: Clock;
    logger: Logger;
    /** Repair it even if it can be opened. */
    repair: boolean;
    /** Called before anything of a damaged index is touched. */
    onLoss: () => Promise<void>;
  },
): Promise<OpenedIndex> {
  const { logger } = context;
  await context.fileSystem.makeDirectory(location);
  const fault = context.repair ? 'reading it failed' : await findFault(location, context.fileSystem);
  if (fault === undefined) {
    try {
      return { database: await openDatabase(location), damaged: false };
    } catch (error) {
      assertNotLocked(error);
      logger.error({ err: error }, 'the index cannot be opened; repairing it');
    }
  } else {
    logger.error({ fault }, 'the index is damaged; repairing it');
  }
  await context.onLoss();
  try {
    await (Level as unknown as { repair(location: string): Promise<void> }).repair(location);
    const database = await openDatabase(location);
    await readThrough(database);
    return { database, damaged: true };
  } catch (error) {
    assertNotLocked(error);
    const aside = `${location}.damaged-${context.clock.nowMs()}`;
    logger.error({ err: error, aside }, 'the index cannot be repaired; starting with an empty one');
    await context.fileSystem.rename(location, aside);
    return { database: await openDatabase(location), damaged: true };
  }
}

async function openDatabase(location: string): Promise<IndexDatabase> {
  const database: IndexDatabase = new Level<Buffer, Buffer>(location, OPTIONS);
  try {
    await database.open();
    return database;
  } catch (error) {
    await database.close().catch(() => {});
    throw error;
  }
}

/** Rejects when a table cannot be read. */
async function readThrough(database: IndexDatabase): Promise<void> {
  try {
    for await (const _ of database.keys()) {
      // Reading is all there is to do.
    }
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * LevelDB takes a directory without a usable CURRENT for a new database and would then delete the tables in it,
 * so that is looked at before it gets the chance.
 */
async function findFault(location: string, fileSystem: FileSystem): Promise<string | undefined> {
  const names = await fileSystem.list(location);
  if (!names.some((name) => /\.(ldb|sst|log)$|^MANIFEST-/.test(name))) return undefined;
  let current: string;
  try {
    current = await readFile(join(location, 'CURRENT'), 'utf8');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return 'CURRENT is missing';
  }
  const manifest = current.trimEnd();
  if (!/^MANIFEST-\d+$/.test(manifest)) return 'CURRENT names no manifest';
  return names.includes(manifest) ? undefined : `${manifest} is missing`;
}

function assertNotLocked(error: unknown): void {
  const cause = error instanceof Error ? (error.cause as { code?: string } | undefined) : undefined;
  if (cause?.code !== 'LEVEL_LOCKED') return;
  throw new AppError('directory_in_use', 'Another process has the data directory open.', { cause: error });
}
