import { AppError } from '../../lib/errors/app-error.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { AuditLog, Origin } from './audit-log.ts';
import type { AuthState } from './auth-state.ts';
import { networkOf } from './client-address.ts';
import { CHALLENGE, invalidToken } from './gate.ts';
import {
  ACCOUNT_FAILURES_MAX,
  ACCOUNT_FAILURES_WINDOW_MS,
  LOGIN_FAILURES_MAX,
  LOGIN_FAILURES_WINDOW_MS,
  LOGIN_WINDOW_MS,
  REFRESH_WINDOW_MS,
  REGISTRATION_WINDOW_MS,
} from './limits.ts';
import { assertStrong } from './password-rules.ts';
import type { Passwords } from './passwords.ts';
import type { UserPrincipal } from './principal.ts';
import type { RateLimit, RateLimits } from './rate-limits.ts';
import type { Revocation } from './revocations.ts';
import type { Sessions } from './sessions.ts';
import type { User, UserRepository } from './user-repository.ts';

export interface AccountServiceOptions {
  readonly users: UserRepository;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly tokens: AccessTokens;
  readonly state: AuthState;
  readonly limits: RateLimits;
  readonly audit: AuditLog;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  readonly createId: () => string;
  readonly allowsRegistration: boolean;
  /** From one address, in the windows of `limits.ts`. */
  readonly loginsMax: number;
  readonly registrationsMax: number;
  readonly refreshesMax: number;
}

/** What a login comes to. */
export interface Login {
  readonly user: User;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** What people do with their own accounts. */
export class AccountService {
  readonly #options: AccountServiceOptions;

  constructor(options: AccountServiceOptions) {
    this.#options = options;
  }

