import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import { Client } from 'pg';
import type { Clock } from '../../lib/clock/clock.ts';
import { assert } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { type CopyIn, copyInWith } from './copy-in.ts';
import { PREPARED_STATEMENTS_MAX, RECONNECT_DELAY_MAX_MS, RECONNECT_DELAY_MIN_MS } from './limits.ts';
import { PgliteProcess } from './pglite-process.ts';
import { typesConfig } from './value-parsers.ts';

export interface PglitePoolOptions {
  /** Holds the database in `database`; its parent must exist. */
  readonly dataDir: string;
  /** How long another process may take to leave the directory. */
  readonly lockWaitMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly onMessage: (channel: string, payload: string) => void;
  /** Called when messages may have been lost: once the process has ended, and again when the next one listens. */
  readonly onGap: () => void;
  /** What the process of PGlite runs; only tests pass another. */
  readonly entry?: URL | undefined;
}

interface Session {
  readonly engine: PgliteProcess;
  readonly client: Client;
  /** Names of the statements that the session keeps prepared, by their text. */
  readonly prepared: Map<string, string>;
}

/**
 * The one session of PGlite as the pool that Kysely expects, its users taking turns. When the process of
 * PGlite ends unasked, everything under way fails as unavailable and a new one recovers the database from its
 * write-ahead log, as a PostgreSQL server does: what was acknowledged is there, and this process, with the
 * downloads it serves, goes on.
 */
export class PglitePool implements PostgresPool, AsyncDisposable {
  readonly options = {};
  readonly #options: PglitePoolOptions;
  readonly #channels = new Set<string>();
  readonly #stop = new AbortController();
  /** Undefined while PGlite is being started. */
  #session: Session | undefined;
  /** Resolves when everybody who asked so far has had their turn. */
  #turns: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: PglitePoolOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the database is open; rejects when it cannot be opened, with `database_unavailable` when another
   * process does not leave it in time.
   */
  static async open(options: PglitePoolOptions): Promise<PglitePool> {
    const pool = new PglitePool(options);
    const session = await pool.#start();
    pool.#running = pool.#keepRunning(session);
    return pool;
  }

  /** Resolves when it is the caller's turn, which lasts until `release`. */
  connect(): Promise<PostgresPoolClient> {
    return this.#takeTurn();
  }

  async #takeTurn(): Promise<Turn> {
    this.#stop.signal.throwIfAborted();
    const before = this.#turns;
    const turn = Promise.withResolvers<void>();
    this.#turns = turn.promise;
    await before;
    const session = this.#session;
    if (session === undefined) {
      turn.resolve();
      throw new Error('Connection terminated: PGlite is being started again');
    }
    return new Turn(session, turn.resolve);
  }

  /** See `CopyIn`. */
  async copyIn(...copy: Parameters<CopyIn>): Promise<void> {
    const turn = await this.#takeTurn();
    try {
      await turn.copyIn(...copy);
    } finally {
      turn.release();
    }
  }

  /** Resolves when messages of the channel arrive. */
  async listen(channel: string): Promise<void> {
    this.#channels.add(channel);
    const client = await this.connect();
    try {
      await client.query(`listen "${channel}"`, []);
    } finally {
      client.release();
    }
  }

  /** Waits for everybody who has asked for a turn, and closes the database. */
  async end(): Promise<void> {
    this.#stop.abort(new Error('PGlite is closed'));
    await this.#turns;
    if (this.#session !== undefined) await close(this.#session);
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async #start(): Promise<Session> {
    const first = new PgliteProcess(this.#options);
    return await this.#connect(first).catch((error: unknown) => {
      if (!first.hasCreated) throw error;
      return this.#connect(new PgliteProcess(this.#options));
    });
  }

  /** Resolves when the database is open; rejects when the process has ended. */
  async #connect(engine: PgliteProcess): Promise<Session> {
    const { signal } = this.#stop;
    const giveUp = () => void engine.kill();
    signal.addEventListener('abort', giveUp);
    try {
      const client = new Client({
        stream: () => engine.stream,
        user: 'postgres',
        database: 'postgres',
        ssl: false,
        types: typesConfig,
      });
      // An error without a listener would end the process; `ended` says what there is to say.
      client.on('error', () => {});
      client.on('notification', ({ channel, payload }) => this.#options.onMessage(channel, payload ?? ''));
      await client.connect();
      for (const channel of this.#channels) await client.query(`listen "${channel}"`);
      this.#session = { engine, client, prepared: new Map() };
      return this.#session;
    } catch {
      // Whatever the client says, the process knows better.
      await engine.kill();
      throw await engine.ended;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async #keepRunning(first: Session): Promise<void> {
    const { clock, logger, onGap } = this.#options;
    const { signal } = this.#stop;
    let session: Session | undefined = first;
    let delayMs = RECONNECT_DELAY_MIN_MS;
    for (;;) {
      if (session !== undefined) {
        const reason = await session.engine.ended;
        this.#session = undefined;
        if (signal.aborted) return;
        logger.error({ err: reason }, 'the embedded database ended and is started again');
        onGap();
        delayMs = RECONNECT_DELAY_MIN_MS;
      }
      await clock.sleep(delayMs, signal).catch(() => {});
      if (signal.aborted) return;
      delayMs = Math.min(delayMs * 2, RECONNECT_DELAY_MAX_MS);
      session = await this.#start().catch((error: unknown) => {
        logger.error({ err: error }, 'the embedded database could not be started');
        return undefined;
      });
      if (session === undefined) continue;
      if (signal.aborted) return close(session);
      logger.info('the embedded database is back');
      onGap();
    }
  }
}

async function close({ client, engine }: Session): Promise<void> {
  await client.end();
  await engine.ended;
}

/** One user's turn with the session. */
class Turn implements PostgresPoolClient {
  readonly #session: Session;
  readonly #end: () => void;
  #lastQuery: Promise<unknown> | undefined;
  #released = false;

  constructor(session: Session, end: () => void) {
    this.#session = session;
    this.#end = end;
  }

  query<Row>(statement: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>;
  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>;
  query(statement: unknown, parameters: readonly unknown[] = []): unknown {
    assert(!this.#released, 'the connection was given back');
    assert(typeof statement === 'string', 'cursors are not supported');
    const query = this.#session.client.query({
      name: parameters.length > 0 ? this.#nameOf(statement) : undefined,
      text: statement,
      values: [...parameters],
    });
    this.#lastQuery = query;
    return query;
  }

  copyIn(...copy: Parameters<CopyIn>): Promise<void> {
    assert(!this.#released, 'the connection was given back');
    const copying = copyInWith(this.#session.client, ...copy);
    this.#lastQuery = copying;
    return copying;
  }

  /** A transaction that was left open is rolled back before the next turn. */
  release(): void {
    assert(!this.#released, 'the connection was given back');
    this.#released = true;
    void this.#leave().finally(this.#end);
  }

  /** A statement with a name is parsed and planned once, which is about half of its cost. */
  #nameOf(statement: string): string | undefined {
    const { prepared } = this.#session;
    let name = prepared.get(statement);
    if (name === undefined && prepared.size < PREPARED_STATEMENTS_MAX) {
      name = `statement ${prepared.size + 1}`;
      prepared.set(statement, name);
    }
    return name;
  }

  async #leave(): Promise<void> {
    const { client, engine } = this.#session;
    // Nobody may have waited for it.
    await this.#lastQuery?.catch(() => {});
    if (client.getTransactionStatus() === 'I') return;
    await client.query('rollback').catch(() => engine.kill());
  }
}
