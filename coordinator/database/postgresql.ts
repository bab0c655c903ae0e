import { type ClientConfig, Pool } from 'pg';
import type { Logger } from '../../lib/logging/logger.ts';
import { CONNECT_TIMEOUT_MS, KEEP_ALIVE_DELAY_MS, POOL_CONNECTIONS_MAX } from './limits.ts';
import { typesConfig } from './value-parsers.ts';

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
