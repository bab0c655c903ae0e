import { sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { LIMITS_REMEMBERED_MAX } from './limits.ts';

export interface RateLimit {
  /** What is counted, and whose: `login:2001:db8::/64`. */
  readonly key: string;
  readonly max: number;
  readonly windowMs: number;
}

/**
 * Counts attempts in fixed windows, in one row a key that all coordinators share; the database's clock and one statement
 * decide. What is exhausted is remembered here until its window ends, so that a flood does not reach the database.
 */
export class RateLimits {
  readonly #database: Database;
  readonly #clock: Clock;
  /** When an exhausted key may be tried again (monotonic). */
  readonly #exhausted = new Map<string, number>();

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** Counts one attempt under each of the limits; rejects with `too_many_requests` when one is exceeded. */
  async count(limits: readonly RateLimit[]): Promise<void> {
    for (const { key } of limits) {
      const untilMs = this.#exhausted.get(key);
      if (untilMs === undefined) continue;
      const waitMs = untilMs - this.#clock.monotonicMs();
      if (waitMs > 0) throw tooMany(Math.ceil(waitMs / 1000));
      this.#exhausted.delete(key);
    }
    // Always in the same order, so that two statements with the same keys cannot wait for each other.
    const sorted = limits.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    const keys = sorted.map(({ key }) => key);
    const { rows } = await sql<{ key: string; used: number; waitMs: number }>`
      insert into rate_limits as counted (key, used, expires_at)
      select key, 1, clock_timestamp() + window_ms * interval '1 millisecond'
      from unnest(${keys}::text[], ${sorted.map(({ windowMs }) => windowMs)}::bigint[]) as asked (key, window_ms)
      on conflict (key) do update set
        used = case when counted.expires_at <= clock_timestamp() then 1 else least(counted.used, 1000000) + 1 end,
        expires_at = case
          when counted.expires_at <= clock_timestamp() then excluded.expires_at else counted.expires_at
        end
      returning key, used, ceil(extract(epoch from expires_at - clock_timestamp()) * 1000)::bigint as "waitMs"
    `.execute(this.#database);
    let waitMs = 0;
    for (const row of rows) {
      const { max } = sorted.find(({ key }) => key === row.key)!;
      if (row.used <= max) continue;
      waitMs = Math.max(waitMs, row.waitMs);
      if (this.#exhausted.size >= LIMITS_REMEMBERED_MAX) this.#exhausted.clear();
      this.#exhausted.set(row.key, this.#clock.monotonicMs() + row.waitMs);
    }
    if (waitMs > 0) throw tooMany(Math.ceil(waitMs / 1000));
  }

  /** Forgets what was counted: the attempts turned out to be legitimate. */
  async forgive(keys: readonly string[]): Promise<void> {
    await this.#database.deleteFrom('rate_limits').where('key', 'in', keys).execute();
  }
}

function tooMany(waitS: number): AppError {
  return new AppError<ErrorCode>('too_many_requests', `Too many attempts; try again in ${waitS} s.`, {
    details: { headers: { 'retry-after': String(waitS) } },
  });
}
