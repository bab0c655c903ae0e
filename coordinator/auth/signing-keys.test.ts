import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../lib/clock/clock.ts';
import { deriveKey } from '../../lib/signing/signed-url.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { SIGNING_KEY_LEAD_MS, SIGNING_KEY_LIFETIME_MS } from './limits.ts';
import { KeyRing, openKey, sealKey } from './signing-keys.ts';

const announce = async () => {};

describe.each(ENGINES)('signing keys on %s', (engine) => {
  let handle: DatabaseHandle;
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => Date.now() + aheadMs };
  const open = (secret = 'a secret of the cluster') =>
    new KeyRing({
      database: handle.kysely,
      sealingKey: deriveKey(secret, 'auth-signing-keys'),
      randomBytes,
      clock,
      logger: silentLogger,
    });
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    await handle.kysely
      .insertInto('cluster')
      .values({ replicas: 3, range_count: 4096, admin_token_hash: null })
      .execute();
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  test('one is made by all who start at the same time, and none while it is young', async () => {
    const rings = [open(), open(), open()];
    const made = await Promise.all(rings.map((ring) => ring.rotate(announce)));
    expect(made.filter(Boolean)).toHaveLength(1);
    expect(new Set(rings.map((ring) => ring.signer().id)).size).toBe(1);
    expect(await rings[0]!.rotate(announce)).toBe(false);
    const [published] = rings[0]!.published();
    expect(published).toEqual({
      kid: rings[0]!.signer().id,
      kty: 'RSA',
      use: 'sig',
      alg: 'RS256',
      n: expect.any(String),
      e: 'AQAB',
    });
  });

  test('the private half lies encrypted, for one secret', async () => {
    const rows = await handle.kysely.selectFrom('signing_keys').selectAll().execute();
    const ring = open();
    await ring.load();
    const { d } = ring.signer().privateKey.export({ format: 'jwk' });
    for (const { private_key } of rows) {
      expect(Buffer.from(private_key).includes(Buffer.from(d!, 'base64url'))).toBe(false);
    }
    const other = open('another secret altogether');
    await other.load();
    expect(() => other.signer()).toThrow();
    // What the old one signed is still good, and there is one that signs.
    expect(await other.rotate(announce)).toBe(true);
    expect(other.publicKey(ring.signer().id)).toBeDefined();
    await handle.kysely.deleteFrom('signing_keys').where('id', '=', other.signer().id).execute();
    await handle.kysely.updateTable('signing_keys').set({ expires_at: null }).execute();
  });

  test('the next one is published before it signs, and the last one is known after', async () => {
    const ring = open();
    await ring.load();
    const first = ring.signer().id;
    aheadMs = SIGNING_KEY_LIFETIME_MS;
    expect(await ring.rotate(announce)).toBe(true);
    expect(await ring.rotate(announce)).toBe(false);
    expect(ring.signer().id).toBe(first);
    expect(ring.published()).toHaveLength(2);
    aheadMs += SIGNING_KEY_LEAD_MS + 1;
    const second = ring.signer().id;
    expect(second).not.toBe(first);
    expect(ring.has(first)).toBe(true);
    aheadMs += 3 * 86_400_000;
    expect(ring.has(first)).toBe(false);
    expect(ring.published().map(({ kid }) => kid)).toEqual([second]);
    aheadMs = 0;
  });
});

test('a sealed key opens with its key and id alone', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = deriveKey('a secret of the cluster', 'x');
  const sealed = sealKey(key, privateKey, 'one', randomBytes);
  const digest = (opened: typeof privateKey) =>
    createHash('sha256')
      .update(opened.export({ type: 'pkcs8', format: 'der' }))
      .digest('hex');
  expect(digest(openKey(key, sealed, 'one'))).toBe(digest(privateKey));
  expect(() => openKey(key, sealed, 'two')).toThrow();
  expect(() => openKey(deriveKey('a secret of the cluster', 'y'), sealed, 'one')).toThrow();
  sealed[40]! ^= 1;
  expect(() => openKey(key, sealed, 'one')).toThrow();
});
