import { createHash } from 'node:crypto';
import { type Selectable, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ApiKeysTable } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { AuditLog, Origin } from './audit-log.ts';
import type { AuthState } from './auth-state.ts';
import { API_KEYS_PER_USER_MAX } from './limits.ts';
import type { Scope } from './principal.ts';

export const API_KEY_PREFIX = 'ovk_';
const KEY_BYTES = 32;

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
}

export interface ApiKeysOptions {
  readonly database: Database;
  readonly state: AuthState;
  readonly audit: AuditLog;
  readonly createId: () => string;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Keys for scripts: a user's rights, cut down to some scopes, until they expire. Only their hashes are stored. */
export class ApiKeys {
  readonly #options: ApiKeysOptions;

  constructor(options: ApiKeysOptions) {
    this.#options = options;
  }

  /** The second value is the key itself, which nobody can learn later. Rejects with `conflict` when there are too many. */
  async create(
    userId: string,
    wanted: { name: string; scopes: readonly Scope[]; expiresInDays: number },
    origin: Origin,
  ): Promise<[ApiKey, string]> {
    const { database, audit, createId, randomBytes } = this.#options;
    const key = API_KEY_PREFIX + Buffer.from(randomBytes(KEY_BYTES)).toString('base64url');
    const created = await database.transaction().execute(async (transaction) => {
      const { count } = await transaction
        .selectFrom('api_keys')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .where('user_id', '=', userId)
        .executeTakeFirstOrThrow();
      if (count >= API_KEYS_PER_USER_MAX) {
        throw new AppError<ErrorCode>('conflict', `A user has at most ${API_KEYS_PER_USER_MAX} API keys.`);
      }
      const row = await transaction
        .insertInto('api_keys')
        .values({
          id: createId(),
          user_id: userId,
          name: wanted.name,
          hash: hashOfKey(key),
          scopes: [...wanted.scopes],
          expires_at: sql<Date>`now() + ${wanted.expiresInDays}::integer * interval '1 day'`,
          last_used_at: null,
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      const details = { keyId: row.id, name: row.name, scopes: row.scopes };
      await audit.record({ kind: 'api_key_created', origin, subjectId: userId, details }, transaction);
      return row;
    });
    return [toApiKey(created), key];
  }

  /** Newest first. */
  async list(userId: string): Promise<ApiKey[]> {
    const rows = await this.#options.database
      .selectFrom('api_keys')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_at', 'desc')
      .execute();
    return rows.map(toApiKey);
  }

  /** Good for nothing from then on, anywhere. Rejects with `api_key_not_found`, also for another user's key. */
  async delete(userId: string, id: string, origin: Origin): Promise<void> {
    const { database, state, audit } = this.#options;
    await database.transaction().execute(async (transaction: Transaction) => {
      const row = await transaction
        .deleteFrom('api_keys')
        .where('id', '=', id)
        .where('user_id', '=', userId)
        .returning(['id', 'name'])
        .executeTakeFirst();
      if (row === undefined) throw new AppError<ErrorCode>('api_key_not_found', `There is no API key ${id}.`);
      await state.announce('api-keys', transaction);
      const details = { keyId: row.id, name: row.name };
      await audit.record({ kind: 'api_key_deleted', origin, subjectId: userId, details }, transaction);
    });
    state.forgetDerived();
  }
}

/** 256 random bits need no slow hash. */
export function hashOfKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

function toApiKey(row: Selectable<ApiKeysTable>): ApiKey {
  return {
    id: row.id,
    name: row.name,
    scopes: row.scopes,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  };
}
