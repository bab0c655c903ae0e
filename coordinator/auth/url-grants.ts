import type { Clock } from '../../lib/clock/clock.ts';
import { deriveKey, type SigningKey } from '../../lib/signing/signed-url.ts';
import { GRANT_PARAMETER, signGrant, verifyGrant } from '../../lib/signing/url-grants.ts';
import { invalidToken } from './gate.ts';
import { GUEST, type Principal } from './principal.ts';
import type { Revocations } from './revocations.ts';
import type { KeyRing } from './signing-keys.ts';

export interface UrlGrantsOptions {
  readonly secret: string;
  /** Each of them has a key for URLs beside it, so these are rotated and revoked with it. */
  readonly keys: Pick<KeyRing, 'signer' | 'has'>;
  readonly revocations: Pick<Revocations, 'isRevoked'>;
  readonly clock: Clock;
}

/** Where the grant is in the path: so addresses that are relative to such a one carry it as well. */
const IN_PATH = /^\/api\/v1\/playback\/([^/?]+)(\/[^?]*)/;

/** A path as it may be logged. */
export function withoutGrant(path: string): string {
  const grant = IN_PATH.exec(path)?.[1];
  return grant === undefined ? path : path.replace(grant, '-');
}

/** Cheap; what it is worth `UrlGrants.admit` says. */
export function carriesGrant(target: string): boolean {
  return target.includes(`${GRANT_PARAMETER}=`) || IN_PATH.test(target);
}

/** Addresses that open something without an account, given out by those who may open it themselves. */
export class UrlGrants {
  readonly #options: UrlGrantsOptions;
  /** Deriving a key costs more than using it. */
  readonly #derived = new Map<string, SigningKey>();

  constructor(options: UrlGrantsOptions) {
    this.#options = options;
  }

  /** A grant by itself; the path (without a query) as an address that carries it; and until when it is good. */
  issue(wanted: {
    readonly scope: string;
    readonly path: string;
    readonly prefix: string;
    readonly lifetimeS: number;
    readonly issuer: Principal;
  }): { readonly grant: string; readonly url: string; readonly expiresAt: Date } {
    const { keys, clock } = this.#options;
    const { scope, path, prefix, lifetimeS, issuer } = wanted;
    const { id } = keys.signer();
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + lifetimeS;
    const grant = signGrant(this.#keyOf(id)!, id, {
      scope,
      prefix,
      expiresAtS,
      issuer: issuer.kind === 'user' ? issuer : undefined,
    });
    return { grant, url: `${path}?${GRANT_PARAMETER}=${grant}`, expiresAt: new Date(expiresAtS * 1000) };
  }

  /** Undefined when the target carries no grant. Throws `unauthorized` for one that does not open it. */
  admit(scope: string, target: string): Principal | undefined {
    const asked = readTarget(target);
    if (asked === undefined) return undefined;
    const { path, value } = asked;
    const nowS = this.#options.clock.nowMs() / 1000;
    const verdict = verifyGrant((id) => this.#keyOf(id), value, { scope, path, nowS });
    if (!verdict.ok) throw invalidToken(`The signed address is not valid: ${verdict.reason}.`);
    const { issuer } = verdict.grant;
    if (issuer && this.#options.revocations.isRevoked({ ...issuer, sessionId: null })) {
      throw invalidToken('The signed address is not valid: whoever gave it may not any more.');
    }
    return GUEST;
  }

  #keyOf(id: string): SigningKey | undefined {
    const { keys, secret } = this.#options;
    if (!keys.has(id)) return undefined;
    let key = this.#derived.get(id);
    if (key === undefined) {
      key = deriveKey(secret, `url-grants:${id}`);
      this.#derived.set(id, key);
    }
    return key;
  }
}

/** The grant that a target carries, and the path that it has to open: of a path with a grant in it, that without it. */
function readTarget(target: string): { readonly path: string; readonly value: string } | undefined {
  const inPath = IN_PATH.exec(target);
  if (inPath !== null) return { path: `/api/v1/videos${inPath[2]}`, value: inPath[1]! };
  const [path, query] = target.split('?', 2) as [string, string?];
  const value = query === undefined ? null : new URLSearchParams(query).get(GRANT_PARAMETER);
  return value === null ? undefined : { path, value };
}
