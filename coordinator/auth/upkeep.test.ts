import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { deriveKey } from '../../lib/signing/signed-url.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { ApiKeyCache } from './api-key-cache.ts';
import { ApiKeys } from './api-keys.ts';
import { AuditLog } from './audit-log.ts';
import { AuthState } from './auth-state.ts';
import { NOBODY } from './principal.ts';
import { KeyRing } from './signing-keys.ts';
import { Upkeep } from './upkeep.ts';

const PAST = new Date(Date.now() - 500 * 86_400_000);
const FUTURE = new Date(Date.now() + 86_400_000);
const ORIGIN = { principal: NOBODY, address: null, requestId: null };

describe.each(ENGINES)('the upkeep of accounts on %s', (engine) => {
  let handle: DatabaseHandle;
  let state: AuthState;
  let cache: ApiKeyCache;
  let upkeep: Upkeep;
  const userId = uuidv7();
  const clock = systemClock;
  const logger = silentLogger;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    const { kysely } = handle;
    await kysely
      .insertInto('cluster')
      .values({ replicas: 3, range_count: 4096, admin_token_hash: null })
      .execute();
    const user = { email: 'a@b', name: 'A', password_hash: '', role: 'viewer' as const, last_login_at: null };
    await kysely
      .insertInto('users')
      .values({ id: userId, ...user })
      .execute();
    const keys = new KeyRing({
      database: kysely,
      sealingKey: deriveKey('a secret of the cluster', 'auth-signing-keys'),
      randomBytes,
      clock,
      logger,
    });
    state = await AuthState.open({ database: handle, keys, clock, logger });
    cache = new ApiKeyCache({ database: kysely, clock, logger });
    upkeep = new Upkeep({ database: kysely, state, apiKeys: cache, clock, logger });
  });
  afterAll(async () => {
    await upkeep[Symbol.asyncDispose]();
    await state[Symbol.asyncDispose]();
    await handle[Symbol.asyncDispose]();
  });

  test('makes a signing key, removes what has expired, and nothing else', async () => {
    const { kysely } = handle;
    for (const expires_at of [PAST, FUTURE]) {
      const id = uuidv7();
      await kysely.insertInto('sessions').values({ id, user_id: userId, expires_at }).execute();
      await kysely
        .insertInto('refresh_tokens')
        .values({ hash: randomBytes(32), session_id: id, expires_at, used_at: null })
        .execute();
      await kysely
        .insertInto('revocations')
        .values({ kind: 'session', subject: id, generation: 0, expires_at })
        .execute();
      await kysely.insertInto('rate_limits').values({ key: id, used: 1, expires_at }).execute();
      const event = { actor_id: null, actor: 'nobody', subject_id: null, address: null, request_id: null };
      await kysely
        .insertInto('audit_events')
        .values({ ...event, kind: 'registered', details: '{}', at: expires_at })
        .execute();
    }
    await upkeep.runOnce();
    for (const table of [
      'sessions',
      'refresh_tokens',
      'revocations',
      'rate_limits',
      'audit_events',
    ] as const) {
      const rows = await kysely.selectFrom(table).selectAll().execute();
      expect([table, rows.length]).toEqual([table, 1]);
    }
    expect(state.keys.published()).toHaveLength(1);
    await upkeep.runOnce();
    expect(state.keys.published()).toHaveLength(1);
  });

  test('writes down when an API key was last used', async () => {
    const audit = new AuditLog(handle.kysely);
    const keys = new ApiKeys({
      database: handle.kysely,
      state,
      audit,
      createId: () => uuidv7(),
      randomBytes,
    });
    const wanted = { name: 'k', scopes: ['videos:read'] as const, expiresInDays: 1 };
    const [, key] = await keys.create(userId, wanted, ORIGIN);
    await keys.create(userId, wanted, ORIGIN);
    expect((await cache.find(key))?.userId).toBe(userId);
    expect(await cache.find(`${key}x`)).toBeUndefined();
    await cache.noteUses();
    const used = (await keys.list(userId)).map(({ lastUsedAt }) => lastUsedAt);
    expect(used.filter((at) => at === null)).toHaveLength(1);
  });
});
