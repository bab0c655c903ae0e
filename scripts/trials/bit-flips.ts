import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ChunkEntryLine } from '../../lib/node-api/schema.ts';
import type { SeededRandom } from '../bench/seeded-random.ts';

/** A chunk file is the chunk, zeros up to whole sectors, and a sector that describes it. */
const SECTOR_BYTES = 4096;
/** Up to this length a chunk lies in the index and has no file. */
const INLINE_BYTES_MAX = 1024;
/** One flip in so many hits the last sector. */
const TRAILER_FLIPS = 8;

export interface Copy {
  readonly nodeIndex: number;
  readonly entry: ChunkEntryLine;
}

export interface FileFlip extends Copy {
  readonly file: string;
  /** From the start of the file. */
  readonly offset: number;
  readonly mask: number;
  /** Within the chunk's bytes; otherwise in what describes them. */
  readonly isInBytes: boolean;
}

export function hasFile({ length }: ChunkEntryLine): boolean {
  return length > INLINE_BYTES_MAX;
}

/** A bit of the copy's file that means something: one of the zeros in between would be no damage. */
export function chooseFlip(random: SeededRandom, nodeDir: string, copy: Copy): FileFlip {
  const { position, id, length } = copy.entry;
  const isInBytes = random.below(TRAILER_FLIPS) !== 0;
  const trailerStart = Math.ceil(length / SECTOR_BYTES) * SECTOR_BYTES;
  return {
    ...copy,
    file: join(nodeDir, 'chunks', position.slice(0, 2), `${position}-${id}`),
    offset: isInBytes ? random.below(length) : trailerStart + random.below(SECTOR_BYTES),
    mask: 1 << random.below(8),
    isInBytes,
  };
}

/** Flips one bit; on the disk when it resolves. */
export async function flipBit(file: string, offset: number, mask: number): Promise<void> {
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    const { bytesRead } = await handle.read(byte, 0, 1, offset);
    if (bytesRead !== 1) throw new Error(`${file} has no byte ${offset}.`);
    byte[0]! ^= mask;
    await handle.write(byte, 0, 1, offset);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Flips bits in the tables of a node's index; the node must be stopped. Resolves with how many it were. */
export async function flipIndexBits(random: SeededRandom, nodeDir: string, count: number): Promise<number> {
  const directory = join(nodeDir, 'index');
  const tables: { file: string; sizeBytes: number }[] = [];
  for (const name of (await readdir(directory)).sort()) {
    if (!name.endsWith('.ldb')) continue;
    const file = join(directory, name);
    const handle = await open(file, 'r');
    const { size } = await handle.stat();
    await handle.close();
    if (size > 0) tables.push({ file, sizeBytes: size });
  }
  if (tables.length === 0) return 0;
  for (let flip = 0; flip < count; flip++) {
    const { file, sizeBytes } = random.pick(tables);
    await flipBit(file, random.below(sizeBytes), 1 << random.below(8));
  }
  return count;
}
