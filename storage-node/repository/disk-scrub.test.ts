import { appendFile, cp, link, open, readdir, readFile, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/bench/seeded-random.ts';
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
import { nodeFileSystem } from './file-system.ts';
import type { ScrubFinding } from './video-repository.ts';

const LARGE = 70_000;
const SMALL = 500;

interface Stored {
  readonly position: number;
  readonly id: string;
  readonly bytes: Buffer;
}

function chunkOf(number: number): Stored {
  const bytes = bytesOf(number, number % 3 === 0 ? SMALL : LARGE);
  return { position: (number * 0x0200_0001) >>> 0, id: idOf(number), bytes };
}

/** Chunks whose entries lie in a table of the index; each third lives there alone. */
async function storedDirectory(count: number): Promise<{ directory: string; chunks: Stored[] }> {
  const directory = await temporaryDirectory();
  const chunks = Array.from({ length: count }, (_, number) => chunkOf(number));
  const repository = await openDiskRepository(directory);
  await Promise.all(chunks.map((chunk) => repository.put(chunk)));
  await repository[Symbol.asyncDispose]();
  await (await openDiskRepository(directory))[Symbol.asyncDispose]();
  return { directory, chunks };
}

/** What a pass found beside sound chunks. */
async function scrub(repository: DiskVideoRepository): Promise<ScrubFinding[]> {
  const findings: ScrubFinding[] = [];
  for await (const { finding } of repository.scrub({ after: undefined, admit: async () => {} })) {
    if (finding !== 'sound') findings.push(finding);
  }
  return findings;
}

async function isWhole(repository: DiskVideoRepository, { position, id, bytes }: Stored): Promise<boolean> {
  const reading = await repository.open(position, id);
  if (!reading) return false;
  const pieces: Buffer[] = [];
  await reading.send(0, bytes.length - 1, async (piece) => void pieces.push(Buffer.from(piece)));
  return Buffer.concat(pieces).equals(bytes);
}

async function setAside(repository: DiskVideoRepository): Promise<Map<string, string>> {
  const { chunks } = await repository.listQuarantine({ limit: 10_000 });
  return new Map(chunks.map(({ id, reason }) => [id, reason]));
}

async function tablesOf(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'index'));
  return names.filter((name) => name.endsWith('.ldb')).map((name) => join(directory, 'index', name));
}

it('notices files that are gone, too short, too long, or have no entry', async () => {
  const { directory, chunks } = await storedDirectory(12);
  const path = ({ position, id }: Stored) => chunkFilePath(directory, position, id);
  const repository = await openDiskRepository(directory);
  const [, gone, short, , long, whole] = chunks as [Stored, Stored, Stored, Stored, Stored, Stored];
  await unlink(path(gone));
  await truncate(path(short), 40_000);
  await appendFile(path(long), 'x');
  // A whole one without an entry, one that is none, one that a failed write has marked, and one that is not ours.
  await repository.delete(whole.position, whole.id);
  await repository.put(whole);
  const orphan = { ...chunkOf(100), bytes: bytesOf(100, LARGE) };
  await writeFile(path(orphan), bytesOf(100, 8192));
  const marked = { ...chunkOf(101), bytes: bytesOf(101, LARGE) };
  await writeFile(path(marked), bytesOf(101, 8192));
  await link(path(marked), join(directory, 'tmp', `${chunkName(marked.position, marked.id)}.0`));
  await writeFile(join(directory, 'chunks', '00', 'README'), 'left by somebody');

  expect((await scrub(repository)).sort()).toEqual(Array(4).fill('quarantined'));
  const reasons = await setAside(repository);
  expect(reasons.get(gone.id)).toBe('the file is missing');
  expect(reasons.get(short.id)).toContain('too short');
  expect(reasons.get(long.id)).toContain('too long');
  expect(reasons.get(orphan.id)).toContain('no index entry');
  expect(repository.stats()).toMatchObject({ quarantinedCount: 4, lostCount: 1 });
  expect(await scrub(repository)).toEqual([]);
  for (const chunk of [gone, short, long]) expect(await repository.put(chunk)).toBe('created');
  for (const chunk of chunks) expect(await isWhole(repository, chunk)).toBe(true);
  expect(await setAside(repository)).toEqual(new Map([[orphan.id, reasons.get(orphan.id)]]));
});

