import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { type Selectable, sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { seal, unseal } from '../../lib/signing/seal.ts';
import type { SigningKey } from '../../lib/signing/signed-url.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { SigningKeysTable } from '../database/schema.ts';
import {
  RSA_BITS,
  SIGNING_KEY_LEAD_MS,
  SIGNING_KEY_LIFETIME_MS,
  SIGNING_KEY_RETENTION_MS,
} from './limits.ts';

/** A key as it is published (RFC 7517). */
export interface PublishedKey {
  readonly kid: string;
  readonly kty: 'RSA';
  readonly use: 'sig';
  readonly alg: 'RS256';
  readonly n: string;
  readonly e: string;
}

interface KnownKey {
  readonly id: string;
  readonly publicKey: KeyObject;
  /** Null when it was sealed with another secret: what it signed stays good, but it signs no more. */
  readonly privateKey: KeyObject | null;
  readonly createdAtMs: number;
  readonly activeAtMs: number;
  readonly expiresAtMs: number | null;
}

export interface KeyRingOptions {
  readonly database: Database;
  /** Encrypts private keys in the database. */
  readonly sealingKey: SigningKey;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The RSA keys that access tokens are signed with, shared by all coordinators through the database. The latest that has
 * become active signs; all that have not expired verify and are published.
 */
export class KeyRing {
  readonly #options: KeyRingOptions;
  /** By id, the oldest first. */
  #keys = new Map<string, KnownKey>();

  constructor(options: KeyRingOptions) {
    this.#options = options;
  }

  /** Reads the keys again. */
  async load(): Promise<void> {
    this.#keys = await this.#read(this.#options.database);
  }

  /** What verifies a token with that `kid`; undefined when there is no such key, or not any more. */
  publicKey(id: string): KeyObject | undefined {
    const key = this.#keys.get(id);
    return key && !this.#hasExpired(key) ? key.publicKey : undefined;
  }

  /** What signs now. Throws when there is none: `rotate` makes sure of one. */
  signer(): { readonly id: string; readonly privateKey: KeyObject } {
    const { id, privateKey } = signerOf(this.#keys, this.#nowMs()) ?? {};
    if (id === undefined || !privateKey) throw new Error('there is no key to sign with');
    return { id, privateKey };
  }

  /** Whether that is the id of a key which verifies. */
  has(id: string): boolean {
    return this.publicKey(id) !== undefined;
  }

  published(): PublishedKey[] {
    return [...this.#keys.values()]
      .filter((key) => !this.#hasExpired(key))
      .map(({ id, publicKey }) => {
        const { n, e } = publicKey.export({ format: 'jwk' }) as { n: string; e: string };
        return { kid: id, kty: 'RSA', use: 'sig', alg: 'RS256', n, e };
      });
  }

  /**
   * Makes a key when there is none that signs, and the next one when it is time; `revoke` makes one that signs at once,
   * and nothing that the others have signed is good any more. What `announce` does is committed with it. Tells whether
   * there is another key; coordinators that find out at the same time that it is time make one.
   */
  async rotate(
    announce: (transaction: Transaction) => Promise<void>,
    { revoke = false } = {},
  ): Promise<boolean> {
    const { database, sealingKey, randomBytes } = this.#options;
    if (!revoke && !isDue(this.#keys, this.#nowMs())) return false;
    const id = Buffer.from(randomBytes(12)).toString('base64url');
    const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: RSA_BITS });
    const isMade = await database.transaction().execute(async (transaction) => {
      // The one row that always exists is what they take turns by.
      await transaction.selectFrom('cluster').select('id').forUpdate().execute();
      const keys = await this.#read(transaction);
      const nowMs = this.#nowMs();
      if (!revoke && !isDue(keys, nowMs)) return false;
      const waits = !revoke && signerOf(keys, nowMs) !== undefined;
      const activeAt = new Date(nowMs + (waits ? SIGNING_KEY_LEAD_MS : 0));
      const retired = transaction
        .updateTable('signing_keys')
        .set({ expires_at: revoke ? sql`now()` : new Date(activeAt.getTime() + SIGNING_KEY_RETENTION_MS) });
      await (revoke ? retired : retired.where('expires_at', 'is', null)).execute();
      await transaction
        .insertInto('signing_keys')
        .values({
          id,
          public_key: publicKey.export({ type: 'spki', format: 'pem' }) as string,
          private_key: sealKey(sealingKey, privateKey, id, randomBytes),
          active_at: activeAt,
          expires_at: null,
        })
        .execute();
      await announce(transaction);
      return true;
    });
    await this.load();
    return isMade;
  }

  async #read(database: Database): Promise<Map<string, KnownKey>> {
    const rows = await database
      .selectFrom('signing_keys')
      .selectAll()
      .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', sql<Date>`now()`)]))
      .orderBy('active_at')
      .orderBy('id')
      .execute();
    return new Map(rows.map((row) => [row.id, this.#known(row)]));
  }

  #known(row: Selectable<SigningKeysTable>): KnownKey {
    // The database's clock and this one may differ; by minutes at most, beside days.
    return {
      id: row.id,
      publicKey: createPublicKey(row.public_key),
      privateKey: this.#opened(row),
      createdAtMs: row.created_at.getTime(),
      activeAtMs: row.active_at.getTime(),
      expiresAtMs: row.expires_at?.getTime() ?? null,
    };
  }

  #opened(row: Selectable<SigningKeysTable>): KeyObject | null {
    // A key that is read again need not be opened again.
    const known = this.#keys.get(row.id);
    if (known?.privateKey) return known.privateKey;
    try {
      return openKey(this.#options.sealingKey, row.private_key, row.id);
    } catch (error) {
      this.#options.logger.warn({ err: error, keyId: row.id }, 'a signing key cannot be decrypted');
      return null;
    }
  }

  #hasExpired({ expiresAtMs }: KnownKey): boolean {
    return expiresAtMs !== null && expiresAtMs <= this.#nowMs();
  }

  #nowMs(): number {
    return this.#options.clock.nowMs();
  }
}

function signerOf(keys: ReadonlyMap<string, KnownKey>, nowMs: number): KnownKey | undefined {
  return [...keys.values()]
    .filter(({ privateKey, activeAtMs, expiresAtMs }) => {
      return privateKey !== null && activeAtMs <= nowMs && (expiresAtMs === null || expiresAtMs > nowMs);
    })
    .at(-1);
}

function isDue(keys: ReadonlyMap<string, KnownKey>, nowMs: number): boolean {
  const latest = [...keys.values()].filter(({ privateKey }) => privateKey !== null).at(-1);
  if (latest === undefined || signerOf(keys, nowMs) === undefined) return true;
  return latest.activeAtMs <= nowMs && nowMs - latest.activeAtMs >= SIGNING_KEY_LIFETIME_MS;
}

/** See `seal`; the key in PKCS #8. */
export function sealKey(
  sealingKey: SigningKey,
  privateKey: KeyObject,
  id: string,
  randomBytes: (count: number) => Uint8Array,
): Buffer {
  return seal(sealingKey, privateKey.export({ type: 'pkcs8', format: 'der' }), id, randomBytes);
}

/** Throws when it was sealed with another key or altered. */
export function openKey(sealingKey: SigningKey, sealed: Uint8Array, id: string): KeyObject {
  return createPrivateKey({ key: unseal(sealingKey, sealed, id), type: 'pkcs8', format: 'der' });
}
