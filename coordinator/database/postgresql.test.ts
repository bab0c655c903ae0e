import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestPostgres } from '../../tests/support/postgres.ts';
import { openDatabase } from './database.ts';
import { migrations } from './migrations/index.ts';
import { silentLogger as logger } from './test-support/engines.ts';

const unavailable = { code: 'database_unavailable', retryable: true };
const dataDir = '/nonexistent';
let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await TestPostgres.open();
});
afterAll(() => postgres[Symbol.asyncDispose]());

test('coordinators that start at the same time migrate once', async () => {
  const databaseUrl = await postgres.createDatabase();
  const handles = await Promise.all(
    Array.from({ length: 4 }, () => openDatabase({ dataDir, databaseUrl, logger })),
  );
  for (const { kysely } of handles) {
    const { rows } = await sql`select name from kysely_migration`.execute(kysely);
    expect(rows).toEqual(Object.keys(migrations).map((name) => ({ name })));
  }
  await Promise.all(handles.map((handle) => handle[Symbol.asyncDispose]()));
});

test('a lost listening connection is reported, made again, and reported again', async () => {
  await using handle = await openDatabase({ dataDir, databaseUrl: await postgres.createDatabase(), logger });
  const { kysely, notifications } = handle;
  let gaps = 0;
  notifications.onGap(() => gaps++);
  const heard: string[] = [];
  await notifications.subscribe('test', (payload) => heard.push(payload));
  const { rows } = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where query like 'listen%' and datname = current_database()
  `.execute(kysely);
  expect(rows).toHaveLength(1);
  await expect.poll(() => gaps).toBe(2);
  await notifications.publish('test', 'after');
  await expect.poll(() => heard).toEqual(['after']);
});

test('while the server is down statements fail as unavailable, and afterwards they work again', async () => {
  const databaseUrl = await postgres.createDatabase();
  await using handle = await openDatabase({ dataDir, databaseUrl, logger });
  const { kysely } = handle;
  const ask = () => sql`select 1 as one`.execute(kysely);
  // An idle connection, one in the middle of a transaction, and one that has to be made.
  await ask();
  const interrupted = kysely.transaction().execute(async (transaction) => {
    await sql`select 1`.execute(transaction);
    await postgres.stop();
    await sql`select 1`.execute(transaction);
  });
  await expect(interrupted).rejects.toMatchObject(unavailable);
  await expect(ask()).rejects.toMatchObject(unavailable);
  await expect(kysely.transaction().execute(ask)).rejects.toMatchObject(unavailable);
  await expect(openDatabase({ dataDir, databaseUrl, logger, startWaitMs: 0 })).rejects.toMatchObject(
    unavailable,
  );

  // A coordinator that is started first waits for its database.
  const early = openDatabase({ dataDir, databaseUrl, logger });
  await postgres.start();
  await (await early)[Symbol.asyncDispose]();
  await expect.poll(async () => (await ask()).rows).toEqual([{ one: 1 }]);
});

test('an error of a statement stays what it is', async () => {
  await using handle = await openDatabase({ dataDir, databaseUrl: await postgres.createDatabase(), logger });
  await expect(sql`select nonsense`.execute(handle.kysely)).rejects.toMatchObject({ code: '42703' });
});