it('takes damaged keys out, and makes the entries of their files again', async () => {
  const { directory, chunks } = await storedDirectory(30);
  const repository = await openDiskRepository(directory);
  const [table] = await tablesOf(directory);
  const content = await readFile(table!);
  // A key that is no chunk's any more, and one that looks like another chunk's.
  await flipBit(table!, content.indexOf(chunks[4]!.id), 7);
  await flipBit(table!, content.indexOf(chunks[11]!.id) + chunks[11]!.id.length - 1, 0);
  const findings = await scrub(repository);
  expect(findings.filter((finding) => finding === 'removed')).toHaveLength(1);
  expect(findings.filter((finding) => finding === 'rebuilt').length).toBeGreaterThanOrEqual(2);
  for (const chunk of chunks) {
    if (chunk.bytes.length === LARGE) expect(await isWhole(repository, chunk), chunk.id).toBe(true);
  }
  expect(await scrub(repository)).toEqual([]);
});

it('reads around parts of the index that LevelDB cannot read', async () => {
  const random = new SeededRandom(7);
  let unreadable = 0;
  const { directory: sound, chunks } = await storedDirectory(60);
  for (let round = 0; round < 12; round++) {
    const directory = await temporaryDirectory();
    await cp(sound, directory, { recursive: true });
    const { logger, lines } = recordingLogger();
    const repository = await openDiskRepository(directory, { logger });
    // Anything may be hit: keys, lengths, restart points, the table's own index.
    for (const table of await tablesOf(directory)) {
      const { length } = await readFile(table);
      for (let hit = 0; hit < 8; hit++) await flipBit(table, random.below(length), random.below(8));
      const noise = await open(table, 'r+');
      await noise.write(Buffer.alloc(50, 0xff), 0, 50, random.below(length - 100));
      await noise.close();
    }
    const findings = await scrub(repository);
    if (lines.some(({ event }) => event === 'index_damaged')) unreadable++;
    for (const chunk of chunks) {
      // What has a file is here again; what lived in the index is here, or known to be missing.
      if (chunk.bytes.length === LARGE) expect(await isWhole(repository, chunk), `round ${round}`).toBe(true);
    }
    expect(findings.length, `round ${round}`).toBeGreaterThan(0);
    await repository[Symbol.asyncDispose]();
  }
  expect(unreadable).toBeGreaterThan(0);
});

it('does not stop at a file that the disk cannot read', async () => {
  const { directory, chunks } = await storedDirectory(20);
  let bad: number | undefined;
  const repository = await openDiskRepository(directory, {
    fileSystem: {
      ...nodeFileSystem,
      async open(path, flags) {
        const descriptor = await nodeFileSystem.open(path, flags);
        if (path.endsWith(chunks[8]!.id)) bad = descriptor;
        return descriptor;
      },
      async read(descriptor, into, position) {
        if (descriptor === bad) throw Object.assign(new Error('EIO: made up'), { code: 'EIO' });
        return nodeFileSystem.read(descriptor, into, position);
      },
      async close(descriptor) {
        if (descriptor === bad) bad = undefined;
        return nodeFileSystem.close(descriptor);
      },
    },
  });
  await flipBit(chunkFilePath(directory, chunks[10]!.position, chunks[10]!.id), 0);
  expect(await scrub(repository)).toEqual(['unreadable', 'quarantined']);
  expect(repository.stats().disk).toBe('failing');
});

it('keeps a bounded part of what is set aside', async () => {
  const directory = await temporaryDirectory();
  const capacityBytes = 40 * 1024 * 1024;
  const repository = await openDiskRepository(directory, { capacityBytes });
  const length = 500_000;
  for (let number = 0; number < 12; number++) {
    await repository.put({ position: number, id: idOf(number), bytes: bytesOf(number, length) });
    await repository.quarantine(number, idOf(number), 'for the test');
  }
  // All are known, the last few have bytes: 5% of the capacity hold four of them.
  expect(repository.stats().quarantinedCount).toBe(12);
  const files = (await readdir(join(directory, 'quarantine'))).filter((name) => !name.endsWith('.json'));
  expect(files.map((name) => name.slice(0, 8)).sort()).toEqual([
    '00000008',
    '00000009',
    '0000000a',
    '0000000b',
  ]);
  const { usedBytes } = repository.stats();
  await repository[Symbol.asyncDispose]();
  const again = await openDiskRepository(directory, { capacityBytes });
  expect(again.stats()).toMatchObject({ quarantinedCount: 12, usedBytes });
});
