import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase, silentLogger } from '../database/test-support/engines.ts';
import { type Creation, IdempotencyKeys } from './idempotency-keys.ts';

describe.each(ENGINES)('idempotency keys on %s', (engine) => {
  let handle: DatabaseHandle;
  let keys: IdempotencyKeys;
  const made: string[] = [];
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    const options = { clock: systemClock, logger: silentLogger, createId: () => uuidv7() };
    keys = new IdempotencyKeys({ database: handle.kysely, ...options });
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => {
    made.length = 0;
    await handle.kysely.deleteFrom('idempotency_keys').execute();
  });

  const answerOf = (id: string) => ({ status: 201, headers: { location: `/${id}` }, body: `{"id":"${id}"}` });
  const run = (more: Partial<Creation> = {}) =>
    keys.run({
      ...{ key: '"one"', userId: null, fingerprint: ['POST', '/videos', undefined] },
      create: async (id) => {
        made.push(id);
        return answerOf(id);
      },
      recall: async (id) => (made.includes(id) ? answerOf(id) : null),
      ...more,
    });
  /** As if the process that holds all keys had died a while ago. */
  const killHolder = () =>
    handle.kysely
      .updateTable('idempotency_keys')
      .set({ lease_expires_at: sql<Date>`now() - interval '1 second'` })
      .execute();

  test('a repeated request gets the first answer, whether the key is quoted or not', async () => {
    const first = await run();
    expect(await run({ key: 'one' })).toEqual({
      ...first,
      headers: { ...first.headers, 'idempotency-replayed': 'true' },
    });
    expect(made).toHaveLength(1);
  });

  test('without a key each request makes its own; so do the keys of two users', async () => {
    await run({ key: undefined });
    await run({ key: undefined });
    await run({ userId: uuidv7() });
    await run({ userId: uuidv7() });
    expect(new Set(made).size).toBe(4);
  });

  test('another request with the key is refused', async () => {
    await run();
    await expect(run({ fingerprint: ['POST', '/videos', ''] })).rejects.toMatchObject({
      code: 'idempotency_key_reused',
    });
  });

  test('of two at once one is told that the other is under way', async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = run({
      create: async (id) => {
        begun.resolve();
        await gate.promise;
        return answerOf(id);
      },
    });
    await begun.promise;
    await expect(run()).rejects.toMatchObject({ code: 'request_in_progress', retryable: true });
    gate.resolve();
    await first;
    expect((await run()).headers['idempotency-replayed']).toBe('true');
    expect(made).toEqual([]);
  });

  test('what was refused may be put right; what failed in another way is looked for first', async () => {
    const refusing = run({ create: () => Promise.reject(new AppError('invalid_request', 'No.')) });
    await expect(refusing).rejects.toThrow('No.');
    await run({ fingerprint: ['better'] });
    const failing = run({
      key: 'two',
      create: async (id) => {
        made.push(id);
        throw new Error('the answer got lost');
      },
    });
    await expect(failing).rejects.toThrow('lost');
    const again = await run({ key: 'two' });
    expect(made).toHaveLength(2);
    expect(again).toEqual(answerOf(made[1]!));
  });

  test('a coordinator that dies after it made the thing does not make it twice', async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const dead = run({
      create: async (id) => {
        made.push(id);
        begun.resolve();
        await gate.promise;
        throw new Error('never answered');
      },
    });
    await begun.promise;
    await killHolder();
    expect(await run()).toEqual(answerOf(made[0]!));
    gate.resolve();
    await expect(dead).rejects.toThrow();
    expect((await run()).headers['idempotency-replayed']).toBe('true');
    expect(made).toHaveLength(1);
  });

  test('an old key means nothing any more', async () => {
    await run();
    await handle.kysely
      .updateTable('idempotency_keys')
      .set({ expires_at: sql<Date>`now() - interval '1 second'` })
      .execute();
    await run({ fingerprint: ['another'] });
    expect(new Set(made).size).toBe(2);
    await keys.runOnce();
    expect(await handle.kysely.selectFrom('idempotency_keys').selectAll().execute()).toHaveLength(1);
  });

  test.each(['', 'a b', 'x'.repeat(256), 'ü'])('the key %j is refused', async (key) => {
    await expect(run({ key })).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
