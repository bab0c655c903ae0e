import { PostgresDialect } from 'kysely';
import { type ClientConfig, type CustomTypesConfig, Pool, types } from 'pg';
import type { Logger } from '../../lib/logging/logger.ts';
import { CONNECT_TIMEOUT_MS, KEEP_ALIVE_DELAY_MS, POOL_CONNECTIONS_MAX } from './limits.ts';
import { BIGINT_OID, parseBigint } from './value-parsers.ts';

const typesConfig: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === BIGINT_OID && format !== 'binary'
      ? parseBigint
      : types.getTypeParser(oid, format as 'text')) as CustomTypesConfig['getTypeParser'],
};

export function clientConfig(databaseUrl: string): ClientConfig {
  return {
    connectionString: databaseUrl,
    application_name: 'orbitvids',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: typesConfig,
  };
}

/** A pool that connects when it is first used. Its `end` waits for the queries under way. */
export function createPool(databaseUrl: string, logger: Logger): Pool {
  const pool = new Pool({ ...clientConfig(databaseUrl), max: POOL_CONNECTIONS_MAX });
  // An idle connection that the server closes reports here; the pool replaces it by itself.
  pool.on('error', (error) => logger.warn({ err: error }, 'an idle database connection broke'));
  // One that is in use reports to its user, but between two statements of a transaction it has none, and an
  // error event without a listener ends the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export function createPostgresqlDialect(pool: Pool): PostgresDialect {
  return new PostgresDialect({ pool });
}
