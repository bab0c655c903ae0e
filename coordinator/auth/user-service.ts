import { AppError } from '../../lib/errors/app-error.ts';
import type { Transaction } from '../database/database.ts';
import type { Role } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { AuditLog, Origin } from './audit-log.ts';
import type { AuthState } from './auth-state.ts';
import { assertStrong } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import { NO_GENERATION, type Revocation } from './revocations.ts';
import type { Sessions } from './sessions.ts';
import type { User, UserPage, UserRepository } from './user-repository.ts';

export interface UserServiceOptions {
  readonly users: UserRepository;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly state: AuthState;
  readonly audit: AuditLog;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly createId: () => string;
}

export interface WantedUser {
  readonly email: string;
  readonly password: string;
  readonly name?: string | undefined;
  readonly role: Role;
}

export interface WantedChanges {
  readonly name?: string | undefined;
  readonly role?: Role | undefined;
  readonly disabled?: boolean | undefined;
  readonly password?: string | undefined;
  readonly quotaBytes?: number | null | undefined;
  readonly quotaVideos?: number | null | undefined;
}

/** What administrators do with the accounts of others. There is always one administrator who can log in. */
export class UserService {
  readonly #options: UserServiceOptions;

  constructor(options: UserServiceOptions) {
    this.#options = options;
  }

  /** Newest first; `next` is the cursor of the following page. */
  async list(page: UserPage): Promise<{ users: User[]; next: string | null }> {
    const found = await this.#options.users.list({ ...page, limit: page.limit + 1 });
    const users = found.slice(0, page.limit);
    return { users, next: found.length > page.limit ? users.at(-1)!.id : null };
  }

  /** Throws `user_not_found`. */
  async find(id: string): Promise<User> {
    return (await this.#options.users.find(id)) ?? throwNotFound(id);
  }

  /** Rejects with `email_taken`, or `invalid_request` for a weak password. */
  async create(wanted: WantedUser, origin: Origin): Promise<User> {
    const { users, passwords, audit, createId, inTransaction } = this.#options;
    const { email, password, role, name = email.split('@')[0]! } = wanted;
    assertStrong(password, email);
    const passwordHash = await passwords.hash(password);
    return await inTransaction(async (transaction) => {
      const user = await users.insert(transaction, { id: createId(), email, name, role, passwordHash });
      await audit.record(
        { kind: 'user_created', origin, subjectId: user.id, details: { role } },
        transaction,
      );
      return user;
    });
  }

  /** Rejects with `user_not_found`, `last_admin`, or `invalid_request` for a weak password. */
  async change(id: string, changes: WantedChanges, origin: Origin): Promise<User> {
    const { users, sessions, passwords, state, audit, inTransaction } = this.#options;
    const { password, ...rest } = changes;
    let passwordHash: string | undefined;
    if (password !== undefined) {
      assertStrong(password, (await this.find(id)).email);
      passwordHash = await passwords.hash(password);
    }
    const [user, revocation] = await inTransaction(
      async (transaction): Promise<[User, Revocation | null]> => {
        const { current, isLastAdmin } = await this.#lock(transaction, id);
        const { role = current.role, disabled = current.disabled } = rest;
        if (isLastAdmin && (role !== 'admin' || disabled)) throw lastAdmin();
        const isEnded = passwordHash !== undefined || (disabled && !current.disabled);
        const endTokens = isEnded || role !== current.role;
        const changed = await users.update(transaction, id, { ...rest, passwordHash }, { endTokens });
        if (changed === null) return throwNotFound(id);
        if (isEnded) await sessions.endAll(transaction, id);
        const details = { ...rest, ...(passwordHash !== undefined && { password: 'set' }) };
        await audit.record({ kind: 'user_changed', origin, subjectId: id, details }, transaction);
        if (!endTokens) return [changed, null];
        const voided = { kind: 'user' as const, subject: id, generation: changed.generation };
        await state.revoke(transaction, voided);
        return [changed, voided];
      },
    );
    if (revocation !== null) state.learn(revocation);
    return user;
  }

  /** The user's videos stay, and are the administrators' from then on. Rejects with `user_not_found`, `last_admin`. */
  async delete(id: string, origin: Origin): Promise<void> {
    const { users, state, audit, inTransaction } = this.#options;
    const revocation = { kind: 'user' as const, subject: id, generation: NO_GENERATION };
    await inTransaction(async (transaction) => {
      const { current, isLastAdmin } = await this.#lock(transaction, id);
      if (isLastAdmin) throw lastAdmin();
      await users.delete(transaction, id);
      await state.revoke(transaction, revocation);
      const details = { role: current.role };
      await audit.record({ kind: 'user_deleted', origin, subjectId: id, details }, transaction);
    });
    state.learn(revocation);
  }

  /** Two who take each other's rights at the same time take turns, so that one of them is told. */
  async #lock(transaction: Transaction, id: string) {
    const { users } = this.#options;
    const admins = await users.lockAdmins(transaction);
    const current = (await users.lock(transaction, id)) ?? throwNotFound(id);
    return { current, isLastAdmin: admins.length === 1 && admins[0] === id };
  }
}

function throwNotFound(id: string): never {
  throw new AppError<ErrorCode>('user_not_found', `There is no user ${id}.`);
}

function lastAdmin(): AppError {
  return new AppError<ErrorCode>(
    'last_admin',
    'This is the last administrator who can log in; make another one first.',
  );
}
