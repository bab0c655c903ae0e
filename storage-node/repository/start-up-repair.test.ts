import { link, open, readdir, readFile, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import {
  chunkFilePath,
  flipBit,
  openDiskRepository,
  recordingLogger,
} from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import { chunkName } from './chunk-name.ts';
import type { DiskVideoRepository } from './disk-video-repository.ts';

const LARGE = 70_000;
const SMALL = 500;
const NOTHING = { leftovers: 0, unacknowledged: 0, recovered: 0, lost: 0, quarantined: 0 };

interface Stored {
  readonly position: number;
  readonly id: string;
  readonly bytes: Buffer;
}

/** A directory with chunks in files and chunks in the index alone, closed in good order. */
async function storedDirectory(
  files: number,
  inline: number,
): Promise<{ directory: string; chunks: Stored[] }> {
  const directory = await temporaryDirectory();
  const chunks = Array.from({ length: files + inline }, (_, number) => ({
    // Many share the first byte of their position, and so the directory.
    position: (number * 0x0050_0000) >>> 0,
    id: idOf(number),
    bytes: bytesOf(number, number < files ? LARGE : SMALL),
  }));
  const repository = await openDiskRepository(directory);
  await Promise.all(chunks.map((chunk) => repository.put(chunk)));
  await repository[Symbol.asyncDispose]();
  return { directory, chunks };
}

function pathOf(directory: string, chunk: Stored): string {
  return chunkFilePath(directory, chunk.position, chunk.id);
}

async function isWhole(repository: DiskVideoRepository, chunk: Stored): Promise<boolean> {
  const reading = await repository.open(chunk.position, chunk.id);
  if (!reading) return false;
  const pieces: Buffer[] = [];
  await reading.send(0, chunk.bytes.length - 1, async (piece) => void pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces).equals(chunk.bytes);
}

async function wholeOnes(repository: DiskVideoRepository, chunks: readonly Stored[]): Promise<Stored[]> {
  const whole = await Promise.all(chunks.map((chunk) => isWhole(repository, chunk)));
  return chunks.filter((_, index) => whole[index]);
}

/** Files of the index whose names end so. */
async function indexFiles(directory: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(join(directory, 'index'));
  return names.filter((name) => pattern.test(name)).map((name) => join(directory, 'index', name));
}

async function overwrite(path: string, at: number, bytes: Buffer): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, at);
}

it('finds nothing to repair after a stop, and everything where it was', async () => {
  const { directory, chunks } = await storedDirectory(10, 10);
  const first = await openDiskRepository(directory);
  expect(first.repaired).toEqual({ ...NOTHING, chunkCount: 20 });
  expect(await wholeOnes(first, chunks)).toEqual(chunks);
  const stats = first.stats();
  await first[Symbol.asyncDispose]();
  const second = await openDiskRepository(directory);
  expect(second.stats()).toEqual(stats);
  await Promise.all(chunks.map(({ position, id }) => second.delete(position, id)));
  await second[Symbol.asyncDispose]();
  const third = await openDiskRepository(directory);
  expect(third.repaired).toEqual({ ...NOTHING, chunkCount: 0 });
});

it('clears away what unfinished writes left', async () => {
  const { directory, chunks } = await storedDirectory(3, 0);
  const [acknowledged, unacknowledged, other] = chunks as [Stored, Stored, Stored];
  const marker = (chunk: Stored) => join(directory, 'tmp', `${chunkName(chunk.position, chunk.id)}.0`);
  // Written in part; linked, with an entry; linked, without one; and one that is not ours.
  await writeFile(join(directory, 'tmp', `${chunkName(5, idOf(5))}.7`), 'half a chunk');
  await link(pathOf(directory, acknowledged), marker(acknowledged));
  await writeFile(join(directory, 'tmp', 'what is this'), '');
  const between = await openDiskRepository(directory);
  await between.delete(unacknowledged.position, unacknowledged.id);
  await between.put(unacknowledged);
  await between[Symbol.asyncDispose]();
  await link(pathOf(directory, unacknowledged), marker(unacknowledged));
  const saved = join(directory, 'saved');
  await rename(pathOf(directory, unacknowledged), saved);
  const deleting = await openDiskRepository(directory);
  expect(deleting.repaired).toMatchObject({ leftovers: 1, lost: 1 });
  await deleting[Symbol.asyncDispose]();
  await rename(saved, pathOf(directory, unacknowledged));
  await link(pathOf(directory, unacknowledged), marker(unacknowledged));

  const repository = await openDiskRepository(directory);
  expect(repository.repaired).toEqual({ ...NOTHING, chunkCount: 2, leftovers: 1, unacknowledged: 1 });
  expect(await wholeOnes(repository, chunks)).toEqual([acknowledged, other]);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
  expect(await readdir(join(pathOf(directory, unacknowledged), '..'))).not.toContain(
    chunkName(unacknowledged.position, unacknowledged.id),
  );
});

