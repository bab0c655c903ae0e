import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openPglite } from '../pglite.ts';

const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/**
 * Makes the data directory one where PGlite was started before, which saves each test the seconds that a first
 * start takes. The copied directory is made once for a version of PGlite, and kept where tools keep their caches.
 */
export async function copyPgliteTemplate(dataDir: string): Promise<void> {
  const manifest = await readFile(path.join(NODE_MODULES, '@electric-sql/pglite/package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  const cache = path.join(NODE_MODULES, '.cache', 'orbitvids');
  const template = path.join(cache, `pglite-${version}`);
  if (!existsSync(template)) await makeTemplate(cache, template);
  await mkdir(dataDir, { recursive: true });
  await cp(template, path.join(dataDir, 'database'), { recursive: true });
}

async function makeTemplate(cache: string, template: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(path.join(cache, 'new-'));
  try {
    const pglite = await openPglite({ dataDir: directory, onLogLine: () => {} });
    await pglite.close();
    // Another test may have been faster; then its directory serves as well.
    await rename(path.join(directory, 'database'), template).catch((error: unknown) => {
      if (!existsSync(template)) throw error;
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
