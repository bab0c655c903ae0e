import { createHash, createHmac } from 'node:crypto';
import { sql } from 'kysely';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { Database, Transaction } from '../database/database.ts';
import { REFRESH_GRACE_MS, REFRESH_TOKEN_TTL_MS } from './limits.ts';

const PREFIX = 'ovr_';
const TOKEN_BYTES = 32;

export type RefreshOutcome =
  /** The token was good: its successor. */
  | {
      readonly kind: 'refreshed';
      readonly sessionId: string;
      readonly userId: string;
      readonly token: string;
    }
  /** There is no such token, or it has expired. */
  | { readonly kind: 'unknown' }
  /** It had a successor long ago, so two have it, and one is a thief: the session has been ended. */
  | { readonly kind: 'reused'; readonly sessionId: string; readonly userId: string };

export interface SessionsOptions {
  readonly database: Database;
  /** Successors are made with it. */
  readonly refreshKey: SigningKey;
  readonly createId: () => string;
  readonly randomBytes: (count: number) => Uint8Array;
}

/**
 * Logins, and the refresh tokens that keep them alive, of which only hashes are stored. Each is good once and brings its
 * successor; who shows a used one again ends the session, unless its successor was not used yet and it was made a moment
 * ago: then the answer may have been lost, or two tabs asked at once, and the successor is given out again. It is
 * computed from the token with a key of the cluster, so that it need not be stored. All times are the database's.
 */
export class Sessions {
  readonly #options: SessionsOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async open(
    transaction: Transaction,
    userId: string,
  ): Promise<{ readonly sessionId: string; readonly token: string }> {
    const { createId, randomBytes } = this.#options;
    const sessionId = createId();
    const token = PREFIX + Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64url');
    await transaction
      .insertInto('sessions')
      .values({ id: sessionId, user_id: userId, expires_at: inMs(REFRESH_TOKEN_TTL_MS) })
      .execute();
    await this.#insertToken(transaction, sessionId, token);
    return { sessionId, token };
  }

  /** The session that the token belongs to, used or not; null when there is none. */
  async find(
    token: string,
    within?: Transaction,
  ): Promise<{ readonly sessionId: string; readonly userId: string } | null> {
    const row = await (within ?? this.#options.database)
      .selectFrom('refresh_tokens')
      .innerJoin('sessions', 'sessions.id', 'refresh_tokens.session_id')
      .select(['sessions.id as sessionId', 'sessions.user_id as userId'])
      .where('refresh_tokens.hash', '=', hashOf(token))
      .executeTakeFirst();
    return row ?? null;
  }

  /** Those who refresh the same session at the same time take turns. */
  async refresh(transaction: Transaction, token: string): Promise<RefreshOutcome> {
    const owner = await this.find(token, transaction);
    if (owner === null) return { kind: 'unknown' };
    // First the session, then its tokens, like whatever deletes them.
    const session = await transaction
      .selectFrom('sessions')
      .select(['id as sessionId', 'user_id as userId'])
      .where('id', '=', owner.sessionId)
      .forUpdate()
      .executeTakeFirst();
    const used = await transaction
      .selectFrom('refresh_tokens')
      .select([
        sql<boolean>`used_at is not null`.as('isUsed'),
        sql<boolean>`expires_at <= clock_timestamp()`.as('hasExpired'),
        sql<boolean>`used_at > ${inMs(-REFRESH_GRACE_MS)}`.as('isInGrace'),
      ])
      .where('hash', '=', hashOf(token))
      .executeTakeFirst();
    if (session === undefined || used === undefined || used.hasExpired) return { kind: 'unknown' };
    const successor = this.#successorOf(token);
    if (used.isUsed) {
      if (used.isInGrace && (await this.#isFresh(transaction, successor))) {
        return { kind: 'refreshed', ...session, token: successor };
      }
      await this.end(transaction, session.sessionId);
      return { kind: 'reused', ...session };
    }
    await transaction
      .updateTable('refresh_tokens')
      .set({ used_at: sql<Date>`clock_timestamp()` })
      .where('hash', '=', hashOf(token))
      .execute();
    await this.#insertToken(transaction, session.sessionId, successor);
    await transaction
      .updateTable('sessions')
      .set({ expires_at: inMs(REFRESH_TOKEN_TTL_MS) })
      .where('id', '=', session.sessionId)
      .execute();
    return { kind: 'refreshed', ...session, token: successor };
  }

  /** Its access tokens have to be revoked besides. */
  async end(transaction: Transaction, sessionId: string): Promise<void> {
    await transaction.deleteFrom('sessions').where('id', '=', sessionId).execute();
  }

  /** Ends all sessions of the user but one, if one is named. */
  async endAll(transaction: Transaction, userId: string, except: string | null = null): Promise<void> {
    let query = transaction.deleteFrom('sessions').where('user_id', '=', userId);
    if (except !== null) query = query.where('id', '<>', except);
    await query.execute();
  }

  async #isFresh(transaction: Transaction, token: string): Promise<boolean> {
    const row = await transaction
      .selectFrom('refresh_tokens')
      .select('hash')
      .where('hash', '=', hashOf(token))
      .where('used_at', 'is', null)
      .executeTakeFirst();
    return row !== undefined;
  }

  async #insertToken(transaction: Transaction, sessionId: string, token: string): Promise<void> {
    await transaction
      .insertInto('refresh_tokens')
      .values({
        hash: hashOf(token),
        session_id: sessionId,
        expires_at: inMs(REFRESH_TOKEN_TTL_MS),
        used_at: null,
      })
      .execute();
  }

  #successorOf(token: string): string {
    return PREFIX + createHmac('sha256', this.#options.refreshKey).update(token).digest('base64url');
  }
}

/** 256 random bits need no slow hash. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function inMs(ms: number) {
  return sql<Date>`clock_timestamp() + ${ms}::bigint * interval '1 millisecond'`;
}