it('reports entries whose file is gone, and can store them again', async () => {
  const { directory, chunks } = await storedDirectory(5, 5);
  await unlink(pathOf(directory, chunks[2]!));
  const { logger, lines } = recordingLogger();
  const repository = await openDiskRepository(directory, { logger });
  expect(repository.repaired).toEqual({ ...NOTHING, chunkCount: 9, lost: 1 });
  expect(lines).toContainEqual(expect.objectContaining({ event: 'chunk_lost', id: chunks[2]!.id }));
  expect(await repository.stat(chunks[2]!.position, chunks[2]!.id)).toBeUndefined();
  expect(await repository.put(chunks[2]!)).toBe('created');
  expect(await wholeOnes(repository, chunks)).toEqual(chunks);
});

it('makes entries again from files, and quarantines files that are no whole chunk', async () => {
  const { directory, chunks } = await storedDirectory(6, 2);
  const before = await openDiskRepository(directory);
  const stats = before.stats();
  await before[Symbol.asyncDispose]();
  await rm(join(directory, 'index'), { recursive: true });
  await truncate(pathOf(directory, chunks[1]!), 40_000);
  await rename(pathOf(directory, chunks[2]!), chunkFilePath(directory, 0x0101_0101, idOf(2)));
  await writeFile(join(pathOf(directory, chunks[3]!), '..', 'README'), 'left by somebody');

  const { logger, lines } = recordingLogger();
  const repository = await openDiskRepository(directory, { logger });
  expect(repository.repaired).toEqual({ ...NOTHING, chunkCount: 4, recovered: 4, quarantined: 2 });
  // What lived in the index alone is gone, and nobody pretends otherwise.
  const left = [0, 3, 4, 5].map((number) => chunks[number]!);
  expect(await wholeOnes(repository, chunks)).toEqual(left);
  expect(lines.some(({ msg }) => String(msg).includes('may be lost'))).toBe(true);
  expect(repository.stats().quarantinedCount).toBe(2);
  for (const chunk of left) expect(await repository.verify(chunk.position, chunk.id)).toBe('ok');
  expect(stats.chunkCount).toBe(8);
});

it('keeps marked files when the index is damaged, since it cannot tell', async () => {
  const { directory, chunks } = await storedDirectory(2, 0);
  const chunk = chunks[0]!;
  await link(pathOf(directory, chunk), join(directory, 'tmp', `${chunkName(chunk.position, chunk.id)}.0`));
  for (const path of await indexFiles(directory, /^MANIFEST/)) await truncate(path, 0);
  const repository = await openDiskRepository(directory);
  expect(await wholeOnes(repository, chunks)).toEqual(chunks);
  expect(await readdir(join(directory, 'tmp'))).toEqual([]);
});

