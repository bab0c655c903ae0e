import { join } from 'node:path';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import {
  DISK_FREE_BYTES_MIN,
  DISK_FREE_MAX_AGE_MS,
  DISK_RESERVE_SHARE,
  ENTRY_CACHE_BYTES,
  OPEN_FILES,
  READ_PIECE_BYTES,
  READ_PIECES,
  SMALL_READ_PIECE_BYTES,
  SMALL_READ_PIECES,
} from '../limits.ts';
import { BlockVerifier } from './block-verifier.ts';
import { Capacity, EMPTY_REPOSITORY_BYTES } from './capacity.ts';
import { ChunkFiles } from './chunk-files.ts';
import { ChunkIndex, isIndexError } from './chunk-index.ts';
import { ChunkReader } from './chunk-reader.ts';
import { DiskHealth } from './disk-health.ts';
import { DiskSpace } from './disk-space.ts';
import { type FileSystem, nodeFileSystem } from './file-system.ts';
import { HotReads } from './hot-reads.ts';
import { OpenFiles } from './open-files.ts';
import { openIndex } from './open-index.ts';
import { Quarantine } from './quarantine.ts';
import { ReadPieces } from './read-pieces.ts';
import { type RepairReport, repairAtStart } from './start-up-repair.ts';

/** What a disk repository is made of. */
export interface DiskParts {
  readonly index: ChunkIndex;
  readonly files: ChunkFiles;
  readonly openFiles: OpenFiles;
  readonly reader: ChunkReader;
  readonly quarantine: Quarantine;
  readonly capacity: Capacity;
  readonly space: DiskSpace;
  readonly health: DiskHealth;
  readonly repaired: RepairReport;
  /** What the index kept as the id of the data when it was opened. */
  readonly dataId: string | undefined;
  close(): Promise<void>;
}

export interface DiskPartsOptions {
  readonly directory: string;
  readonly capacityBytes: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fileSystem?: FileSystem;
  readonly onLoss?: () => Promise<void>;
}

type SurveyOptions = DiskPartsOptions & { readonly onLoss: () => Promise<void> };

interface Survey {
  readonly index: ChunkIndex;
  readonly quarantine: Quarantine;
  readonly capacity: Capacity;
  readonly repaired: RepairReport;
  readonly dataId: string | undefined;
}

/** Opens the index, makes it and the chunk files agree, and builds everything else on them. */
export async function openDiskParts(given: DiskPartsOptions): Promise<DiskParts> {
  const { directory, clock, fileSystem = nodeFileSystem } = given;
  const options = { ...given, onLoss: once(given.onLoss ?? (async () => {})) };
  await fileSystem.makeDirectory(directory);
  const files = await ChunkFiles.open(directory, fileSystem);
  const survey = await openSurveyed(options, fileSystem, files);
  const health = new DiskHealth();
  const openFiles = new OpenFiles(fileSystem, OPEN_FILES);
  const pieces = new ReadPieces({
    largeBytes: READ_PIECE_BYTES,
    large: READ_PIECES,
    smallBytes: SMALL_READ_PIECE_BYTES,
    small: SMALL_READ_PIECES,
  });
  return {
    ...survey,
    files,
    openFiles,
    health,
    reader: new ChunkReader({
      files,
      openFiles,
      fileSystem,
      pieces,
      health,
      verifier: new BlockVerifier(),
      hotReads: new HotReads({ fileSystem, clock }),
    }),
    space: new DiskSpace({
      directory,
      fileSystem,
      clock,
      health,
      freeBytesMin: DISK_FREE_BYTES_MIN,
      maxAgeMs: DISK_FREE_MAX_AGE_MS,
    }),
    async close() {
      await openFiles[Symbol.asyncDispose]();
      await files[Symbol.asyncDispose]();
      await survey.index.close();
    },
  };
}

/** A table of the index may turn out to be unreadable only while it is read: then it is repaired and read again. */
async function openSurveyed(
  options: SurveyOptions,
  fileSystem: FileSystem,
  files: ChunkFiles,
): Promise<Survey> {
  const { directory } = options;
  const location = join(directory, 'index');
  const opened = await openIndex(location, { ...options, fileSystem, repair: false });
  const index = new ChunkIndex(opened.database, ENTRY_CACHE_BYTES);
  try {
    return await survey(index, opened.damaged, options, fileSystem, files);
  } catch (error) {
    await index.close();
    if (!isIndexError(error)) throw error;
    options.logger.error({ err: error }, 'the index cannot be read; repairing it');
  }
  const repaired = await openIndex(location, { ...options, fileSystem, repair: true });
  const repairedIndex = new ChunkIndex(repaired.database, ENTRY_CACHE_BYTES);
  return survey(repairedIndex, true, options, fileSystem, files);
}

async function survey(
  index: ChunkIndex,
  indexDamaged: boolean,
  options: SurveyOptions,
  fileSystem: FileSystem,
  files: ChunkFiles,
): Promise<Survey> {
  const { directory, clock, logger, onLoss } = options;
  // Counting what is stored comes first; the limit follows from it when none was given.
  const counted = new Capacity(Number.MAX_SAFE_INTEGER);
  counted.add(EMPTY_REPOSITORY_BYTES);
  const context = { directory, fileSystem, clock, logger, capacity: counted };
  const quarantine = await Quarantine.open(join(directory, 'quarantine'), context);
  const repaired = await repairAtStart({ ...context, index, files, quarantine, indexDamaged, onLoss });
  counted.limitBytes =
    options.capacityBytes ?? (await defaultCapacity(directory, fileSystem, counted.usedBytes));
  return { index, quarantine, capacity: counted, repaired, dataId: await index.readDataId() };
}

/** The first call counts; later ones wait for it. */
function once(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => {
    result ??= action();
    return result;
  };
}

async function defaultCapacity(
  directory: string,
  fileSystem: FileSystem,
  storedBytes: number,
): Promise<number> {
  const { freeBytes, totalBytes } = await fileSystem.space(directory);
  const reserve = Math.max(DISK_FREE_BYTES_MIN, Math.floor(totalBytes * DISK_RESERVE_SHARE));
  return Math.max(storedBytes + freeBytes - reserve, EMPTY_REPOSITORY_BYTES);
}
