import type { SignatureVerdict } from '../../lib/signing/signed-url.ts';
import { isAdminToken } from './admin-token.ts';
import { type Authenticator, bearerOf, type Credentials, invalidToken } from './gate.ts';
import { NOBODY, OPERATOR, type Principal } from './principal.ts';

export interface AuthenticatorOptions {
  /** SHA-256 of the admin token. */
  readonly adminTokenHash: () => Uint8Array;
  /** Checks a request that a storage node signed with the cluster's secret. */
  readonly verifyNode: (method: string, target: string) => SignatureVerdict;
}

/** Knows everything that may prove who makes a request. */
export class RequestAuthenticator implements Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  identify({ headers }: Credentials): Principal {
    const token = bearerOf(headers.authorization);
    if (token === undefined) return NOBODY;
    if (isAdminToken(token, this.#options.adminTokenHash())) return OPERATOR;
    throw invalidToken();
  }

  identifyNode(method: string, target: string): boolean | undefined {
    const verdict = this.#options.verifyNode(method, target);
    if (verdict.ok) return true;
    if (verdict.reason === 'missing') return undefined;
    const why =
      verdict.reason === 'expired'
        ? 'it has expired, so the clocks of node and coordinator differ'
        : 'it does not fit, so the node has another CLUSTER_SECRET';
    throw invalidToken(`The request's signature is not valid: ${why}.`);
  }
}
