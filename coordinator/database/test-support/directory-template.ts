import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/**
 * Fills a directory with what is slow to make. That is made once for each name, by `make` in the empty directory that it
 * is given, and kept where tools keep their caches; so whatever it depends on belongs into the name. Owners of files are
 * kept as far as the system allows it.
 */
export async function copyTemplate(
  name: string,
  directory: string,
  make: (directory: string) => Promise<void>,
): Promise<void> {
  const cache = path.join(NODE_MODULES, '.cache', 'orbitvids');
  const template = path.join(cache, name);
  if (!existsSync(template)) {
    await mkdir(cache, { recursive: true });
    const made = await mkdtemp(path.join(cache, 'new-'));
    try {
      await make(made);
      // Another test may have been faster; then its directory serves as well.
      await rename(made, template).catch((error: unknown) => {
        if (!existsSync(template)) throw error;
      });
    } finally {
      await rm(made, { recursive: true, force: true });
    }
  }
  // A thousand small files take Node itself a second of CPU time.
  await mkdir(directory, { recursive: true });
  await promisify(execFile)('cp', ['-Rp', `${template}/.`, directory]);
}
