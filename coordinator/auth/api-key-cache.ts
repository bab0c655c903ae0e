import { sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Database } from '../database/database.ts';
import { hashOfKey } from './api-keys.ts';
import { API_KEYS_CACHED_MAX } from './limits.ts';
import type { Scope, UserPrincipal } from './principal.ts';

interface CachedKey {
  readonly id: string;
  readonly principal: UserPrincipal;
  readonly expiresAtMs: number;
}

/**
 * The users that API keys stand for. Each key is looked up once; all are forgotten when any key or user has changed, which
 * is seldom. What is not there is not remembered: nobody can fill the memory with guesses.
 */
export class ApiKeyCache {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** By the hash, so that a look takes no longer the more of a key is right. */
  readonly #keys = new Map<string, CachedKey>();
  /** Until when what a key stood for counts, unless it is forgotten before. */
  #expiries = new WeakMap<UserPrincipal, number>();
  /** Grows when everything is forgotten, so that a look which began before is not kept. */
  #epoch = 0;
  readonly #used = new Set<string>();

  constructor(options: { database: Database; clock: Clock; logger: Logger }) {
    this.#database = options.database;
    this.#clock = options.clock;
    this.#logger = options.logger;
  }

  /** Undefined when there is no such key, it has expired, or its user is disabled. */
  async find(key: string): Promise<UserPrincipal | undefined> {
    const hash = hashOfKey(key);
    const name = hash.toString('base64');
    const known = this.#keys.get(name) ?? (await this.#load(hash, name));
    if (known === undefined || known.expiresAtMs <= this.#clock.nowMs()) return undefined;
    this.#used.add(known.id);
    return known.principal;
  }

  /** Whether what `find` has returned still holds, for who has asked long ago. False also when another key has changed since. */
  isCurrent(principal: UserPrincipal): boolean {
    return (this.#expiries.get(principal) ?? 0) > this.#clock.nowMs();
  }

  forgetAll(): void {
    this.#epoch += 1;
    this.#keys.clear();
    this.#expiries = new WeakMap();
  }

  /** Writes down which keys were used since the last time. Never rejects. */
  async noteUses(): Promise<void> {
    const ids = [...this.#used];
    if (ids.length === 0) return;
    this.#used.clear();
    try {
      await this.#database
        .updateTable('api_keys')
        .set({ last_used_at: sql<Date>`date_trunc('minute', now())` })
        .where('id', '=', sql<string>`any(${ids}::uuid[])`)
        .execute();
    } catch (error) {
      this.#logger.warn({ err: error }, 'the last use of API keys could not be written down');
    }
  }

  async #load(hash: Buffer, name: string): Promise<CachedKey | undefined> {
    const epoch = this.#epoch;
    const row = await this.#database
      .selectFrom('api_keys')
      .innerJoin('users', 'users.id', 'api_keys.user_id')
      .select([
        'api_keys.id',
        'api_keys.scopes',
        'api_keys.expires_at',
        'users.id as userId',
        'users.role',
        'users.generation',
      ])
      .where('api_keys.hash', '=', hash)
      .where('users.disabled', '=', false)
      .executeTakeFirst();
    if (row === undefined) return undefined;
    const { userId, role, generation } = row;
    const cached: CachedKey = {
      id: row.id,
      principal: {
        kind: 'user',
        userId,
        role,
        sessionId: null,
        scopes: row.scopes as Scope[],
        generation,
      },
      expiresAtMs: row.expires_at.getTime(),
    };
    if (epoch === this.#epoch) {
      if (this.#keys.size >= API_KEYS_CACHED_MAX) this.#keys.clear();
      this.#keys.set(name, cached);
      this.#expiries.set(cached.principal, cached.expiresAtMs);
    }
    return cached;
  }
}
