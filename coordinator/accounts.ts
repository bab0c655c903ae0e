import { randomBytes } from 'node:crypto';
import type { Hono } from 'hono';
import { v7 as uuidv7 } from 'uuid';
import { type Clock, systemClock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey, type SigningKey, verifyTarget } from '../lib/signing/signed-url.ts';
import { deriveWorkerToken } from '../lib/worker-api/worker-token.ts';
import { AccessTokens } from './auth/access-tokens.ts';
import { createAccountRoutes } from './auth/account-routes.ts';
import { AccountService } from './auth/account-service.ts';
import { ensureAdminToken } from './auth/admin-token.ts';
import { ApiKeyCache } from './auth/api-key-cache.ts';
import { ApiKeys } from './auth/api-keys.ts';
import { AuditLog } from './auth/audit-log.ts';
import { AuthState } from './auth/auth-state.ts';
import { RequestAuthenticator } from './auth/authenticator.ts';
import { ensureFirstAdmin } from './auth/first-admin.ts';
import { Gate } from './auth/gate.ts';
import { createKeySetRoutes } from './auth/key-set-routes.ts';
import { createNodeCheck } from './auth/node-check.ts';
import { Passwords } from './auth/passwords.ts';
import type { Principal } from './auth/principal.ts';
import { RateLimits } from './auth/rate-limits.ts';
import type { AuthEnv } from './auth/request-origin.ts';
import type { UsageJson } from './auth/schema.ts';
import { Sessions } from './auth/sessions.ts';
import { KeyRing } from './auth/signing-keys.ts';
import { SqlAdminTokenStore } from './auth/sql-admin-token-store.ts';
import { Upkeep } from './auth/upkeep.ts';
import { UrlGrants } from './auth/url-grants.ts';
import { UserRepository } from './auth/user-repository.ts';
import { createUserRoutes } from './auth/user-routes.ts';
import { UserService } from './auth/user-service.ts';
import { createWorkerCheck } from './auth/worker-check.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle, Transaction } from './database/database.ts';
import { LIMITS } from './limits.ts';

export interface AccountsParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly logger: Logger;
  readonly clusterId: string;
  /** What storage nodes sign their requests with. */
  readonly nodeKey: SigningKey;
  readonly clock?: Clock;
  /** What a user has stored and may store. */
  readonly usageOf: (userId: string) => Promise<UsageJson>;
}

/** What the rest of the coordinator needs of accounts. */
export interface Accounts {
  readonly gate: Gate;
  readonly grants: UrlGrants;
  /** Below the API's prefix. */
  readonly routes: readonly Hono<AuthEnv>[];
  /** At the root. */
  readonly keySet: Hono;
  /** What was made at this start and is to be shown once. */
  readonly created: {
    readonly adminToken?: string | undefined;
    readonly admin?: { readonly email: string; readonly password: string } | undefined;
  };
  /** Whether what was proved when a request began does not hold any more. */
  isRevoked(principal: Principal): boolean;
  start(): void;
}

/** Puts the accounts together; what has to be closed goes on the stack. */
export async function openAccounts(stack: AsyncDisposableStack, parts: AccountsParts): Promise<Accounts> {
  const { config, database, logger, clusterId, nodeKey, clock = systemClock, usageOf } = parts;
  const { kysely } = database;
  const createId = () => uuidv7();
  const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
    kysely.transaction().execute(work);
  const secret = config.CLUSTER_SECRET;

  // 1. What every coordinator knows by heart.
  const store = new SqlAdminTokenStore(kysely, (transaction) =>
    database.notifications.publish('auth', 'keys', transaction),
  );
  const adminToken = await ensureAdminToken(store, randomBytes, config.ADMIN_TOKEN);
  const keys = new KeyRing({
    database: kysely,
    sealingKey: deriveKey(secret, 'auth-signing-keys'),
    randomBytes,
    clock,
    logger,
  });
  const state = stack.use(await AuthState.open({ database, keys, clock, logger }));
  await keys.rotate((transaction) => state.announce('keys', transaction));

  // 2. Accounts.
  const users = new UserRepository(kysely);
  const sessions = new Sessions({
    database: kysely,
    refreshKey: deriveKey(secret, 'auth-refresh-tokens'),
    createId,
    randomBytes,
  });
  const passwords = await Passwords.open(randomBytes);
  const audit = new AuditLog(kysely);
  const shared = { users, passwords, audit, inTransaction, createId, sessions, state };
  const admin = await ensureFirstAdmin({
    ...shared,
    randomBytes,
    email: config.ADMIN_EMAIL,
    password: config.ADMIN_PASSWORD,
  });
  const tokens = new AccessTokens({ keys, clusterId, createId, clock });
  const accounts = new AccountService({
    ...shared,
    tokens,
    limits: new RateLimits(kysely, clock),
    allowsRegistration: config.REGISTRATION === 'open',
    loginsMax: config.LOGIN_LIMIT,
    registrationsMax: config.REGISTRATION_LIMIT,
    refreshesMax: config.REFRESH_LIMIT,
  });
  const apiKeys = new ApiKeyCache({ database: kysely, clock, logger });
  state.onChange(() => apiKeys.forgetAll());

  // 3. Who passes, and the routes.
  const grants = new UrlGrants({ secret, keys, revocations: state.revocations, clock });
  const authenticator = new RequestAuthenticator({
    state,
    tokens,
    apiKeys,
    grants,
    identifyNode: createNodeCheck((method, target) =>
      verifyTarget([nodeKey], method, target, Math.floor(clock.nowMs() / 1000)),
    ),
    identifyWorker: createWorkerCheck(config.WORKER_TOKEN ?? deriveWorkerToken(secret)),
    clock,
  });
  const requests = { trustedProxies: config.TRUSTED_PROXIES, bodyTimeoutMs: LIMITS.jsonBodyTimeoutMs };
  const upkeep = new Upkeep({ database: kysely, state, apiKeys, clock, logger });
  return {
    gate: new Gate({ authenticator, anonymousRead: config.ANONYMOUS_READ }),
    grants,
    routes: [
      createAccountRoutes({ ...requests, accounts, authenticator, usageOf }),
      createUserRoutes({
        ...requests,
        users: new UserService(shared),
        apiKeys: new ApiKeys({ database: kysely, state, audit, createId, randomBytes }),
        audit,
        revokeSigningKeys: async (origin) => {
          const announce = async (transaction: Transaction) => {
            await state.announce('keys', transaction);
            await audit.record({ kind: 'signing_keys_revoked', origin }, transaction);
          };
          await keys.rotate(announce, { revoke: true });
        },
      }),
    ],
    isRevoked: (principal) => {
      if (principal.kind !== 'user') return false;
      if (principal.sessionId === null && !apiKeys.isCurrent(principal)) return true;
      return state.revocations.isRevoked(principal);
    },
    keySet: createKeySetRoutes(keys),
    created: { adminToken: adminToken.created, admin },
    start: () => {
      upkeep.start();
      stack.use(upkeep);
    },
  };
}
