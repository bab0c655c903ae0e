import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Clock } from '../../lib/clock/clock.ts';
import { invalidToken } from './gate.ts';
import { ACCESS_TOKEN_TTL_S, CLOCK_TOLERANCE_S } from './limits.ts';
import type { UserPrincipal } from './principal.ts';
import { roleSchema } from './schema.ts';
import type { KeyRing } from './signing-keys.ts';

export const AUDIENCE = 'orbitvids';
const ALGORITHM = 'RS256';
/** Of access tokens (RFC 9068), so that nothing else that these keys might sign passes for one. */
const TYPE = 'at+jwt';

const claimsSchema = z.object({
  sub: z.uuid(),
  exp: z.int(),
  jti: z.string(),
  role: roleSchema,
  sid: z.uuid(),
  gen: z.int(),
});

/** Whom a token speaks of. */
export interface VerifiedToken {
  readonly principal: UserPrincipal;
  /** Wall clock; from then on it is void, whatever the tolerance. */
  readonly expiresAtMs: number;
}

export interface AccessTokensOptions {
  readonly keys: Pick<KeyRing, 'signer' | 'publicKey'>;
  /** Of the cluster, so that its tokens are good in no other one. */
  readonly clusterId: string;
  readonly createId: () => string;
  readonly clock: Clock;
}

/**
 * JSON web tokens signed with RS256 (RFC 7519). Any service can verify them by the published keys: `iss`, `aud`, `exp`,
 * `typ` and the algorithm have to be as here. Claims besides: `role`, `sid` (the login), `gen` (of the user).
 */
export class AccessTokens {
  readonly issuer: string;
  readonly #options: AccessTokensOptions;

  constructor(options: AccessTokensOptions) {
    this.#options = options;
    this.issuer = `urn:orbitvids:cluster:${options.clusterId}`;
  }

  issue(user: Pick<UserPrincipal, 'userId' | 'role' | 'generation'>, sessionId: string): Promise<string> {
    const { keys, createId, clock } = this.#options;
    const { id, privateKey } = keys.signer();
    const nowS = Math.floor(clock.nowMs() / 1000);
    return new SignJWT({ role: user.role, sid: sessionId, gen: user.generation })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: id })
      .setIssuer(this.issuer)
      .setAudience(AUDIENCE)
      .setSubject(user.userId)
      .setJti(createId())
      .setIssuedAt(nowS)
      .setExpirationTime(nowS + ACCESS_TOKEN_TTL_S)
      .sign(privateKey);
  }

  /** Rejects with `unauthorized`, which does not say why. Whether it was revoked is not looked at here. */
  async verify(token: string): Promise<VerifiedToken> {
    const { keys, clock } = this.#options;
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid }) => {
          const key = kid === undefined ? undefined : keys.publicKey(kid);
          if (key === undefined) throw new errors.JWKSNoMatchingKey();
          return key;
        },
        {
          algorithms: [ALGORITHM],
          typ: TYPE,
          issuer: this.issuer,
          audience: AUDIENCE,
          clockTolerance: CLOCK_TOLERANCE_S,
          // With it a token from the future is refused as well.
          maxTokenAge: ACCESS_TOKEN_TTL_S,
          currentDate: new Date(clock.nowMs()),
        },
      );
      const { sub, sid, role, gen, exp } = claimsSchema.parse(payload);
      return {
        principal: { kind: 'user', userId: sub, role, sessionId: sid, scopes: null, generation: gen },
        expiresAtMs: (exp + CLOCK_TOLERANCE_S) * 1000,
      };
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof z.ZodError) throw invalidToken();
      throw error;
    }
  }
}
