import { mkdir } from 'node:fs/promises';
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely';
import { type Clock, systemClock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { type CopyIn, copyInWith } from './copy-in.ts';
import { START_RETRY_MS, START_WAIT_MS } from './limits.ts';
import { migrateToLatest } from './migrate.ts';
import { NotificationHub, type Notifications } from './notifications.ts';
import { PgliteMaintenance } from './pglite-maintenance.ts';
import { PglitePool } from './pglite-pool.ts';
import { clientConfig, createPool } from './postgresql.ts';
import { PostgresqlListener } from './postgresql-listener.ts';
import type { Database, Schema } from './schema.ts';
import { mapped, mapUnavailable } from './unavailable.ts';

export type { Database, Transaction } from './schema.ts';

export interface DatabaseOptions {
  /** PGlite lives in its subdirectory `database`; created when absent. Unused with `databaseUrl`. */
  readonly dataDir: string;
  /** `postgres://...`; PGlite when absent. */
  readonly databaseUrl?: string | undefined;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** How long to wait for PostgreSQL to accept connections, or for PGlite's directory to be free. Default: 30 s. */
  readonly startWaitMs?: number;
  /** What the process of PGlite runs; only tests pass another. */
  readonly pgliteEntry?: URL | undefined;
}

/** An open, migrated database. Disposing it waits for the queries under way; later ones fail as unavailable. */
export interface DatabaseHandle extends AsyncDisposable {
  readonly kysely: Database;
  readonly kind: 'pglite' | 'postgresql';
  readonly notifications: Notifications;
  readonly copyIn: CopyIn;
}

/**
 * Opens the database and brings its tables up to date. Rejects with `database_unavailable` when PostgreSQL does
 * not accept connections in time, or another process does not leave the PGlite directory.
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
  const { dataDir, logger, clock = systemClock, startWaitMs = START_WAIT_MS } = options;
  await mkdir(dataDir, { recursive: true });
  const pool: PglitePool = await PglitePool.open({
    dataDir,
    lockWaitMs: startWaitMs,
    logger,
    clock,
    entry: options.pgliteEntry,
    onMessage: (channel, payload) => hub.deliver(channel, payload),
    onGap: () => hub.reportGap(),
  });
  stack.use(pool);
  const kysely = createKysely(pool);
  const hub = new NotificationHub({
    database: kysely,
    logger,
    listen: (channel) => pool.listen(channel),
  });
  await migrate(kysely, logger);
  stack.use(new PgliteMaintenance({ database: kysely, clock, logger })).start();
  return {
    kysely,
    kind: 'pglite',
    notifications: hub,
    copyIn: (...copy) => mapped(() => pool.copyIn(...copy)),
  };
}

async function openServer(
  options: DatabaseOptions,
  url: string,
  stack: AsyncDisposableStack,
): Promise<Opened> {
  const { logger, clock = systemClock, startWaitMs = START_WAIT_MS } = options;
  const pool = stack.adopt(createPool(url, logger), (open) => open.end());
  const kysely = createKysely(pool);
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
  const copyIn: CopyIn = (...copy) =>
    mapped(async () => {
      const client = await pool.connect();
      try {
        await copyInWith(client, ...copy);
      } finally {
        client.release();
      }
    });
  return { kysely, kind: 'postgresql', notifications: hub, copyIn };
}

function createKysely(pool: PostgresPool): Database {
  return new Kysely<Schema>({ dialect: mapUnavailable(new PostgresDialect({ pool })) });
}

async function migrate(kysely: Database, logger: Logger): Promise<void> {
  const applied = await migrateToLatest(kysely);
  if (applied.length > 0) logger.info({ migrations: applied }, 'the database was migrated');
}
