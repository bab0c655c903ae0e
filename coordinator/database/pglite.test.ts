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
import { PgliteProcess } from './pglite-process.ts';
import { isRunning, pglitePid } from './test-support/pglite-pid.ts';
import { copyMigratedPglite } from './test-support/pglite-template.ts';
import { silentLogger as logger } from './test-support/silent-logger.ts';

const CHILD = fileURLToPath(new URL('./test-support/insert-until-killed.ts', import.meta.url));

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  await copyMigratedPglite(dataDir);
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

test('every commit reaches the disk before it is acknowledged', async () => {
  let syncs = 0;
  const fsync = (fileDescriptor: number) => {
    syncs += 1;
    fsyncSync(fileDescriptor);
  };
  await using pglite = await openPglite({ dataDir, onLogLine: () => {}, fsync });
  await pglite.exec('create table rows (id integer)');
  syncs = 0;
  for (let id = 0; id < 20; id++) await pglite.query('insert into rows values ($1)', [id]);
  expect(syncs).toBeGreaterThanOrEqual(20);
  syncs = 0;
  await pglite.query('select count(*) from rows');
  expect(syncs).toBe(0);
});

test('a killed process loses no acknowledged row, keeps others out while it lives, and leaves no lock and no PGlite', async () => {
  const child = spawn(process.execPath, [CHILD, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const acknowledged: string[] = [];
  let refusal: unknown;
  let pid = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'open') {
      pid = await pglitePid(dataDir);
      refusal = await openDatabase({ dataDir, logger, startWaitMs: 200 }).catch((error: unknown) => error);
    } else {
      acknowledged.push(line);
    }
    if (acknowledged.length === 100) child.kill('SIGKILL');
  }
  await exited;
  // At once: its PGlite may be in the middle of a statement, and is waited for.
  await using handle = await openDatabase({ dataDir, logger });
  await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false);
  expect(refusal).toMatchObject({ code: 'database_unavailable' });
  expect(String(refusal)).toContain(`another process (pid ${child.pid}, which runs PGlite as ${pid})`);
  const rows = await handle.kysely.selectFrom('leases').select('name').execute();
  const names = new Set(rows.map(({ name }) => name));
  expect(acknowledged.length).toBeGreaterThanOrEqual(100);
  expect(acknowledged.filter((name) => !names.has(name))).toEqual([]);
});

test('a statement that runs when its process is killed keeps the next one waiting, and no longer than it takes', async () => {
  const child = spawn(process.execPath, [CHILD, dataDir, 'then-compute'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'computing') child.kill('SIGKILL');
  }
  await exited;
  const pid = await pglitePid(dataDir);
  const refusal = openDatabase({ dataDir, logger, startWaitMs: 0 });
  await expect(refusal).rejects.toMatchObject({ code: 'database_unavailable' });
  expect(isRunning(pid)).toBe(true);
  await using handle = await openDatabase({ dataDir, logger });
  await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false);
  const names = await handle.kysely.selectFrom('leases').select('name').execute();
  expect(names).toEqual([{ name: 'row-0' }]);
});

test('signals to everybody do not end PGlite before its database is closed', async () => {
  await using handle = await openDatabase({ dataDir, logger });
  const pid = await pglitePid(dataDir);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(pid, signal);
  const insert = handle.kysely.insertInto('leases');
  await insert.values({ name: 'kept', holder: 'test', expires_at: new Date() }).execute();
  expect(await pglitePid(dataDir)).toBe(pid);
  expect(isRunning(pid)).toBe(true);
  await handle[Symbol.asyncDispose]();
  expect(isRunning(pid)).toBe(false);
});

test('the process that creates the database leaves it to another one', async () => {
  await rm(path.join(dataDir, 'database'), { recursive: true });
  const creator = new PgliteProcess({ dataDir, lockWaitMs: 0, logger });
  await creator.ended;
  expect(creator.hasCreated).toBe(true);
  const next = new PgliteProcess({ dataDir, lockWaitMs: 0, logger });
  next.stream.end();
  await next.ended;
  expect(next.hasCreated).toBe(false);
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
