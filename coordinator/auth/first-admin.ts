import type { Transaction } from '../database/database.ts';
import type { AuditLog } from './audit-log.ts';
import { assertStrong } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import { NOBODY } from './principal.ts';
import type { UserRepository } from './user-repository.ts';

const EMAIL_DEFAULT = 'admin@localhost';
const PASSWORD_BYTES = 18;

export interface FirstAdminOptions {
  readonly users: UserRepository;
  readonly passwords: Passwords;
  readonly audit: AuditLog;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly createId: () => string;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Already checked by their schemas; a password is made when none is given. */
  readonly email?: string | undefined;
  readonly password?: string | undefined;
}

/**
 * Makes an administrator's account when there is none. Coordinators that start at the same time agree on one. Resolves
 * with the account if it was made just now with a password of ours, which is to be shown once. An account with that
 * address that is no administrator's is left alone.
 */
export async function ensureFirstAdmin(
  options: FirstAdminOptions,
): Promise<{ readonly email: string; readonly password: string } | undefined> {
  const { users, passwords, audit, inTransaction, createId, randomBytes } = options;
  const email = options.email ?? EMAIL_DEFAULT;
  if ((await users.list({ limit: 1, role: 'admin' })).length > 0) return undefined;
  const made = Buffer.from(randomBytes(PASSWORD_BYTES)).toString('base64url');
  const password = options.password ?? made;
  assertStrong(password, email);
  const passwordHash = await passwords.hash(password);
  const isMade = await inTransaction(async (transaction) => {
    // The one row that always exists is what coordinators take turns by.
    await transaction.selectFrom('cluster').select('id').forUpdate().execute();
    const admin = await transaction
      .selectFrom('users')
      .select('id')
      .where((eb) => eb.or([eb('role', '=', 'admin'), eb('email', '=', email)]))
      .executeTakeFirst();
    if (admin !== undefined) return false;
    const id = createId();
    await users.insert(transaction, { id, email, name: 'Administrator', role: 'admin', passwordHash });
    const origin = { principal: NOBODY, address: null, requestId: null };
    await audit.record({ kind: 'first_admin_created', origin, subjectId: id }, transaction);
    return true;
  });
  return isMade && options.password === undefined ? { email, password } : undefined;
}
