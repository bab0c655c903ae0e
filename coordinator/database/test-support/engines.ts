import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TestPostgres } from '../../../tests/support/postgres.ts';
import { type DatabaseHandle, openDatabase } from '../database.ts';
import { copyMigratedPglite, UNSYNCED_PGLITE } from './pglite-template.ts';
import { silentLogger } from './silent-logger.ts';

export { silentLogger, UNSYNCED_PGLITE };

/** Every suite about SQL runs on both: `describe.each(ENGINES)`. */
export const ENGINES = ['pglite', 'postgresql'] as const;
export type Engine = (typeof ENGINES)[number];

/** An empty, migrated database that disappears when it is disposed. It does not wait for the disk. */
export async function openTestDatabase(engine: Engine): Promise<DatabaseHandle> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  let databaseUrl: string | undefined;
  if (engine === 'pglite') await copyMigratedPglite(dataDir);
  else databaseUrl = await stack.use(await TestPostgres.open()).createDatabase();
  const handle = stack.use(
    await openDatabase({ dataDir, databaseUrl, logger: silentLogger, pgliteEntry: UNSYNCED_PGLITE }),
  );
  const disposal = stack.move();
  return { ...handle, [Symbol.asyncDispose]: () => disposal.disposeAsync() };
}
