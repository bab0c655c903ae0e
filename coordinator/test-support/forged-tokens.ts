import { createHmac, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { systemClock } from '../../lib/clock/clock.ts';
import { deriveKey } from '../../lib/signing/signed-url.ts';
import { AUDIENCE } from '../auth/access-tokens.ts';
import { KeyRing } from '../auth/signing-keys.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { CLUSTER_SECRET } from './coordinators.ts';

export interface TokenFields {
  readonly userId: string;
  readonly sessionId?: string;
  readonly role?: string;
  readonly generation?: number;
  readonly issuer?: string;
  readonly audience?: string;
  readonly type?: string;
  /** Relative to now. */
  readonly issuedInS?: number;
  readonly expiresInS?: number;
  readonly keyId?: string;
}

/** Makes tokens with the very key of the coordinators on a database, and some that only look like it. */
export class TokenForge {
  readonly #keys: KeyRing;
  readonly #clusterId: string;

  private constructor(keys: KeyRing, clusterId: string) {
    this.#keys = keys;
    this.#clusterId = clusterId;
  }

  static async open(database: DatabaseHandle, clusterId: string): Promise<TokenForge> {
    const keys = new KeyRing({
      database: database.kysely,
      sealingKey: deriveKey(CLUSTER_SECRET, 'auth-signing-keys'),
      randomBytes: (count) => new Uint8Array(count),
      clock: systemClock,
      logger: silentLogger,
    });
    await keys.load();
    return new TokenForge(keys, clusterId);
  }

  /** A token that is good, but for the fields that are given. */
  make(fields: TokenFields): Promise<string> {
    const { id, privateKey } = this.#keys.signer();
    const { userId, sessionId = randomUUID(), role = 'admin', generation = 1 } = fields;
    const nowS = Math.floor(Date.now() / 1000);
    return new SignJWT({ role, sid: sessionId, gen: generation })
      .setProtectedHeader({ alg: 'RS256', typ: fields.type ?? 'at+jwt', kid: fields.keyId ?? id })
      .setIssuer(fields.issuer ?? `urn:orbitvids:cluster:${this.#clusterId}`)
      .setAudience(fields.audience ?? AUDIENCE)
      .setSubject(userId)
      .setJti(randomUUID())
      .setIssuedAt(nowS + (fields.issuedInS ?? 0))
      .setExpirationTime(nowS + (fields.expiresInS ?? 900))
      .sign(privateKey);
  }

  /** Tokens of an administrator that must open nothing, by what is wrong with them. */
  async badTokens(userId: string): Promise<Record<string, string>> {
    const good = await this.make({ userId });
    const [header, payload, signature] = good.split('.') as [string, string, string];
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const decoded = JSON.parse(Buffer.from(header, 'base64url').toString());
    const { id } = this.#keys.signer();
    const pem = this.#keys.publicKey(id)!.export({ type: 'spki', format: 'pem' }) as string;
    const hs256 = (key: string) => {
      const signed = `${encode({ ...decoded, alg: 'HS256' })}.${payload}`;
      return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
    };
    const other = encode({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), jti: 'x' });
    return {
      expired: await this.make({ userId, issuedInS: -1000, expiresInS: -100 }),
      'from the future': await this.make({ userId, issuedInS: 300, expiresInS: 1200 }),
      'good for too long': await this.make({ userId, issuedInS: -2000, expiresInS: 9000 }),
      'payload tampered': `${header}.${other}.${signature}`,
      'signature tampered': `${header}.${payload}.${signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`,
      'no signature': `${header}.${payload}.`,
      'alg none': `${encode({ ...decoded, alg: 'none' })}.${payload}.`,
      'alg none, signed': `${encode({ ...decoded, alg: 'none' })}.${payload}.${signature}`,
      'HS256 with the public key': hs256(pem),
      'HS256 with the public key, trimmed': hs256(pem.trim()),
      'HS256 with the key set': hs256(JSON.stringify(this.#keys.published()[0])),
      'wrong audience': await this.make({ userId, audience: 'others' }),
      'wrong issuer': await this.make({ userId, issuer: 'urn:orbitvids:cluster:another' }),
      'wrong type': await this.make({ userId, type: 'JWT' }),
      'unknown key': await this.make({ userId, keyId: 'nobody-has-it' }),
      'key in the header': `${encode({ ...decoded, kid: undefined, jwk: this.#keys.published()[0] })}.${payload}.${signature}`,
      'no role': await this.make({ userId, role: 'owner' }),
      garbage: 'a.b.c',
      'unknown API key': 'ovk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'wrong admin token': 'orbitvids_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
    };
  }
}
