import { type SignatureVerdict, type SigningKey, signTarget, verifyTarget } from './signed-url.ts';

/**
 * Signatures for requests that come again and again. An HMAC is cheap beside a chunk, but beside a short range of one
 * it shows on both sides: making the object for it costs more than hashing a hundred bytes.
 */

/** Expiries are rounded to this, so that the same request gets the same signature for a while. */
const STEP_S = 60;
/** Remembered at a time, about 300 bytes each; with more, all are forgotten, which costs an HMAC each. */
const REMEMBERED_MAX = 4096;

/** Signs targets; one that was signed a moment ago is not signed again. */
export class HotTargetSigner {
  readonly #key: SigningKey;
  readonly #lifetimeS: number;
  readonly #signed = new Map<string, string>();
  #expiresAtS = 0;

  /** A signature is good for `lifetimeS`, or up to a minute less. */
  constructor(key: SigningKey, lifetimeS: number) {
    this.#key = key;
    this.#lifetimeS = lifetimeS;
  }

  sign(method: string, target: string, nowS: number): string {
    const expiresAtS = Math.floor((nowS + this.#lifetimeS) / STEP_S) * STEP_S;
    if (expiresAtS !== this.#expiresAtS || this.#signed.size >= REMEMBERED_MAX) {
      this.#signed.clear();
      this.#expiresAtS = expiresAtS;
    }
    const name = `${method} ${target}`;
    let signed = this.#signed.get(name);
    if (signed === undefined) {
      signed = signTarget(this.#key, { method, target, expiresAtS });
      this.#signed.set(name, signed);
    }
    return signed;
  }
}

/**
 * Verifies targets as `verifyTarget` does; one that was found good is good again until it expires. Nothing is learned
 * from how long a look into the memory takes: it finds only who sends a whole good signature.
 */
export class HotTargetVerifier {
  readonly #keys: readonly SigningKey[];
  readonly #good = new Map<string, SignatureVerdict & { readonly ok: true }>();

  constructor(keys: readonly SigningKey[]) {
    this.#keys = keys;
  }

  verify(method: string, signedTarget: string, nowS: number): SignatureVerdict {
    const name = `${method} ${signedTarget}`;
    const known = this.#good.get(name);
    if (known && known.expiresAtS >= nowS) return known;
    const verdict = verifyTarget(this.#keys, method, signedTarget, nowS);
    if (verdict.ok) {
      if (this.#good.size >= REMEMBERED_MAX) this.#good.clear();
      this.#good.set(name, verdict);
    }
    return verdict;
  }
}
