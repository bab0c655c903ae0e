import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { AuditLog } from './audit-log.ts';
import { ensureFirstAdmin } from './first-admin.ts';
import { Passwords } from './passwords.ts';
import { UserRepository } from './user-repository.ts';

describe.each(ENGINES)('the first administrator on %s', (engine) => {
  let handle: DatabaseHandle;
  let passwords: Passwords;
  let users: UserRepository;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    await handle.kysely
      .insertInto('cluster')
      .values({ replicas: 3, range_count: 4096, admin_token_hash: null })
      .execute();
    passwords = await Passwords.open(randomBytes);
    users = new UserRepository(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  const start = (given: { email?: string; password?: string } = {}) =>
    ensureFirstAdmin({
      users,
      passwords,
      audit: new AuditLog(handle.kysely),
      inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) =>
        handle.kysely.transaction().execute(work),
      createId: () => uuidv7(),
      randomBytes,
      ...given,
    });

  test('is made once by those who start at the same time, and shown by one of them', async () => {
    const started = await Promise.all([start(), start(), start()]);
    const shown = started.filter((made) => made !== undefined);
    expect(shown).toHaveLength(1);
    const { email, password } = shown[0]!;
    expect(email).toBe('admin@localhost');
    expect(password).toMatch(/^[\w-]{24}$/);
    const found = await users.findByEmail(email);
    expect(found!.user.role).toBe('admin');
    expect(await passwords.verify(password, found!.passwordHash)).toBe(true);
    expect(await start()).toBeUndefined();
    expect(await start({ email: 'other@example.org', password: 'vivid-otter-stapler' })).toBeUndefined();
    expect(await users.findByEmail('other@example.org')).toBeNull();
  });

  test('has the address and password of the environment, which is not shown', async () => {
    await handle.kysely.deleteFrom('users').execute();
    expect(await start({ email: 'boss@example.org', password: 'vivid-otter-stapler' })).toBeUndefined();
    const found = await users.findByEmail('boss@example.org');
    expect(await passwords.verify('vivid-otter-stapler', found!.passwordHash)).toBe(true);
  });
});