it.each<[string, (directory: string) => Promise<void>]>([
  ['CURRENT is empty', async (directory) => truncate(join(directory, 'index', 'CURRENT'), 0)],
  ['CURRENT is gone', async (directory) => unlink(join(directory, 'index', 'CURRENT'))],
  [
    'CURRENT is nonsense',
    async (directory) => writeFile(join(directory, 'index', 'CURRENT'), 'MANIFEST-9\n'),
  ],
  [
    'the manifest is empty',
    async (directory) => {
      for (const path of await indexFiles(directory, /^MANIFEST/)) await truncate(path, 0);
    },
  ],
  [
    'the manifest is cut short',
    async (directory) => {
      for (const path of await indexFiles(directory, /^MANIFEST/)) await truncate(path, 20);
    },
  ],
  [
    'the manifest is gone',
    async (directory) => {
      for (const path of await indexFiles(directory, /^MANIFEST/)) await unlink(path);
    },
  ],
  [
    'tables and logs are full of noise',
    async (directory) => {
      for (const path of await indexFiles(directory, /\.(ldb|log)$/)) {
        const file = await open(path, 'r+');
        const { size } = await file.stat();
        await file.write(
          bytesOf(9, Math.ceil(size * 0.9)),
          0,
          Math.ceil(size * 0.9),
          Math.floor(size * 0.05),
        );
        await file.close();
      }
    },
  ],
  [
    'the log is cut short',
    async (directory) => {
      for (const path of await indexFiles(directory, /\.log$/)) await truncate(path, 1000);
    },
  ],
  [
    'a bit of every table and log is flipped',
    async (directory) => {
      for (const path of await indexFiles(directory, /\.(ldb|log)$/)) await flipBit(path, 300);
    },
  ],
  [
    'LevelDB believes impossible what a table says',
    async (directory) => {
      // The length of the first key: shorter than what LevelDB itself adds to a key.
      for (const path of await indexFiles(directory, /\.ldb$/)) await overwrite(path, 1, Buffer.of(4));
    },
  ],
])('loses no chunk that has a file when %s', async (_what, damage) => {
  for (const inTables of [false, true]) await expectRecovery(damage, inTables);
});

/** LevelDB moves entries from its log to a table when it is opened. */
async function expectRecovery(
  damage: (directory: string) => Promise<void>,
  inTables: boolean,
): Promise<void> {
  const { directory, chunks } = await storedDirectory(40, 0);
  if (inTables) await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  expect((await indexFiles(directory, /\.ldb$/)).length > 0).toBe(inTables);
  await damage(directory);
  const repository = await openDiskRepository(directory);
  expect(await wholeOnes(repository, chunks)).toEqual(chunks);
  expect(repository.stats()).toMatchObject({ chunkCount: 40, quarantinedCount: 0 });
  await repository[Symbol.asyncDispose]();
  const again = await openDiskRepository(directory);
  expect(again.repaired).toEqual({ ...NOTHING, chunkCount: 40 });
}

it('keeps the chunks in the index when one of its tables is damaged', async () => {
  const { directory, chunks } = await storedDirectory(0, 30);
  await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  const [first] = await indexFiles(directory, /\.ldb$/);
  const later = Array.from({ length: 10 }, (_, number) => ({
    position: number,
    id: idOf(100 + number),
    bytes: bytesOf(number, SMALL),
  }));
  const repository = await openDiskRepository(directory);
  await Promise.all(later.map((chunk) => repository.put(chunk)));
  await repository[Symbol.asyncDispose]();
  await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  expect((await indexFiles(directory, /\.ldb$/)).length).toBeGreaterThan(1);
  await flipBit(first!, 300);
  let losses = 0;
  const repaired = await openDiskRepository(directory, { onLoss: async () => void losses++ });
  expect(losses).toBe(1);
  const whole = await wholeOnes(repaired, [...chunks, ...later]);
  expect(whole.length).toBe(chunks.length + later.length - 1);
});

it('does not take for damage what a crash left of a table', async () => {
  const { directory, chunks } = await storedDirectory(3, 30);
  await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  const [table] = await indexFiles(directory, /\.ldb$/);
  await writeFile(join(directory, 'index', '999999.ldb'), (await readFile(table!)).subarray(0, 3000));
  let losses = 0;
  const repository = await openDiskRepository(directory, { onLoss: async () => void losses++ });
  expect(losses).toBe(0);
  expect(await wholeOnes(repository, chunks)).toEqual(chunks);
});

it.each(['CURRENT', 'MANIFEST'])('keeps the chunks in the index when %s is lost', async (name) => {
  const { directory, chunks } = await storedDirectory(3, 30);
  // From the log into a table, which LevelDB would delete.
  await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  for (const path of await indexFiles(directory, new RegExp(`^${name}`))) await unlink(path);
  const repository = await openDiskRepository(directory);
  expect(await wholeOnes(repository, chunks)).toEqual(chunks);
});
