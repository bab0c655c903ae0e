import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fsyncSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase } from './database.ts';
import { openPglite } from './pglite.ts';
import { copyPgliteTemplate } from './test-support/pglite-template.ts';
import { silentLogger as logger } from './test-support/silent-logger.ts';

const CHILD = fileURLToPath(new URL('./test-support/insert-until-killed.ts', import.meta.url));

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  await copyPgliteTemplate(dataDir);
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test('every commit reaches the disk before it is acknowledged', async () => {
  let syncs = 0;
  const fsync = (fileDescriptor: number) => {
    syncs += 1;
    fsyncSync(fileDescriptor);
  };
  await using pglite = await openPglite({ dataDir, logger, fsync });
  await pglite.exec('create table rows (id integer)');
  syncs = 0;
  for (let id = 0; id < 20; id++) await pglite.query('insert into rows values ($1)', [id]);
  expect(syncs).toBeGreaterThanOrEqual(20);
  syncs = 0;
  await pglite.query('select count(*) from rows');
  expect(syncs).toBe(0);
});

test('a disk that fails to sync fails the commit, and what was acknowledged before is kept', async () => {
  let isBroken = false;
  const fsync = (fileDescriptor: number) => {
    if (isBroken) throw Object.assign(new Error('input/output error'), { code: 'EIO' });
    fsyncSync(fileDescriptor);
  };
  const unavailable = { code: 'database_unavailable' };
  const rowOf = (name: string) => ({ name, holder: 'test', expires_at: new Date() });
  {
    await using handle = await openDatabase({ dataDir, logger, fsync });
    const { kysely } = handle;
    await kysely.insertInto('leases').values(rowOf('before')).execute();
    isBroken = true;
    const transaction = kysely
      .transaction()
      .execute((inside) => inside.insertInto('leases').values(rowOf('lost')).execute());
    await expect(transaction).rejects.toMatchObject(unavailable);
    // PostgreSQL has given up: it must not be entered again, for it would never return.
    isBroken = false;
    await expect(kysely.selectFrom('leases').selectAll().execute()).rejects.toMatchObject(unavailable);
    await expect(
      kysely.transaction().execute((inside) => inside.insertInto('leases').values(rowOf('late')).execute()),
    ).rejects.toMatchObject(unavailable);
  }
  await using again = await openDatabase({ dataDir, logger });
  const names = (await again.kysely.selectFrom('leases').select('name').execute()).map(({ name }) => name);
  expect(names).toContain('before');
  expect(names).not.toContain('late');
});

test('a killed process loses no acknowledged row, keeps others out while it lives, and leaves no lock', async () => {
  const child = spawn(process.execPath, [CHILD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const acknowledged: string[] = [];
  let refusal: unknown;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') {
      refusal = await openDatabase({ dataDir, logger }).catch((error: unknown) => error);
    } else {
      acknowledged.push(line);
    }
    if (acknowledged.length === 100) child.kill('SIGKILL');
  }
  await exited;
  expect(refusal).toMatchObject({ code: 'database_unavailable' });
  expect(String(refusal)).toContain(`another process (pid ${child.pid})`);

  await using handle = await openDatabase({ dataDir, logger });
  const rows = await handle.kysely.selectFrom('leases').select('name').execute();
  const names = new Set(rows.map(({ name }) => name));
  expect(acknowledged.length).toBeGreaterThanOrEqual(100);
  expect(acknowledged.filter((name) => !names.has(name))).toEqual([]);
});

test('a first start that was cut short is begun anew', async () => {
  await rm(path.join(dataDir, 'database', 'base'), { recursive: true });
  await writeFile(path.join(dataDir, 'database.new'), '');
  {
    await using handle = await openDatabase({ dataDir, logger });
    await handle.kysely
      .insertInto('leases')
      .values({ name: 'kept', holder: 'test', expires_at: new Date() })
      .execute();
  }
  await using again = await openDatabase({ dataDir, logger });
  expect(await again.kysely.selectFrom('leases').select('name').execute()).toEqual([{ name: 'kept' }]);
});

test('after it is closed, statements and transactions fail as unavailable', async () => {
  const handle = await openDatabase({ dataDir, logger });
  await handle[Symbol.asyncDispose]();
  const unavailable = { code: 'database_unavailable', retryable: true };
  await expect(handle.kysely.selectFrom('leases').selectAll().execute()).rejects.toMatchObject(unavailable);
  const transaction = handle.kysely
    .transaction()
    .execute((inside) => inside.selectFrom('leases').selectAll().execute());
  await expect(transaction).rejects.toMatchObject(unavailable);
  await expect(handle.notifications.publish('test', 'x')).rejects.toMatchObject(unavailable);
});
