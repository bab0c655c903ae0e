import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DatabaseHandle, openDatabase } from './database.ts';
import { PREPARED_STATEMENTS_MAX } from './limits.ts';
import { silentLogger as logger, UNSYNCED_PGLITE } from './test-support/engines.ts';
import { pglitePid } from './test-support/pglite-pid.ts';
import { copyMigratedPglite } from './test-support/pglite-template.ts';

const FRAGILE_PGLITE = new URL('./test-support/fragile-pglite.ts', import.meta.url);
const unavailable = { code: 'database_unavailable', retryable: true };

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  await copyMigratedPglite(dataDir);
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

const rowOf = (name: string) => ({ name, holder: 'test', expires_at: new Date() });
const insert = ({ kysely }: Pick<DatabaseHandle, 'kysely'>, name: string) =>
  kysely.insertInto('leases').values(rowOf(name)).execute();
const copyIn = (handle: DatabaseHandle, name: string) =>
  handle.copyIn('copy leases (name, holder, expires_at) from stdin', Buffer.from(`${name}\ttest\tnow\n`));
const namesIn = async ({ kysely }: DatabaseHandle) =>
  (await kysely.selectFrom('leases').select('name').orderBy('name').execute()).map(({ name }) => name);

/** CPU time of a process so far, hundredths of a second. */
async function cpuTicksOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

describe('users of the one session', () => {
  let handle: DatabaseHandle;
  beforeEach(async () => {
    handle = await openDatabase({ dataDir, logger, pgliteEntry: UNSYNCED_PGLITE });
  });
  afterEach(() => handle[Symbol.asyncDispose]());

  test('leave the event loop alone while a statement runs', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const startMs = performance.now();
    await sql`select count(*) from generate_series(1, 500000) as number where number % 7 = 3`.execute(
      handle.kysely,
    );
    const tookMs = performance.now() - startMs;
    clearInterval(timer);
    expect(tookMs).toBeGreaterThan(50);
    expect(ticks).toBeGreaterThan(tookMs / 50);
  });

  test('have their transactions one after the other, and statements of others between them', async () => {
    const { kysely } = handle;
    await insert(handle, '0');
    const add = () =>
      kysely.transaction().execute(async (transaction) => {
        const { holder } = await transaction.selectFrom('leases').select('holder').executeTakeFirstOrThrow();
        const next = String(Number.parseInt(holder, 10) + 1 || 1);
        await transaction
          .updateTable('leases')
          .set({ holder: `${next} unfinished` })
          .execute();
        await sleep(1);
        await transaction.updateTable('leases').set({ holder: next }).execute();
      });
    const look = () => kysely.selectFrom('leases').select('holder').executeTakeFirstOrThrow();
    const seen = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => (index % 2 === 0 ? add() : look())),
    );
    expect((await look()).holder).toBe('20');
    const holders = seen.flatMap((row) => (row ? [row.holder] : []));
    expect(holders.filter((holder) => holder.includes('unfinished'))).toEqual([]);
  });

  test('find no transaction that another one left open', async () => {
    const { kysely } = handle;
    await kysely.connection().execute(async (connection) => {
      await sql`begin`.execute(connection);
      await insert({ kysely: connection }, 'left open');
    });
    await insert(handle, 'next');
    expect(await namesIn(handle)).toEqual(['next']);
    // One that failed, and one whose last statement was not waited for.
    await kysely.connection().execute(async (connection) => {
      await sql`begin`.execute(connection);
      await sql`select nonsense`.execute(connection).catch(() => {});
    });
    let late: Promise<unknown> | undefined;
    await kysely.connection().execute(async (connection) => {
      late = sql`begin`.execute(connection);
    });
    await insert(handle, 'last');
    await late;
    await sql`rollback`.execute(kysely);
    expect(await namesIn(handle)).toEqual(['last', 'next']);
  });

  test('get the SQLSTATE of what failed, and it harms nobody else', async () => {
    const { kysely } = handle;
    await expect(sql`select nonsense`.execute(kysely)).rejects.toMatchObject({ code: '42703' });
    await insert(handle, 'one');
    await expect(insert(handle, 'one')).rejects.toMatchObject({ code: '23505', constraint: 'leases_pkey' });
    const failed = kysely.transaction().execute(async (transaction) => {
      await insert({ kysely: transaction }, 'two');
      await expect(insert({ kysely: transaction }, 'one')).rejects.toMatchObject({ code: '23505' });
      await insert({ kysely: transaction }, 'three');
    });
    await expect(failed).rejects.toMatchObject({ code: '25P02' });
    const swallowed = kysely.transaction().execute(async (transaction) => {
      await insert({ kysely: transaction }, 'two');
      await insert({ kysely: transaction }, 'one').catch(() => {});
    });
    await expect(swallowed).rejects.toThrow();
    expect(await namesIn(handle)).toEqual(['one']);
  });

  test('can use more statements than are kept prepared', async () => {
    for (let number = 0; number < PREPARED_STATEMENTS_MAX + 20; number++) {
      const ask = () =>
        sql<{ sum: number }>`
        select ${number}::integer + ${sql.lit(number)}::integer as sum
      `.execute(handle.kysely);
      for (let time = 0; time < 2; time++) expect((await ask()).rows).toEqual([{ sum: 2 * number }]);
    }
    // One that fails is prepared again.
    const insertOf = (holder: string | null) =>
      sql`insert into leases values ('name', ${holder}, now())`.execute(handle.kysely);
    await expect(insertOf(null)).rejects.toMatchObject({ code: '23502' });
    await insertOf('holder');
    expect(await namesIn(handle)).toEqual(['name']);
  });

  test('get large values whole', async () => {
    const text = 'ü'.repeat(3_000_000);
    const { rows } = await sql<{ text: string; length: number }>`
      select ${text}::text as text, length(${text}::text) as length
    `.execute(handle.kysely);
    expect(rows[0]!.length).toBe(text.length);
    expect(rows[0]!.text).toBe(text);
    // Also when the statement has failed before its value has arrived.
    await expect(sql`select nonsense, ${text}::text`.execute(handle.kysely)).rejects.toMatchObject({
      code: '42703',
    });
    expect(await namesIn(handle)).toEqual([]);
  });

  test('are waited for when the database closes', async () => {
    const asked = Array.from({ length: 10 }, (_, index) => insert(handle, `row ${index}`));
    await Promise.all([...asked, handle[Symbol.asyncDispose]()]);
    await expect(insert(handle, 'late')).rejects.toMatchObject(unavailable);
    handle = await openDatabase({ dataDir, logger, pgliteEntry: UNSYNCED_PGLITE });
    expect(await namesIn(handle)).toHaveLength(10);
  });
});

