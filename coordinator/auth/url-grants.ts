import type { Clock } from '../../lib/clock/clock.ts';
import type { AppError } from '../../lib/errors/app-error.ts';
import { deriveKey, type SigningKey } from '../../lib/signing/signed-url.ts';
import {
  GRANT_PARAMETER,
  judgeGrant,
  keyIdOf,
  openGrant,
  signGrant,
  type UrlGrant,
} from '../../lib/signing/url-grants.ts';
import { invalidToken } from './gate.ts';
import { OPENED_GRANTS_MAX } from './limits.ts';
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

const PLAYBACK = '/api/v1/playback/';
/** Where the grant is in the path: so addresses that are relative to such a one carry it as well. */
const IN_PATH = /^\/api\/v1\/playback\/([^/?]+)(\/[^?]*)/;

/** A path as it may be logged. */
export function withoutGrant(path: string): string {
  const grant = IN_PATH.exec(path)?.[1];
  return grant === undefined ? path : path.replace(grant, '-');
}

/** Cheap; what it is worth `UrlGrants.admit` says. */
export function carriesGrant(target: string): boolean {
  return target.startsWith(PLAYBACK) || target.includes(GRANT_IN_QUERY);
}

const GRANT_IN_QUERY = `${GRANT_PARAMETER}=`;

/** Addresses that open something without an account, given out by those who may open it themselves. */
export class UrlGrants {
  readonly #options: UrlGrantsOptions;
  /** Deriving a key costs more than using it. */
  readonly #derived = new Map<string, SigningKey>();
  /** Good signatures. Everything else about a grant is asked each time: its key, expiry, path and issuer. */
  readonly #opened = new Map<string, UrlGrant>();

  constructor(options: UrlGrantsOptions) {
    this.#options = options;
  }

  /** How many signatures are remembered. */
  get remembered(): number {
    return this.#opened.size;
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
    const verdict = judgeGrant(this.#open(value), { scope, path, nowS });
    if (!verdict.ok) throw notValid(verdict.reason);
    const { issuer } = verdict.grant;
    if (issuer && this.#options.revocations.isRevoked({ ...issuer, sessionId: null })) {
      throw invalidToken('The signed address is not valid: whoever gave it may not any more.');
    }
    return GUEST;
  }

  /** A player shows the same grant for every segment. */
  #open(value: string): UrlGrant {
    const known = this.#opened.get(value);
    if (known !== undefined && this.#options.keys.has(keyIdOf(value))) return known;
    const verdict = openGrant((id) => this.#keyOf(id), value);
    if (!verdict.ok) throw notValid(verdict.reason);
    if (this.#opened.size >= OPENED_GRANTS_MAX) this.#opened.clear();
    this.#opened.set(value, verdict.grant);
    return verdict.grant;
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

function notValid(reason: string): AppError {
  return invalidToken(`The signed address is not valid: ${reason}.`);
}

/** The grant that a target carries, and the path that it has to open: of a path with a grant in it, that without it. */
function readTarget(target: string): { readonly path: string; readonly value: string } | undefined {
  const inPath = target.startsWith(PLAYBACK) ? IN_PATH.exec(target) : null;
  if (inPath !== null) return { path: `/api/v1/videos${inPath[2]}`, value: inPath[1]! };
  const [path, query] = target.split('?', 2) as [string, string?];
  const value = query === undefined ? null : new URLSearchParams(query).get(GRANT_PARAMETER);
  return value === null ? undefined : { path, value };
}
