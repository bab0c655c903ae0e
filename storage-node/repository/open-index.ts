import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Level } from 'level';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { IndexDatabase } from './chunk-index.ts';
import { errnoOf, type FileSystem } from './file-system.ts';
import { decodeEntry } from './index-entry.ts';
import { findTableFault, salvageTable } from './level-table.ts';

export interface OpenIndexContext {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Repair it even if it can be opened. */
  readonly repair: boolean;
  /** Called before anything of a damaged index is touched. */
  readonly onLoss: () => Promise<void>;
}

export interface OpenedIndex {
  readonly database: IndexDatabase;
  /** LevelDB could not open what it found: entries may be missing. */
  readonly damaged: boolean;
}

const TABLE = /\.(ldb|sst)$/;
const REPAIR = new URL('./repair-index.ts', import.meta.url);
/** Of what the repair says, this much explains how it ended. */
const SAID_LENGTH_MAX = 2000;

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
 * Opens the LevelDB at `location`, or makes it. Tables with damaged blocks are set aside before LevelDB sees them, and what
 * cannot be opened without them is repaired with LevelDB's own means, in a process of its own; what cannot be
 * repaired is set aside as a whole and replaced by an empty one. Rejects with `directory_in_use` when another
 * process has it open.
 */
export async function openIndex(location: string, context: OpenIndexContext): Promise<OpenedIndex> {
  const { fileSystem, logger } = context;
  await fileSystem.makeDirectory(location);
  const names = await fileSystem.list(location);
  const damagedTables = await findDamagedTables(location, names, context);
  const fault = context.repair ? 'reading it failed' : await findFault(location, names);
  if (fault === undefined && damagedTables.length === 0) {
    try {
      return { database: await openDatabase(location), damaged: false };
    } catch (error) {
      assertNotLocked(error);
      logger.error({ err: error }, 'the index cannot be opened; repairing it');
    }
  } else {
    await assertUnlocked(location);
    logger.error({ fault, damagedTables }, 'the index is damaged; repairing it');
  }
  await context.onLoss();
  const aside = `${location}.damaged-${context.clock.nowMs()}`;
  if (damagedTables.length > 0) await fileSystem.makeDirectory(aside);
  for (const name of damagedTables) await fileSystem.rename(join(location, name), join(aside, name));
  try {
    await repairInChild(location);
    const database = await openDatabase(location);
    for (const name of damagedTables) await salvage(join(aside, name), database, logger);
    return { database, damaged: true };
  } catch (error) {
    assertNotLocked(error);
    const whole = damagedTables.length > 0 ? join(aside, 'rest') : aside;
    logger.error({ err: error, aside: whole }, 'the index cannot be repaired; starting with an empty one');
    await fileSystem.rename(location, whole);
    return { database: await openDatabase(location), damaged: true };
  }
}

/**
 * Takes over the chunks of a damaged table whose bytes are in the index alone: every entry has a checksum of its own, so
 * a flipped bit costs one. Chunks with files need no entry for that. What was deleted since may come back, as garbage.
 */
async function salvage(path: string, database: IndexDatabase, logger: Logger): Promise<void> {
  const entries = await salvageTable(path);
  const seen = new Set<string>();
  let salvaged = 0;
  for (const { key, value } of entries) {
    const name = key.toString('latin1');
    if (seen.has(name)) continue;
    seen.add(name);
    if (value === null || !decodeEntry(key, value)?.inline) continue;
    if ((await database.get(key)) !== undefined) continue;
    await database.put(key, value);
    salvaged++;
  }
  logger.warn({ path, entries: entries.length, salvaged }, 'chunks were taken over from a damaged table');
}

/**
 * Names of the tables that LevelDB must not see. One that a crash left unfinished is no damage as long as nothing
 * refers to it, which LevelDB knows: it deletes such a table when it opens, and refuses to read it otherwise.
 */
async function findDamagedTables(
  location: string,
  names: readonly string[],
  { repair, logger }: OpenIndexContext,
): Promise<string[]> {
  const damaged: string[] = [];
  for (const name of names.filter((each) => TABLE.test(each))) {
    const fault = await findTableFault(join(location, name));
    if (fault === undefined || (fault.unfinished && !repair)) continue;
    logger.error({ event: 'index_table_damaged', name, why: fault.why }, 'a table of the index is damaged');
    damaged.push(name);
  }
  return damaged;
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

/** LevelDB takes its lock before it looks at the options; it neither makes nor changes anything with these. */
async function assertUnlocked(location: string): Promise<void> {
  const database = new Level(location, { createIfMissing: false, errorIfExists: true });
  try {
    await database.open();
  } catch (error) {
    assertNotLocked(error);
  }
  await database.close();
}

/** Rejects when LevelDB fails, or when it ends the process. */
async function repairInChild(location: string): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(REPAIR), location], {
    env: {},
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_LENGTH_MAX);
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (status !== 0) throw new Error(`The repair ended with ${signal ?? `status ${status}`}: ${said.trim()}`);
}

/**
 * LevelDB takes a directory without a usable CURRENT for a new database and would then delete the tables in it,
 * so that is looked at before it gets the chance.
 */
async function findFault(location: string, names: readonly string[]): Promise<string | undefined> {
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