describe('when its process ends', () => {
  test.each(['disk-fails', 'process-dies', 'process-throws'])(
    '(%s) everything under way fails as unavailable, and a new one has all that was acknowledged',
    async (failure) => {
      await using handle = await openDatabase({ dataDir, logger, pgliteEntry: FRAGILE_PGLITE });
      const { kysely, notifications } = handle;
      const heard: string[] = [];
      await notifications.subscribe('test', (payload) => heard.push(payload));
      let gaps = 0;
      notifications.onGap(() => gaps++);
      await insert(handle, 'acknowledged');
      await writeFile(path.join(dataDir, failure), '');

      const refused = await Promise.allSettled([
        copyIn(handle, 'copied'),
        kysely.transaction().execute((transaction) => insert({ kysely: transaction }, 'lost')),
        kysely.transaction().execute((transaction) => insert({ kysely: transaction }, 'queued')),
        ...Array.from({ length: 5 }, () => namesIn(handle)),
      ]);
      for (const { status, reason } of refused as PromiseRejectedResult[]) {
        expect(status).toBe('rejected');
        expect(reason).toMatchObject(unavailable);
      }
      await expect(insert(handle, 'too early')).rejects.toMatchObject(unavailable);
      await rm(path.join(dataDir, failure));

      await expect.poll(() => gaps, { timeout: 20_000 }).toBe(2);
      await insert(handle, 'afterwards');
      const names = await namesIn(handle);
      expect(names).toEqual(expect.arrayContaining(['acknowledged', 'afterwards']));
      expect(names).not.toContain('queued');
      expect(names).not.toContain('too early');
      await copyIn(handle, 'copied afterwards');
      expect(await namesIn(handle)).toContain('copied afterwards');
      await notifications.publish('test', 'heard again');
      await expect.poll(() => heard).toEqual(['heard again']);
    },
  );

  test('killed from outside, a statement that runs fails as unavailable, and all goes on with a new one', async () => {
    await using handle = await openDatabase({ dataDir, logger });
    let gaps = 0;
    handle.notifications.onGap(() => gaps++);
    await insert(handle, 'acknowledged');
    const pid = await pglitePid(dataDir);
    const computed =
      sql`select count(*) from generate_series(1, 10000000) as number where number % 7 = 3`.execute(
        handle.kysely,
      );
    const refused = Promise.allSettled([computed, insert(handle, 'queued')]);
    const idleTicks = await cpuTicksOf(pid);
    await expect.poll(() => cpuTicksOf(pid)).toBeGreaterThan(idleTicks + 10);
    process.kill(pid, 'SIGKILL');
    for (const { status, reason } of (await refused) as PromiseRejectedResult[]) {
      expect(status).toBe('rejected');
      expect(reason).toMatchObject(unavailable);
    }
    await expect.poll(() => gaps, { timeout: 20_000 }).toBe(2);
    expect(await pglitePid(dataDir)).not.toBe(pid);
    await insert(handle, 'afterwards');
    expect(await namesIn(handle)).toEqual(['acknowledged', 'afterwards']);
  });

  test('a stop does not wait for a database that cannot be started', async () => {
    const handle = await openDatabase({ dataDir, logger, pgliteEntry: FRAGILE_PGLITE });
    await writeFile(path.join(dataDir, 'process-dies'), '');
    await expect(insert(handle, 'lost')).rejects.toMatchObject(unavailable);
    await handle[Symbol.asyncDispose]();
    await rm(path.join(dataDir, 'process-dies'));
    await using again = await openDatabase({ dataDir, logger, pgliteEntry: FRAGILE_PGLITE });
    await insert(again, 'afterwards');
  });

  test('a database that cannot be opened says why', async () => {
    await writeFile(path.join(dataDir, 'database', 'PG_VERSION'), '3\n');
    const refusal = openDatabase({ dataDir, logger, pgliteEntry: UNSYNCED_PGLITE });
    await expect(refusal).rejects.toThrow(/PGlite/);
  });
});
