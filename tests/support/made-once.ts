import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** Where tools keep their caches. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/orbitvids', import.meta.url));

/**
 * A directory with what is slow to make. That is made once for each name, by `make` in the empty directory that it is
 * given, and kept; so whatever it depends on belongs into the name. It is there as a whole or not at all, also when several
 * tests make it at once. Nobody may change it.
 */
export async function madeOnce(name: string, make: (directory: string) => Promise<void>): Promise<string> {
  const directory = path.join(CACHE, name);
  if (existsSync(directory)) return directory;
  await mkdir(CACHE, { recursive: true });
  const made = await mkdtemp(path.join(CACHE, 'new-'));
  try {
    await make(made);
    // Another test may have been faster; then its directory serves as well.
    await rename(made, directory).catch((error: unknown) => {
      if (!existsSync(directory)) throw error;
    });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return directory;
}

/** A copy of such a directory to do with as one likes; owners of files are kept as far as the system allows it. */
export async function copyMadeOnce(
  name: string,
  copy: string,
  make: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await madeOnce(name, make);
  await mkdir(copy, { recursive: true });
  // A thousand small files take Node itself a second of CPU time.
  await promisify(execFile)('cp', ['-Rp', `${directory}/.`, copy]);
}
