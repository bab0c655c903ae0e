import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createLogger } from '../../../lib/logging/logger.ts';
import { TestPostgres } from '../../../tests/support/postgres.ts';
import { type DatabaseHandle, openDatabase } from '../database.ts';

/** Every suite about SQL runs on both: `describe.each(ENGINES)`. */
export const ENGINES = ['pglite', 'postgresql'] as const;
export type Engine = (typeof ENGINES)[number];

export const silentLogger = createLogger({ name: 'test', level: 'silent' });

/** An empty, migrated database that disappears when it is disposed. */
export async function openTestDatabase(engine: Engine): Promise<DatabaseHandle> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const databaseUrl =
    engine === 'postgresql' ? await stack.use(await TestPostgres.open()).createDatabase() : undefined;
  const handle = stack.use(await openDatabase({ dataDir, databaseUrl, logger: silentLogger }));
  const disposal = stack.move();
  return { ...handle, [Symbol.asyncDispose]: () => disposal.disposeAsync() };
}
