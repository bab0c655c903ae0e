import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { OldestKeys } from '../../lib/oldest-keys/oldest-keys.ts';
import type { Soon } from '../../lib/soon/soon.ts';
import type { ErrorCode } from '../errors.ts';
import type { AccessTokens, VerifiedToken } from './access-tokens.ts';
import { isAdminToken } from './admin-token.ts';
import type { ApiKeyCache } from './api-key-cache.ts';
import { API_KEY_PREFIX } from './api-keys.ts';
import type { AuthState } from './auth-state.ts';
import { accessTokenOf, isSameOrigin } from './cookies.ts';
import { type Authenticator, bearerOf, type Credentials, invalidToken } from './gate.ts';
import { VERIFIED_TOKENS_MAX } from './limits.ts';
import { NOBODY, OPERATOR, type Principal, type UserPrincipal } from './principal.ts';
import { carriesGrant, type UrlGrants } from './url-grants.ts';

export interface AuthenticatorOptions {
  readonly state: Pick<AuthState, 'current' | 'adminTokenHash' | 'revocations'>;
  readonly tokens: AccessTokens;
  readonly apiKeys: ApiKeyCache;
  readonly grants: UrlGrants;
  readonly identifyNode: NonNullable<Authenticator['identifyNode']>;
  readonly identifyWorker: NonNullable<Authenticator['identifyWorker']>;
  readonly clock: Clock;
}

/**
 * Knows everything that may prove who makes a request. Each token is verified once and remembered until it expires;
 * whether it was revoked is looked up in memory every time. While it is not known what was revoked, nobody passes.
 */
export class RequestAuthenticator implements Authenticator {
  readonly identifyNode: NonNullable<Authenticator['identifyNode']>;
  readonly identifyWorker: NonNullable<Authenticator['identifyWorker']>;
  readonly #options: AuthenticatorOptions;
  /** In the order in which they came. */
  readonly #verified = new Map<string, VerifiedToken>();
  readonly #oldest = new OldestKeys(this.#verified);

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.identifyNode = options.identifyNode;
    this.identifyWorker = options.identifyWorker;
  }

  identify({ method, headers }: Credentials): Soon<Principal> {
    const bearer = bearerOf(headers.authorization);
    const token = bearer ?? accessTokenOf(headers.cookie);
    if (token === undefined) return NOBODY;
    // A page elsewhere can make a browser send cookies, but no Authorization header.
    if (bearer === undefined && method !== 'GET' && method !== 'HEAD') assertSameOrigin(headers);
    const outdated = this.#options.state.current();
    return outdated === undefined ? this.#judge(token) : outdated.then(() => this.#judge(token));
  }

  admitGuest(scope: string, target: string): Soon<Principal | undefined> {
    if (!carriesGrant(target)) return undefined;
    const { state, grants } = this.#options;
    const outdated = state.current();
    return outdated === undefined
      ? grants.admit(scope, target)
      : outdated.then(() => grants.admit(scope, target));
  }

  #judge(token: string): Soon<Principal> {
    const verified = this.#verified.get(token);
    if (verified !== undefined && verified.expiresAtMs > this.#options.clock.nowMs()) {
      return this.#unrevoked(verified.principal);
    }
    if (isAdminToken(token, this.#options.state.adminTokenHash)) return OPERATOR;
    return token.startsWith(API_KEY_PREFIX) ? this.#judgeKey(token) : this.#verify(token);
  }

  async #judgeKey(key: string): Promise<Principal> {
    const principal = await this.#options.apiKeys.find(key);
    if (principal === undefined) throw invalidToken();
    return this.#unrevoked(principal);
  }

  async #verify(token: string): Promise<Principal> {
    const verified = await this.#options.tokens.verify(token);
    this.#verified.delete(token);
    if (this.#verified.size >= VERIFIED_TOKENS_MAX) this.#verified.delete(this.#oldest.next()!);
    this.#verified.set(token, verified);
    return this.#unrevoked(verified.principal);
  }

  #unrevoked(principal: UserPrincipal): Principal {
    if (this.#options.state.revocations.isRevoked(principal)) throw invalidToken();
    return principal;
  }
}

export function assertSameOrigin(headers: Credentials['headers']): void {
  if (isSameOrigin(headers)) return;
  throw new AppError<ErrorCode>(
    'cross_site_request',
    'A request with a cookie that changes something has to come from a page of this site.',
  );
}
