import { sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Database, Transaction } from '../database/database.ts';
import { SESSION_REVOCATION_TTL_MS, USER_REVOCATION_TTL_MS } from './limits.ts';
import type { UserPrincipal } from './principal.ts';

/** Every token of a user who is gone is older than that. */
export const NO_GENERATION = 2 ** 31 - 1;

const TTL_MS = { session: SESSION_REVOCATION_TTL_MS, user: USER_REVOCATION_TTL_MS } as const;

/** One thing that is not to be believed any more. */
export type Revocation =
  | { readonly kind: 'session'; readonly subject: string }
  /** Tokens of the user that carry a lower generation. */
  | { readonly kind: 'user'; readonly subject: string; readonly generation: number };

/**
 * What is void among the tokens that have not expired, in the memory of every coordinator: a look costs no query. Entries
 * are only ever added, and forgotten when no token that they concern can be good.
 */
export class Revocations {
  readonly #clock: Clock;
  /** Session ids, and when each may be forgotten (monotonic). */
  readonly #sessions = new Map<string, number>();
  readonly #users = new Map<string, { generation: number; forgetAtMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#sessions.size + this.#users.size;
  }

  learn(revocation: Revocation): void {
    const forgetAtMs = this.#clock.monotonicMs() + TTL_MS[revocation.kind];
    if (revocation.kind === 'session') {
      this.#sessions.set(revocation.subject, forgetAtMs);
      return;
    }
    const known = this.#users.get(revocation.subject)?.generation ?? 0;
    this.#users.set(revocation.subject, {
      generation: Math.max(known, revocation.generation),
      forgetAtMs,
    });
  }

  isRevoked({
    userId,
    generation,
    sessionId,
  }: Pick<UserPrincipal, 'userId' | 'generation' | 'sessionId'>): boolean {
    const user = this.#users.get(userId);
    if (user !== undefined && generation < user.generation) return true;
    return sessionId !== null && this.#sessions.has(sessionId);
  }

  /** Learns all that the database has. */
  async load(database: Database): Promise<void> {
    const rows = await database
      .selectFrom('revocations')
      .select(['kind', 'subject', 'generation'])
      .where('expires_at', '>', sql<Date>`clock_timestamp()`)
      .execute();
    for (const row of rows) this.learn(row);
  }

  forgetOld(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, forgetAtMs] of this.#sessions) if (forgetAtMs <= nowMs) this.#sessions.delete(id);
    for (const [id, { forgetAtMs }] of this.#users) if (forgetAtMs <= nowMs) this.#users.delete(id);
  }
}

/** Stores it for coordinators that start, or come back, before it may be forgotten. */
export async function storeRevocation(transaction: Transaction, revocation: Revocation): Promise<void> {
  const generation = revocation.kind === 'user' ? revocation.generation : 0;
  const expires = sql<Date>`clock_timestamp() + ${TTL_MS[revocation.kind]}::integer * interval '1 millisecond'`;
  await transaction
    .insertInto('revocations')
    .values({ kind: revocation.kind, subject: revocation.subject, generation, expires_at: expires })
    .onConflict((conflict) =>
      conflict.columns(['kind', 'subject']).doUpdateSet({
        generation: sql<number>`greatest(revocations.generation, excluded.generation)`,
        expires_at: expires,
      }),
    )
    .execute();
}
