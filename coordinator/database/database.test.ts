import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseHandle } from './database.ts';
import { migrateToLatest } from './migrate.ts';
import { ENGINES, openTestDatabase } from './test-support/engines.ts';

describe.each(ENGINES)('a database on %s', (engine) => {
  let handle: DatabaseHandle;
  beforeAll(async () => {
    handle = await openTestDatabase(engine);
  });
  afterAll(() => handle[Symbol.asyncDispose]());

  test('says which engine it is', () => {
    expect(handle.kind).toBe(engine);
  });

  test('gives bigint as number, timestamps as Date in whole milliseconds, bytea as bytes', async () => {
    const { kysely } = handle;
    const id = randomUUID();
    const hash = Uint8Array.from({ length: 32 }, (_, index) => index * 8);
    await kysely
      .insertInto('objects')
      .values({ id, state: 'committed', size: 2 ** 53 - 1, sha256: hash, lease_expires_at: null })
      .execute();
    const row = await kysely.selectFrom('objects').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    expect(row.size).toBe(2 ** 53 - 1);
    expect(row.sha256).toBeInstanceOf(Uint8Array);
    expect([...row.sha256!]).toEqual([...hash]);
    expect(row.created_at).toBeInstanceOf(Date);
    expect(Math.abs(row.created_at.getTime() - Date.now())).toBeLessThan(60_000);
    // What a client was shown finds the row again.
    const again = await kysely
      .selectFrom('objects')
      .select('id')
      .where('created_at', '=', row.created_at)
      .where('id', '=', id)
      .execute();
    expect(again).toHaveLength(1);
    const { count } = await kysely
      .selectFrom('objects')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    expect(count).toBe(1);
  });

  test('gives arrays, JSON, numbers and nulls as what they are', async () => {
    const texts = ['a "b"', 'c, {d}', 'ünï\\', ''];
    const json = { list: [1, 'two', null], nested: { three: true } };
    const { rows } = await sql`
      select ${texts}::text[] as texts, ${[1, 2 ** 30]}::integer[] as numbers, ${JSON.stringify(json)}::jsonb as json,
        ${null}::text as nothing, 1.5::float8 as float, true as yes, '0198c0de-0000-7000-8000-000000000000'::uuid as id
    `.execute(handle.kysely);
    expect(rows).toEqual([
      {
        texts,
        numbers: [1, 2 ** 30],
        json,
        nothing: null,
        float: 1.5,
        yes: true,
        id: '0198c0de-0000-7000-8000-000000000000',
      },
    ]);
  });

  test('refuses a bigint that a number cannot hold', async () => {
    await expect(sql`select 9007199254740993::bigint as big`.execute(handle.kysely)).rejects.toThrow(
      /does not fit/,
    );
  });

  test('runs no migration twice', async () => {
    expect(await migrateToLatest(handle.kysely)).toEqual([]);
  });

  test('rolls a failed transaction back', async () => {
    const name = randomUUID();
    const attempt = handle.kysely.transaction().execute(async (transaction) => {
      await transaction.insertInto('leases').values({ name, holder: 'a', expires_at: new Date() }).execute();
      throw new Error('changed my mind');
    });
    await expect(attempt).rejects.toThrow('changed my mind');
    const rows = await handle.kysely.selectFrom('leases').selectAll().where('name', '=', name).execute();
    expect(rows).toEqual([]);
  });
});
