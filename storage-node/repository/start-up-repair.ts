import { join } from 'node:path';
import type { Logger } from '../../lib/logging/logger.ts';
import { type Capacity, storedBytes } from './capacity.ts';
import { type ChunkFiles, fanNames } from './chunk-files.ts';
import type { ChunkIndex } from './chunk-index.ts';
import { chunkName, parseChunkName } from './chunk-name.ts';
import { type FileSystem, unlinkIfPresent } from './file-system.ts';
import type { IndexEntry, IndexRecord } from './index-entry.ts';
import type { Quarantine } from './quarantine.ts';

export interface RepairContext {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly index: ChunkIndex;
  readonly files: ChunkFiles;
  readonly quarantine: Quarantine;
  readonly capacity: Capacity;
  readonly logger: Logger;
  /** Entries may be missing from the index, so their absence proves nothing. */
  readonly indexDamaged: boolean;
  /** Called before a finding that says that stored chunks may be lost is acted upon, and so made to vanish. */
  readonly onLoss: () => Promise<void>;
}

/** What start-up found. Everything but `chunkCount` is zero after an orderly stop. */
export interface RepairReport {
  chunkCount: number;
  /** Files in `tmp/`: writes and deletes that a crash cut short. */
  leftovers: number;
  /** Files of writes that were never acknowledged, removed. */
  unacknowledged: number;
  /** Entries made again from files. */
  recovered: number;
  /** Entries removed because the file is missing, or because they are damaged and there is no file. */
  lost: number;
  /** Files without entry that are no whole chunk, set aside. */
  quarantined: number;
}

/** Entries that are made or removed at a time; they share a synced write. */
const REPAIRS_AT_ONCE = 64;

/**
 * Makes index and files agree after a crash or damage, and counts what is stored.
 *
 * 1. Markers: a marked file whose chunk has no entry is the rest of a write or a delete, and goes. When the index
 *    is damaged it stays, for the next step to look at.
 * 2. Directory by directory, files and entries are merged in order of their names. A file without an entry gives
 *    a new entry if its trailer is sound; an entry without its file goes.
 */
export async function repairAtStart(context: RepairContext): Promise<RepairReport> {
  const report: RepairReport = {
    chunkCount: 0,
    leftovers: 0,
    unacknowledged: 0,
    recovered: 0,
    lost: 0,
    quarantined: 0,
  };
  await settleMarkers(context, report);
  for (const fan of fanNames()) await repairFan(fan, context, report);
  if (report.recovered > 0) {
    context.logger.warn(
      { recovered: report.recovered },
      'index entries were lost and made again from files; chunks that lived in the index alone may be lost',
    );
  }
  return report;
}

async function settleMarkers(context: RepairContext, report: RepairReport): Promise<void> {
  const { fileSystem, files, index } = context;
  const directory = join(context.directory, 'tmp');
  for (const name of await fileSystem.list(directory)) {
    report.leftovers++;
    const marker = join(directory, name);
    const chunk = parseChunkName(name.slice(0, name.lastIndexOf('.')));
    if (chunk && !context.indexDamaged) {
      const { position, id } = chunk;
      const marked = await fileSystem.stat(marker);
      const file = await fileSystem.stat(files.pathOf(position, id));
      const record = await index.get(chunkName(position, id), position, id);
      if (file && marked?.inode === file.inode && !record) {
        await files.remove(position, id);
        report.unacknowledged++;
      }
    }
    await unlinkIfPresent(fileSystem, marker);
  }
}

async function repairFan(fan: string, context: RepairContext, report: RepairReport): Promise<void> {
  const first = Number.parseInt(fan, 16) * 0x0100_0000;
  const names = await context.files.namesIn(fan);
  let next = 0;
  let repairs: (() => Promise<void>)[] = [];
  const enqueue = async (repair: () => Promise<void>) => {
    repairs.push(repair);
    if (repairs.length >= REPAIRS_AT_ONCE) await flush();
  };
  const flush = async () => {
    const group = repairs;
    repairs = [];
    await Promise.all(group.map((repair) => repair()));
  };
  for await (const records of context.index.scan(first, first + 0x00ff_ffff)) {
    for (const record of records) {
      const name = chunkName(record.position, record.id);
      while (next < names.length && names[next]! < name) {
        const orphan = names[next++]!;
        await enqueue(() => repairOrphan(orphan, context, report));
      }
      const hasFile = names[next] === name;
      if (hasFile) next++;
      const { entry } = record;
      if (entry && hasFile === !entry.inline) count(entry, context, report);
      else await enqueue(() => repairRecord(record, hasFile, context, report));
    }
  }
  for (const orphan of names.slice(next)) await enqueue(() => repairOrphan(orphan, context, report));
  await flush();
}

/** An entry that is damaged, or whose file is missing, or one that has no business with the file it has. */
async function repairRecord(
  record: IndexRecord,
  hasFile: boolean,
  context: RepairContext,
  report: RepairReport,
): Promise<void> {
  const { position, id, entry } = record;
  if (entry?.inline) {
    await context.files.remove(position, id);
    count(entry, context, report);
    return;
  }
  if (hasFile) {
    if (await recover(position, id, context, report)) return;
    await context.onLoss();
    await context.quarantine.add(record, context.files, 'neither its entry nor its trailer is sound');
    report.quarantined++;
  }
  await context.onLoss();
  await context.index.delete(chunkName(position, id), position, id);
  report.lost++;
  const why = entry ? 'its file is missing' : 'its entry is damaged';
  context.logger.error({ event: 'chunk_lost', position, id, why }, 'a chunk is lost');
}

async function repairOrphan(name: string, context: RepairContext, report: RepairReport): Promise<void> {
  const chunk = parseChunkName(name);
  if (!chunk) {
    context.logger.warn({ name }, 'a file among the chunks is not one of ours; leaving it alone');
    return;
  }
  const { position, id } = chunk;
  // Its entry was lost, and maybe others with it: chunks that lived in the index alone leave no trace.
  await context.onLoss();
  if (await recover(position, id, context, report)) return;
  const reason = 'a file without an entry, and without a sound trailer';
  await context.quarantine.add({ position, id, entry: undefined }, context.files, reason);
  report.quarantined++;
  context.logger.error({ event: 'chunk_quarantined', position, id, reason }, 'a chunk was quarantined');
}

/** Makes the entry of a file again. The bytes need no look now: every read verifies them. */
async function recover(
  position: number,
  id: string,
  context: RepairContext,
  report: RepairReport,
): Promise<boolean> {
  const entry = await context.files.readTrailer(position, id);
  if (!entry) return false;
  await context.index.put(chunkName(position, id), entry);
  count(entry, context, report);
  report.recovered++;
  return true;
}

function count(entry: IndexEntry, context: RepairContext, report: RepairReport): void {
  context.capacity.add(storedBytes(entry.length));
  report.chunkCount++;
}
