import type {
  CompiledQuery,
  DatabaseConnection,
  Dialect,
  Driver,
  QueryResult,
  TransactionSettings,
} from 'kysely';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';

/** System errors of a connection that cannot be made or broke. */
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/**
 * SQLSTATEs that speak about the server and not about the statement: connection exceptions (08), insufficient
 * resources (53), operator intervention (57P: shut down, crashed, starting), errors of the system under it (58),
 * and a standby after a failover (25006).
 */
const SQL_STATES = /^(08...|53...|57P..|58...|25006)$/;

/** What the libraries say without a code; see pg's client and pool, and PglitePool. */
const MESSAGES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'Client was closed and is not queryable',
  'Client has encountered a connection error and is not queryable',
  'Cannot use a pool after calling end on the pool',
  'PGlite is closed',
];

/** `database_unavailable` when the error says that the database is down; otherwise the error itself. */
export function asUnavailable(error: unknown): unknown {
  if (isAppError(error) || !(error instanceof Error) || !saysUnavailable(error)) return error;
  return new AppError<ErrorCode>('database_unavailable', 'The database cannot be reached now.', {
    cause: error,
    retryable: true,
  });
}

function saysUnavailable(error: Error & { code?: unknown; syscall?: unknown }): boolean {
  if (typeof error.code === 'string') {
    if (SYSTEM_CODES.has(error.code) || SQL_STATES.test(error.code)) return true;
    // A Unix socket that does not exist.
    if (error.code === 'ENOENT' && error.syscall === 'connect') return true;
  }
  if (error instanceof AggregateError) {
    return error.errors.some((inner) => inner instanceof Error && saysUnavailable(inner));
  }
  return MESSAGES.some((message) => error.message.startsWith(message));
}

/** What the action gives; what it rejects with as `asUnavailable` makes it. */
export async function mapped<Result>(action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw asUnavailable(error);
  }
}

/**
 * The dialect with every failure of its driver passed through `asUnavailable`. This is the one place where that
 * happens: whatever uses Kysely sees `database_unavailable`, and repositories need no code for it.
 */
export function mapUnavailable(dialect: Dialect): Dialect {
  return {
    createAdapter: () => dialect.createAdapter(),
    createDriver: () => new MappingDriver(dialect.createDriver()),
    createIntrospector: (database) => dialect.createIntrospector(database),
    createQueryCompiler: () => dialect.createQueryCompiler(),
  };
}

class MappingDriver implements Driver {
  readonly #inner: Driver;
  readonly #connections = new WeakMap<DatabaseConnection, MappingConnection>();

  constructor(inner: Driver) {
    this.#inner = inner;
  }

  init(): Promise<void> {
    return mapped(() => this.#inner.init());
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const inner = await mapped(() => this.#inner.acquireConnection());
    let connection = this.#connections.get(inner);
    if (connection === undefined) {
      connection = new MappingConnection(inner);
      this.#connections.set(inner, connection);
    }
    return connection;
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return mapped(() => this.#inner.beginTransaction(innerOf(connection), settings));
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return mapped(() => this.#inner.commitTransaction(innerOf(connection)));
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return mapped(() => this.#inner.rollbackTransaction(innerOf(connection)));
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#inner.releaseConnection(innerOf(connection));
  }

  destroy(): Promise<void> {
    return this.#inner.destroy();
  }
}

class MappingConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return mapped(() => this.inner.executeQuery<Row>(query));
  }

  async *streamQuery<Row>(query: CompiledQuery, chunkSize: number): AsyncIterableIterator<QueryResult<Row>> {
    try {
      yield* this.inner.streamQuery<Row>(query, chunkSize);
    } catch (error) {
      throw asUnavailable(error);
    }
  }
}

function innerOf(connection: DatabaseConnection): DatabaseConnection {
  return (connection as MappingConnection).inner;
}
