import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { copyMadeOnce } from '../../../tests/support/made-once.ts';
import { openDatabase } from '../database.ts';
import { openPglite } from '../pglite.ts';
import { silentLogger } from './silent-logger.ts';

const MANIFEST = new URL('../../../node_modules/@electric-sql/pglite/package.json', import.meta.url);
const SOURCES = fileURLToPath(new URL('..', import.meta.url));

/** For `openDatabase`: PGlite that does not wait for the disk. */
export const UNSYNCED_PGLITE = new URL('./unsynced-pglite.ts', import.meta.url);

/** Makes the data directory one where PGlite was started before, and is without tables. */
async function copyEmptyPglite(dataDir: string): Promise<void> {
  const key = await hashOf([fileURLToPath(MANIFEST), path.join(SOURCES, 'pglite.ts')]);
  await copyMadeOnce(`pglite-empty-${key}`, dataDir, async (made) => {
    const pglite = await openPglite({ dataDir: made, onLogLine: () => {} });
    await pglite.close();
  });
}

/** Makes the data directory one where a coordinator was started before: with all tables, and nothing in them. */
export async function copyMigratedPglite(dataDir: string): Promise<void> {
  const migrations = (await readdir(path.join(SOURCES, 'migrations'))).sort();
  const key = await hashOf([
    fileURLToPath(MANIFEST),
    ...['pglite.ts', 'migrate.ts', ...migrations.map((file) => `migrations/${file}`)].map((file) =>
      path.join(SOURCES, file),
    ),
  ]);
  await copyMadeOnce(`pglite-migrated-${key}`, dataDir, async (made) => {
    await copyEmptyPglite(made);
    const database = await openDatabase({
      dataDir: made,
      logger: silentLogger,
      pgliteEntry: UNSYNCED_PGLITE,
    });
    await database[Symbol.asyncDispose]();
  });
}

async function hashOf(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}
