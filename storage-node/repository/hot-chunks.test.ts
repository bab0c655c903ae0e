import { expect, it } from 'vitest';
import { BLOCK_BYTES } from '../../lib/bytes/checksum.ts';
import { systemClock } from '../../lib/clock/clock.ts';
import { HOT_READ_PAUSE_MS, HOT_READ_SLOW_MS } from '../limits.ts';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import { chunkFilePath, flipBit, openDiskRepository } from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';
import type { DiskVideoRepository } from './disk-video-repository.ts';
import { type FileSystem, nodeFileSystem } from './file-system.ts';

const POSITION = 0x1234_5678;
const ID = idOf(1);
const LENGTH = 5 * BLOCK_BYTES + 1234;
const BYTES = bytesOf(1, LENGTH);

async function readAll(repository: DiskVideoRepository, first = 0, last = LENGTH - 1): Promise<Buffer> {
  const reading = await repository.open(POSITION, ID);
  const pieces: Buffer[] = [];
  await reading!.send(first, last, (piece) => {
    pieces.push(Buffer.from(piece));
    return undefined;
  });
  return Buffer.concat(pieces);
}

/** A file system that counts both kinds of reads. */
function countingReads(onReadNow = () => {}): { fileSystem: FileSystem; now: number; later: number } {
  const counts = {
    now: 0,
    later: 0,
    fileSystem: {
      ...nodeFileSystem,
      read: (...args: Parameters<FileSystem['read']>) => {
        counts.later++;
        return nodeFileSystem.read(...args);
      },
      readNow: (...args: Parameters<FileSystem['readNow']>) => {
        counts.now++;
        onReadNow();
        return nodeFileSystem.readNow(...args);
      },
    },
  };
  return counts;
}

it.each([0, 2 * BLOCK_BYTES + 17, 5 * BLOCK_BYTES - 1, 5 * BLOCK_BYTES, LENGTH - 1])(
  'finds out that byte %i has changed of a chunk that was read often',
  async (offset) => {
    const directory = await temporaryDirectory();
    const repository = await openDiskRepository(directory);
    await repository.put({ position: POSITION, id: ID, bytes: BYTES });
    for (let time = 0; time < 4; time++) expect((await readAll(repository)).equals(BYTES)).toBe(true);
    await flipBit(chunkFilePath(directory, POSITION, ID), offset, offset % 8);
    await expect(readAll(repository, offset, offset)).rejects.toMatchObject({ code: 'chunk_corrupt' });
    expect(repository.stats().quarantinedCount).toBe(1);

    // Another chunk under the same name has nothing to do with what was known of the first.
    const others = bytesOf(2, LENGTH);
    await repository.put({ position: POSITION, id: ID, bytes: others });
    for (let time = 0; time < 4; time++) expect((await readAll(repository)).equals(others)).toBe(true);
  },
);

it('reads at once what was read twice, block by block', async () => {
  const counts = countingReads();
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem: counts.fileSystem });
  await repository.put({ position: POSITION, id: ID, bytes: BYTES });
  for (let time = 0; time < 2; time++) await readAll(repository, 0, 2 * BLOCK_BYTES - 1);
  expect(counts).toMatchObject({ now: 0, later: 2 });
  expect((await readAll(repository, 5, 2 * BLOCK_BYTES - 1)).equals(BYTES.subarray(5, 2 * BLOCK_BYTES))).toBe(
    true,
  );
  expect(counts).toMatchObject({ now: 1, later: 2 });
  await readAll(repository, 0, 2 * BLOCK_BYTES);
  expect(counts).toMatchObject({ now: 1, later: 3 });
});

it('leaves it for a while after a read that took long', async () => {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const counts = countingReads(() => {
    nowMs += HOT_READ_SLOW_MS + 1;
  });
  const repository = await openDiskRepository(await temporaryDirectory(), {
    fileSystem: counts.fileSystem,
    clock,
  });
  await repository.put({ position: POSITION, id: ID, bytes: BYTES });
  for (let time = 0; time < 4; time++) expect((await readAll(repository)).equals(BYTES)).toBe(true);
  expect(counts).toMatchObject({ now: 1, later: 3 });
  nowMs += HOT_READ_PAUSE_MS;
  await readAll(repository);
  expect(counts).toMatchObject({ now: 2, later: 3 });
});

it('tells an error of the disk from damage', async () => {
  const counts = countingReads(() => {
    throw Object.assign(new Error('input/output error'), { code: 'EIO' });
  });
  const repository = await openDiskRepository(await temporaryDirectory(), { fileSystem: counts.fileSystem });
  await repository.put({ position: POSITION, id: ID, bytes: BYTES });
  for (let time = 0; time < 2; time++) await readAll(repository);
  await expect(readAll(repository)).rejects.toMatchObject({ code: 'disk_failing' });
  expect(repository.stats()).toMatchObject({ quarantinedCount: 0, disk: 'failing' });
});
