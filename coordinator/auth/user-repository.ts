import { type Selectable, sql } from 'kysely';
import { AppError } from '../../lib/errors/app-error.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { Role, UsersTable } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';

export interface User {
  /** UUIDv7, lower-case. */
  readonly id: string;
  /** As `emailSchema` makes it. */
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly disabled: boolean;
  /** Grows with everything that ends the user's access tokens. */
  readonly generation: number;
  /** Null: what the configuration says. 0: no limit. */
  readonly quotaBytes: number | null;
  readonly quotaVideos: number | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly lastLoginAt: Date | null;
}

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly role: Role;
  readonly passwordHash: string;
}

export interface UserChanges {
  readonly name?: string | undefined;
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
  readonly passwordHash?: string | undefined;
  readonly quotaBytes?: number | null | undefined;
  readonly quotaVideos?: number | null | undefined;
}

export interface UserPage {
  readonly limit: number;
  /** The id of the user that the page begins behind. */
  readonly after?: string | undefined;
  /** Part of the address or name, in any case of letters. */
  readonly text?: string | undefined;
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
}

const UNIQUE_VIOLATION = '23505';

/** Users in the table `users`. What takes a transaction counts when that commits. */
export class UserRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Rejects with `email_taken`; the transaction is of no more use then. */
  async insert(transaction: Transaction, user: NewUser): Promise<User> {
    const { id, email, name, role, passwordHash } = user;
    try {
      const row = await transaction
        .insertInto('users')
        .values({ id, email, name, role, password_hash: passwordHash, last_login_at: null })
        .returningAll()
        .executeTakeFirstOrThrow();
      return toUser(row);
    } catch (error) {
      if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
      throw new AppError<ErrorCode>('email_taken', 'There is an account with this e-mail address.', {
        cause: error,
      });
    }
  }

  async find(id: string): Promise<User | null> {
    const row = await this.#database.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
    return row ? toUser(row) : null;
  }

  /** With the hash of the password, for logins. */
  async findByEmail(email: string): Promise<{ readonly user: User; readonly passwordHash: string } | null> {
    return this.#withHash('email', email);
  }

  async findWithHash(id: string): Promise<{ readonly user: User; readonly passwordHash: string } | null> {
    return this.#withHash('id', id);
  }

  /** Newest first. */
  async list({ limit, after, text, role, disabled }: UserPage): Promise<User[]> {
    let query = this.#database.selectFrom('users').selectAll();
    if (role !== undefined) query = query.where('role', '=', role);
    if (disabled !== undefined) query = query.where('disabled', '=', disabled);
    if (text !== undefined) {
      const pattern = `%${text.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`;
      query = query.where((eb) =>
        eb.or([eb('email', 'like', pattern), eb(sql<string>`lower(name)`, 'like', pattern)]),
      );
    }
    if (after !== undefined) {
      query = query.where(
        sql<boolean>`(created_at, id) < (select created_at, id from users where id = ${after}::uuid)`,
      );
    }
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toUser);
  }

  /** The user as it is, and stays until the transaction ends. */
  async lock(transaction: Transaction, id: string): Promise<User | null> {
    const row = await transaction
      .selectFrom('users')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    return row ? toUser(row) : null;
  }

  /** The ids of all administrators that may log in; they stay that until the transaction ends. */
  async lockAdmins(transaction: Transaction): Promise<string[]> {
    const rows = await transaction
      .selectFrom('users')
      .select('id')
      .where('role', '=', 'admin')
      .where('disabled', '=', false)
      .orderBy('id')
      .forUpdate()
      .execute();
    return rows.map(({ id }) => id);
  }

  /** With `endTokens` the generation grows. Null when there is no such user. */
  async update(
    transaction: Transaction,
    id: string,
    { name, role, disabled, passwordHash, quotaBytes, quotaVideos }: UserChanges,
    options: { readonly endTokens: boolean },
  ): Promise<User | null> {
    const row = await transaction
      .updateTable('users')
      .set((eb) => ({
        ...(name !== undefined && { name }),
        ...(role !== undefined && { role }),
        ...(disabled !== undefined && { disabled }),
        ...(passwordHash !== undefined && { password_hash: passwordHash }),
        ...(quotaBytes !== undefined && { quota_bytes: quotaBytes }),
        ...(quotaVideos !== undefined && { quota_videos: quotaVideos }),
        ...(options.endTokens && { generation: eb('generation', '+', 1) }),
        updated_at: sql<Date>`now()`,
      }))
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirst();
    return row ? toUser(row) : null;
  }

  /** Removes the user with all sessions and API keys; false when there is none. */
  async delete(transaction: Transaction, id: string): Promise<boolean> {
    const row = await transaction.deleteFrom('users').where('id', '=', id).returning('id').executeTakeFirst();
    return row !== undefined;
  }

  async noteLogin(transaction: Transaction, id: string): Promise<void> {
    await transaction
      .updateTable('users')
      .set({ last_login_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
  }

  /** Replaces a hash that was made with older parameters. */
  async rehash(id: string, passwordHash: string, before: string): Promise<void> {
    await this.#database
      .updateTable('users')
      .set({ password_hash: passwordHash })
      .where('id', '=', id)
      .where('password_hash', '=', before)
      .execute();
  }

  async #withHash(column: 'id' | 'email', value: string) {
    const row = await this.#database
      .selectFrom('users')
      .selectAll()
      .where(column, '=', value)
      .executeTakeFirst();
    return row ? { user: toUser(row), passwordHash: row.password_hash } : null;
  }
}

function toUser(row: Selectable<UsersTable>): User {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    role: row.role,
    disabled: row.disabled,
    generation: row.generation,
    quotaBytes: row.quota_bytes,
    quotaVideos: row.quota_videos,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    lastLoginAt: row.last_login_at,
  };
}
