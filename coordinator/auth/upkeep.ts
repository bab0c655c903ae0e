import { sql } from 'kysely';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Database } from '../database/database.ts';
import type { ApiKeyCache } from './api-key-cache.ts';
import type { AuthState } from './auth-state.ts';
import { API_KEY_USE_INTERVAL_MS, AUDIT_KEPT_DAYS, UPKEEP_INTERVAL_MS } from './limits.ts';

export interface UpkeepOptions {
  readonly database: Database;
  readonly state: AuthState;
  readonly apiKeys: ApiKeyCache;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Removes what has expired, and makes the next signing key when it is time. Any coordinator may, and all do. */
export class Upkeep implements AsyncDisposable {
  readonly #options: UpkeepOptions;
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, apiKeys } = this.#options;
    const { signal } = this.#stop;
    this.#running = Promise.all([
      repeat(clock, UPKEEP_INTERVAL_MS, signal, () => this.#tryOnce()),
      repeat(clock, API_KEY_USE_INTERVAL_MS, signal, () => apiKeys.noteUses()),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the upkeep of accounts is stopped'));
    await this.#running;
    await this.#options.apiKeys.noteUses();
  }

  async runOnce(): Promise<void> {
    const { database, state } = this.#options;
    await state.keys.rotate((transaction) => state.announce('keys', transaction));
    const past = sql<Date>`clock_timestamp()`;
    await database.deleteFrom('sessions').where('expires_at', '<', past).execute();
    await database.deleteFrom('refresh_tokens').where('expires_at', '<', past).execute();
    await database.deleteFrom('revocations').where('expires_at', '<', past).execute();
    await database.deleteFrom('rate_limits').where('expires_at', '<', past).execute();
    await database
      .deleteFrom('api_keys')
      .where('expires_at', '<', sql<Date>`now() - interval '30 days'`)
      .execute();
    await database.deleteFrom('signing_keys').where('expires_at', '<', past).execute();
    await database
      .deleteFrom('audit_events')
      .where('at', '<', sql<Date>`now() - ${AUDIT_KEPT_DAYS}::integer * interval '1 day'`)
      .execute();
    state.revocations.forgetOld();
  }

  async #tryOnce(): Promise<void> {
    try {
      await this.runOnce();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the upkeep of accounts failed');
    }
  }
}