  /**
   * Makes an account of a viewer. Rejects with `registration_closed`, `email_taken`, `invalid_request` for a weak
   * password, `too_many_requests`.
   */
  async register(
    wanted: { email: string; password: string; name?: string | undefined },
    origin: Origin,
  ): Promise<User> {
    const { allowsRegistration, registrationsMax, users, passwords, audit, createId, inTransaction } =
      this.#options;
    if (!allowsRegistration) {
      throw new AppError<ErrorCode>('registration_closed', 'Accounts are made by administrators here.');
    }
    await this.#count('registration', origin, [
      {
        key: `registration:${networkOf(origin.address)}`,
        max: registrationsMax,
        windowMs: REGISTRATION_WINDOW_MS,
      },
    ]);
    const { email, password, name = email.split('@')[0]! } = wanted;
    assertStrong(password, email);
    const passwordHash = await passwords.hash(password);
    return await inTransaction(async (transaction) => {
      const user = await users.insert(transaction, {
        id: createId(),
        email,
        name,
        role: 'viewer',
        passwordHash,
      });
      await audit.record({ kind: 'registered', origin, subjectId: user.id }, transaction);
      return user;
    });
  }

  /**
   * Rejects with `login_failed` alike for an unknown account and a wrong password, after the same time; with
   * `account_disabled` only for who knows the password; with `too_many_requests`.
   */
  async login({ email, password }: { email: string; password: string }, origin: Origin): Promise<Login> {
    const { users, passwords, audit, limits, loginsMax } = this.#options;
    const network = networkOf(origin.address);
    const failures = [`login-failures:${network}:${email}`, `account-failures:${email}`] as const;
    // Counted before the password is looked at: many at once are no way around it.
    await this.#count('login', origin, [
      { key: `login:${network}`, max: loginsMax, windowMs: LOGIN_WINDOW_MS },
      { key: failures[0], max: LOGIN_FAILURES_MAX, windowMs: LOGIN_FAILURES_WINDOW_MS },
      { key: failures[1], max: ACCOUNT_FAILURES_MAX, windowMs: ACCOUNT_FAILURES_WINDOW_MS },
    ]);
    const found = await users.findByEmail(email);
    const isRight = await passwords.verify(password, found?.passwordHash ?? null);
    if (found === null || !isRight) {
      await audit.record({
        kind: 'login_failed',
        origin,
        subjectId: found?.user.id ?? null,
        details: { reason: found === null ? 'unknown account' : 'wrong password' },
      });
      throw loginFailed('The e-mail address or the password is wrong.');
    }
    const { user, passwordHash } = found;
    if (user.disabled) {
      await audit.record({
        kind: 'login_failed',
        origin,
        subjectId: user.id,
        details: { reason: 'disabled' },
      });
      throw accountDisabled();
    }
    if (passwords.isOutdated(passwordHash)) {
      await users.rehash(user.id, await passwords.hash(password), passwordHash);
    }
    await limits.forgive(failures);
    return await this.#open(user, origin);
  }

  /** Rejects with `unauthorized` when the token is not good, or was used before; then the session is over. */
  async refresh(token: string, origin: Origin): Promise<Login> {
    const { users, sessions, tokens, state, audit, inTransaction, refreshesMax } = this.#options;
    await this.#count('refresh', origin, [
      { key: `refresh:${networkOf(origin.address)}`, max: refreshesMax, windowMs: REFRESH_WINDOW_MS },
    ]);
    const outcome = await inTransaction(async (transaction) => {
      const done = await sessions.refresh(transaction, token);
      if (done.kind === 'reused') {
        await state.revoke(transaction, { kind: 'session', subject: done.sessionId });
        await audit.record({ kind: 'refresh_token_reused', origin, subjectId: done.userId }, transaction);
      }
      return done;
    });
    if (outcome.kind === 'reused') state.learn({ kind: 'session', subject: outcome.sessionId });
    if (outcome.kind !== 'refreshed') throw invalidToken('The refresh token is not valid, or not any more.');
    // Read now: whoever was disabled or became something else gets no token that says otherwise.
    const user = await users.find(outcome.userId);
    if (user === null) throw invalidToken('The refresh token is not valid, or not any more.');
    if (user.disabled) throw accountDisabled();
    const accessToken = await tokens.issue(asTokenUser(user), outcome.sessionId);
    return { user, accessToken, refreshToken: outcome.token };
  }

  /** Ends the session of the refresh token and that of the access token, if there are any; or all of their user. */
  async logout(
    by: { readonly refreshToken?: string | undefined; readonly principal?: UserPrincipal | undefined },
    everywhere: boolean,
    origin: Origin,
  ): Promise<void> {
    const { sessions } = this.#options;
    const found = by.refreshToken === undefined ? null : await sessions.find(by.refreshToken);
    const userId = by.principal?.userId ?? found?.userId;
    if (userId === undefined) return;
    if (everywhere) {
      await this.#end(userId, origin, async (transaction) => {
        await sessions.endAll(transaction, userId);
        return await this.#nextGeneration(transaction, userId);
      });
      return;
    }
    const ended = [by.principal?.sessionId, found?.sessionId].filter((id) => typeof id === 'string');
    await this.#end(userId, origin, async (transaction) => {
      for (const sessionId of ended) await sessions.end(transaction, sessionId);
      return ended.map((subject) => ({ kind: 'session' as const, subject }));
    });
  }

  /** Throws `unauthorized` when the user is gone. */
  async find(userId: string): Promise<User> {
    const user = await this.#options.users.find(userId);
    if (user === null) throw invalidToken();
    return user;
  }

  /** Ends every other session. Rejects with `login_failed` when the current password is wrong. */
  async changePassword(
    principal: UserPrincipal,
    wanted: { currentPassword: string; newPassword: string },
    origin: Origin,
  ): Promise<void> {
    const { users, passwords, sessions, audit, state, inTransaction } = this.#options;
    const failures = `password-failures:${principal.userId}`;
    await this.#count('password', origin, [
      { key: failures, max: LOGIN_FAILURES_MAX, windowMs: LOGIN_FAILURES_WINDOW_MS },
    ]);
    const found = await users.findWithHash(principal.userId);
    if (!(await passwords.verify(wanted.currentPassword, found?.passwordHash ?? null)) || found === null) {
      throw loginFailed('The current password is wrong.');
    }
    assertStrong(wanted.newPassword, found.user.email, 'newPassword');
    const passwordHash = await passwords.hash(wanted.newPassword);
    const revocations = await inTransaction(async (transaction) => {
      const user = await users.update(transaction, principal.userId, { passwordHash }, { endTokens: true });
      if (user === null) throw invalidToken();
      await sessions.endAll(transaction, user.id, principal.sessionId);
      const revocation = { kind: 'user' as const, subject: user.id, generation: user.generation };
      await state.revoke(transaction, revocation);
      await audit.record({ kind: 'password_changed', origin, subjectId: user.id }, transaction);
      return [revocation];
    });
    for (const revocation of revocations) state.learn(revocation);
    await this.#options.limits.forgive([failures]);
  }

  async #open(user: User, origin: Origin): Promise<Login> {
    const { users, sessions, tokens, audit, inTransaction } = this.#options;
    const { sessionId, token } = await inTransaction(async (transaction) => {
      // Whoever is disabled or deleted at this moment waits for that, or is met by it.
      const current = await users.lock(transaction, user.id);
      if (current === null || current.generation !== user.generation) throw accountDisabled();
      const session = await sessions.open(transaction, user.id);
      await users.noteLogin(transaction, user.id);
      await audit.record({ kind: 'login_succeeded', origin, subjectId: user.id }, transaction);
      return session;
    });
    return { user, accessToken: await tokens.issue(asTokenUser(user), sessionId), refreshToken: token };
  }

  async #end(
    userId: string,
    origin: Origin,
    work: (transaction: Transaction) => Promise<readonly Revocation[]>,
  ): Promise<void> {
    const { state, audit, inTransaction } = this.#options;
    const revocations = await inTransaction(async (transaction) => {
      const ended = await work(transaction);
      for (const revocation of ended) await state.revoke(transaction, revocation);
      if (ended.length > 0)
        await audit.record({ kind: 'logged_out', origin, subjectId: userId }, transaction);
      return ended;
    });
    for (const revocation of revocations) state.learn(revocation);
  }

  async #nextGeneration(transaction: Transaction, userId: string): Promise<Revocation[]> {
    const user = await this.#options.users.update(transaction, userId, {}, { endTokens: true });
    return user === null ? [] : [{ kind: 'user', subject: userId, generation: user.generation }];
  }

  async #count(what: string, origin: Origin, limits: readonly RateLimit[]): Promise<void> {
    try {
      await this.#options.limits.count(limits);
    } catch (error) {
      if (error instanceof AppError && error.code === 'too_many_requests') this.#noteLimited(what, origin);
      throw error;
    }
  }

  /** Once a minute for an address: the log is no way to fill the disk. */
  #noteLimited(what: string, origin: Origin): void {
    const { limits, audit } = this.#options;
    limits
      .count([{ key: `noted:${what}:${networkOf(origin.address)}`, max: 1, windowMs: 60_000 }])
      .then(() => audit.record({ kind: 'rate_limited', origin, details: { what } }))
      .catch(() => {});
  }
}

function asTokenUser({ id, role, generation }: User) {
  return { userId: id, role, generation };
}

function accountDisabled(): AppError {
  return new AppError<ErrorCode>('account_disabled', 'This account is disabled.');
}

/** Whatever is 401 says how to do better (RFC 9110 section 15.5.2). */
function loginFailed(message: string): AppError {
  return new AppError<ErrorCode>('login_failed', message, {
    details: { headers: { 'www-authenticate': CHALLENGE } },
  });
}
