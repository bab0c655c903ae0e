import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Kysely } from 'kysely';
import { type Clock, systemClock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { DirectoryLock } from './directory-lock.ts';
import { START_RETRY_MS, START_WAIT_MS } from './limits.ts';
import { migrateToLatest } from './migrate.ts';
import { NotificationHub, type Notifications } from './notifications.ts';
import { createPgliteDialect, openPglite } from './pglite.ts';
import { PgliteMaintenance } from './pglite-maintenance.ts';
import { clientConfig, createPool, createPostgresqlDialect } from './postgresql.ts';
import { PostgresqlListener } from './postgresql-listener.ts';
import type { Database, Schema } from './schema.ts';
import { mapUnavailable } from './unavailable.ts';

export type { Database, Transaction } from './schema.ts';

export interface DatabaseOptions {
  /** PGlite lives in its subdirectory `database`; created when absent. Unused with `databaseUrl`. */
  readonly dataDir: string;
  /** `postgres://...`; PGlite when absent. */
  readonly databaseUrl?: string | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** How long to wait for PostgreSQL to accept connections. Default: 30 s. */
  readonly startWaitMs?: number;
  /** Brings a file of PGlite to the disk. Only tests pass another, which does nothing. */
  readonly fsync?: (fileDescriptor: number) => void;
}

/** An open, migrated database. Disposing it waits for the queries under way; later ones fail as unavailable. */
export interface DatabaseHandle extends AsyncDisposable {
  readonly kysely: Database;
  readonly kind: 'pglite' | 'postgresql';
  readonly notifications: Notifications;
}

/**
 * Opens the database and brings its tables up to date. Rejects with `database_unavailable` when PostgreSQL does
 * not accept connections in time, or another process has the PGlite directory open.
 */
export async function openDatabase(options: DatabaseOptions): Promise<DatabaseHandle> {
  await using stack = new AsyncDisposableStack();
  const opened =
    options.databaseUrl === undefined
      ? await openEmbedded(options, stack)
      : await openServer(options, options.databaseUrl, stack);
  const disposal = stack.move();
  return { ...opened, [Symbol.asyncDispose]: () => disposal.disposeAsync() };
}

type Opened = Omit<DatabaseHandle, typeof Symbol.asyncDispose>;

async function openEmbedded(options: DatabaseOptions, stack: AsyncDisposableStack): Promise<Opened> {
  const { dataDir, logger, clock = systemClock } = options;
  await mkdir(dataDir, { recursive: true });
  const purpose = `The database in ${path.resolve(dataDir, 'database')}`;
  stack.use(await DirectoryLock.acquire(path.join(dataDir, 'database.lock'), purpose));
  const pglite = stack.adopt(await openPglite(options), (open) => open.close());
  const kysely = new Kysely<Schema>({ dialect: mapUnavailable(createPgliteDialect(pglite)) });
  await migrate(kysely, logger);
  stack.use(new PgliteMaintenance({ pglite, clock, logger })).start();
  const hub = new NotificationHub({
    database: kysely,
    logger,
    listen: async (channel) => void (await pglite.exec(`listen "${channel}"`)),
  });
  stack.defer(pglite.onNotification((channel, payload) => hub.deliver(channel, payload)));
  return { kysely, kind: 'pglite', notifications: hub };
}

async function openServer(
  options: DatabaseOptions,
  url: string,
  stack: AsyncDisposableStack,
): Promise<Opened> {
  const { logger, clock = systemClock, startWaitMs = START_WAIT_MS } = options;
  const pool = stack.adopt(createPool(url, logger), (open) => open.end());
  const kysely = new Kysely<Schema>({ dialect: mapUnavailable(createPostgresqlDialect(pool)) });
  const deadlineMs = clock.monotonicMs() + startWaitMs;
  for (;;) {
    try {
      await migrate(kysely, logger);
      break;
    } catch (error) {
      const refused = isAppError(error) && error.code === 'database_unavailable';
      if (!refused || clock.monotonicMs() >= deadlineMs) throw error;
      logger.warn({ err: error.cause }, 'the database does not answer yet');
      await clock.sleep(START_RETRY_MS);
    }
  }
  const listener: PostgresqlListener = await PostgresqlListener.open({
    config: clientConfig(url),
    clock,
    logger,
    onMessage: (channel, payload) => hub.deliver(channel, payload),
    onGap: () => hub.reportGap(),
  });
  stack.use(listener);
  const hub = new NotificationHub({
    database: kysely,
    logger,
    listen: (channel) => listener.listen(channel),
  });
  return { kysely, kind: 'postgresql', notifications: hub };
}

async function migrate(kysely: Database, logger: Logger): Promise<void> {
  const applied = await migrateToLatest(kysely);
  if (applied.length > 0) logger.info({ migrations: applied }, 'the database was migrated');
}
