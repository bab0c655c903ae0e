import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { ensureAdminToken, isAdminToken } from './admin-token.ts';
import { SqlAdminTokenStore } from './sql-admin-token-store.ts';

describe.each(ENGINES)('the admin token on %s', (engine) => {
  let handle: DatabaseHandle;
  let store: SqlAdminTokenStore;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    await handle.kysely.deleteFrom('cluster').execute();
    await handle.kysely
      .insertInto('cluster')
      .values({ replicas: 3, range_count: 4096, admin_token_hash: null })
      .execute();
    store = new SqlAdminTokenStore(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  test('is made once, agreed on by all, and can be replaced', async () => {
    expect(await store.read()).toBeNull();
    const started = await Promise.all(Array.from({ length: 4 }, () => ensureAdminToken(store, randomBytes)));
    const shown = started.filter(({ created }) => created !== undefined);
    expect(shown).toHaveLength(1);
    for (const { hash } of started) expect(isAdminToken(shown[0]!.created!, hash)).toBe(true);

    await ensureAdminToken(store, randomBytes, 'a token of my own');
    const { hash, created } = await ensureAdminToken(store, randomBytes);
    expect(created).toBeUndefined();
    expect(isAdminToken('a token of my own', hash)).toBe(true);
  });
});
