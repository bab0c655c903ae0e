import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SeededRandom } from '../../scripts/bench/seeded-random.ts';
import { INLINE_BYTES_MAX } from '../limits.ts';
import { chunkFileBytes, SECTOR_BYTES } from '../repository/chunk-trailer.ts';
import type { DiskVideoRepository } from '../repository/disk-video-repository.ts';
import { bytesOf, idOf } from '../test-support/chunks.ts';
import { chunkFilePath, flipBit, openDiskRepository } from '../test-support/disk-repository.ts';
import { temporaryDirectory } from '../test-support/temporary-directory.ts';

/** Each hits a chunk of its own. */
const FLIPS = Number(process.env.SCRUB_FLIPS ?? 200);
const SEED = Number(process.env.SCRUB_SEED ?? 20_261);
/** Of the index entry's value: all but the block checksums or inline bytes. */
const ENTRY_BYTES = 24;
const BLOCK = 64 * 1024;
const KINDS = ['payload', 'padding', 'trailer', 'entry of a file', 'entry with the bytes'] as const;

interface Victim {
  readonly kind: (typeof KINDS)[number];
  readonly position: number;
  readonly id: string;
  readonly bytes: Buffer;
}

/** As many chunks as flips and a quarter more, with their entries in tables of the index, where they can be hit. */
async function fill(
  directory: string,
  random: SeededRandom,
): Promise<{ victims: Victim[]; others: Victim[] }> {
  const chunks = Array.from({ length: Math.ceil(FLIPS * 1.25) }, (_, number): Victim => {
    const kind = KINDS[number % KINDS.length]!;
    const [shortest, longest] =
      kind === 'entry with the bytes' ? [1, INLINE_BYTES_MAX] : [INLINE_BYTES_MAX + 1, 3 * BLOCK];
    // An odd length has padding.
    const length = random.between(shortest, longest) | 1;
    return { kind, position: random.below(2 ** 32), id: idOf(number), bytes: bytesOf(number, length) };
  });
  const repository = await openDiskRepository(directory);
  for (const chunk of chunks) await repository.put(chunk);
  await repository[Symbol.asyncDispose]();
  return { victims: chunks.slice(0, FLIPS), others: chunks.slice(FLIPS) };
}

async function flip(directory: string, victim: Victim, random: SeededRandom): Promise<void> {
  const { kind, position, id, bytes } = victim;
  const path = chunkFilePath(directory, position, id);
  const trailerStart = chunkFileBytes(bytes.length) - SECTOR_BYTES;
  const bit = random.below(8);
  switch (kind) {
    case 'payload':
      return flipBit(path, random.below(bytes.length), bit);
    case 'padding':
      return flipBit(path, random.between(bytes.length, trailerStart - 1), bit);
    case 'trailer':
      return flipBit(path, trailerStart + random.below(SECTOR_BYTES), bit);
    default: {
      const blocks = Math.ceil(bytes.length / BLOCK);
      const valueBytes = ENTRY_BYTES + (kind === 'entry of a file' ? 4 * blocks : bytes.length);
      const { table, offset } = await locateEntry(directory, id);
      return flipBit(table, offset + random.below(valueBytes), bit);
    }
  }
}

/** Where a table of the index has the value of a chunk's entry: behind its key and the key's sequence number. */
async function locateEntry(directory: string, id: string): Promise<{ table: string; offset: number }> {
  for (const name of await readdir(join(directory, 'index'))) {
    if (!name.endsWith('.ldb')) continue;
    const table = join(directory, 'index', name);
    const offset = (await readFile(table)).indexOf(id);
    if (offset >= 0) return { table, offset: offset + id.length + 8 };
  }
  throw new Error(`no table has an entry of ${id}`);
}

/** The chunk's bytes, or the code of the refusal. */
async function read(
  repository: DiskVideoRepository,
  { position, id, bytes }: Victim,
  first = 0,
  last = bytes.length - 1,
): Promise<Buffer | string> {
  const pieces: Buffer[] = [];
  try {
    const reading = await repository.open(position, id);
    if (!reading) return 'absent';
    await reading.send(first, last, async (piece) => void pieces.push(Buffer.from(piece)));
  } catch (error) {
    return (error as { code: string }).code;
  }
  return Buffer.concat(pieces);
}

it(`finds each of ${FLIPS} random flipped bits in one pass`, async () => {
  const directory = await temporaryDirectory();
  const random = new SeededRandom(SEED);
  const { victims, others } = await fill(directory, random);
  const repository = await openDiskRepository(directory);
  for (const victim of victims) await flip(directory, victim, random);

  const findings: string[] = [];
  for await (const { finding } of repository.scrub({ after: undefined, admit: async () => {} })) {
    if (finding !== 'sound') findings.push(finding);
  }
  const isSetAside = new Map<string, boolean>();
  for (let after: string | undefined; ; ) {
    const page = await repository.listQuarantine({ after, limit: 90 });
    for (const { id } of page.chunks) isSetAside.set(id, true);
    if (page.next === null) break;
    after = page.next;
  }
  const context = `seed ${SEED}`;
  for (const victim of victims) {
    const rebuilt = victim.kind === 'entry of a file';
    expect(isSetAside.has(victim.id), `${victim.kind} ${victim.id}, ${context}`).toBe(!rebuilt);
    const got = await read(repository, victim);
    if (rebuilt) expect(victim.bytes.equals(got as Buffer)).toBe(true);
    else expect(got, `${victim.kind} ${victim.id}, ${context}`).toBe('absent');
  }
  expect(findings.length, context).toBe(victims.length);
  for (const other of others)
    expect(other.bytes.equals((await read(repository, other)) as Buffer)).toBe(true);

  // A second pass finds nothing, good copies drive out the bad, and the books are right.
  for await (const { finding } of repository.scrub({ after: undefined, admit: async () => {} })) {
    expect(finding, context).toBe('sound');
  }
  for (const victim of victims) await repository.put(victim);
  expect(repository.stats()).toMatchObject({
    chunkCount: victims.length + others.length,
    quarantinedCount: 0,
    lostCount: victims.filter(({ kind }) => kind === 'entry with the bytes').length,
  });
  const { usedBytes } = repository.stats();
  await repository[Symbol.asyncDispose]();
  expect((await openDiskRepository(directory)).stats().usedBytes, context).toBe(usedBytes);
});

it('lets no random flipped bit reach a reader', async () => {
  const directory = await temporaryDirectory();
  const random = new SeededRandom(SEED + 1);
  const { victims } = await fill(directory, random);
  const repository = await openDiskRepository(directory);
  for (const victim of victims) await flip(directory, victim, random);
  for (const victim of victims) {
    const first = random.below(victim.bytes.length);
    const last = random.between(first, victim.bytes.length - 1);
    const wanted = victim.bytes.subarray(first, last + 1);
    for (const [got, expected] of [
      [await read(repository, victim, first, last), wanted],
      [await read(repository, victim), victim.bytes],
    ] as const) {
      if (typeof got === 'string') expect(['absent', 'chunk_corrupt']).toContain(got);
      else expect(got.equals(expected), `${victim.kind} ${victim.id}, seed ${SEED}`).toBe(true);
    }
    const isHere = (await repository.stat(victim.position, victim.id)) !== undefined;
    const isHarmless = ['padding', 'trailer', 'entry of a file'].includes(victim.kind);
    expect(isHere, `${victim.kind} ${victim.id}, seed ${SEED}`).toBe(isHarmless);
  }
});
