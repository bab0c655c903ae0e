import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OBJECT_BYTES } from './load-plan.ts';
import { median } from './statistics.ts';

const WRITERS = 8;
const ROUNDS = 3;
const ROUND_MS = 1500;

/**
 * What the disk under `directory` took, 10^6 bytes a second: new files of 8 MiB, each synced before its writer begins the next one,
 * eight writers of which four write or sync at a time, the median of three rounds. A system that syncs C copies of what it is
 * sent can hardly be faster than this divided by C.
 */
export async function diskSpeed(directory: string): Promise<number> {
  const bytes = randomBytes(OBJECT_BYTES);
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    let written = 0;
    const paths: string[] = [];
    const writer = async () => {
      while (performance.now() - startMs < ROUND_MS) {
        const path = join(directory, `disk-speed-${paths.length}`);
        paths.push(path);
        await writeSynced(path, bytes);
        written += bytes.length;
      }
    };
    try {
      await Promise.all(Array.from({ length: WRITERS }, writer));
      rates.push(written / 1e6 / ((performance.now() - startMs) / 1000));
    } finally {
      for (const path of paths) await rm(path, { force: true });
    }
  }
  return median(rates);
}

async function writeSynced(path: string, bytes: Buffer): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'w');
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file?.close();
  }
}
