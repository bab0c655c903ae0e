import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { type DatabaseHandle, openDatabase } from './database.ts';
import { PgliteMaintenance } from './pglite-maintenance.ts';
import { silentLogger as logger, UNSYNCED_PGLITE } from './test-support/engines.ts';
import { copyMigratedPglite } from './test-support/pglite-template.ts';

let dataDir: string;
let handle: DatabaseHandle;
let maintenance: PgliteMaintenance;
beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'orbit-db-'));
  await copyMigratedPglite(dataDir);
  // Nothing here depends on the disk.
  handle = await openDatabase({ dataDir, logger, pgliteEntry: UNSYNCED_PGLITE });
  await anew();
  maintenance = new PgliteMaintenance({ database: handle.kysely, clock: systemClock, logger });
});
afterAll(async () => {
  await handle[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

const run = async <Row>(statement: string) => (await sql.raw<Row>(statement).execute(handle.kysely)).rows;
const anew = async () => {
  await run('drop table if exists filler');
  await run('create table filler (id integer, text text)');
};
const fill = (rows: number) =>
  run(`insert into filler select id, repeat('x', 1000) from generate_series(1, ${rows}) as id`);
const redo = async () =>
  (await run<{ redo: string }>('select redo_lsn::text as redo from pg_control_checkpoint()'))[0]!.redo;
const deadRows = async () =>
  (
    await run<{ dead: number }>(`select n_dead_tup as dead from pg_stat_user_tables where relname = 'filler'`)
  )[0]?.dead;

test('a checkpoint is made when much was written, and not before', async () => {
  await run('checkpoint');
  const before = await redo();
  await fill(100);
  await maintenance.runOnce();
  expect(await redo()).toBe(before);
  await fill(20_000);
  await maintenance.runOnce();
  const after = await redo();
  expect(after).not.toBe(before);
  await maintenance.runOnce();
  expect(await redo()).toBe(after);
});

test('between rounds little is written at once, and much is left to the next round', async () => {
  await anew();
  await run('checkpoint');
  await maintenance.lookOnce();
  const before = await redo();
  await fill(1000);
  await maintenance.lookOnce();
  expect(await redo()).toBe(before);
  await fill(5000);
  await maintenance.lookOnce();
  const after = await redo();
  expect(after).not.toBe(before);
  await fill(20_000);
  await maintenance.lookOnce();
  expect(await redo()).toBe(after);
  await maintenance.runOnce();
  expect(await redo()).not.toBe(after);
});

test('the write-ahead log stays small whatever is written', async () => {
  for (let round = 0; round < 12; round++) {
    await fill(18_000);
    await run('truncate filler');
    await maintenance.runOnce();
  }
  const segments = (await readdir(path.join(dataDir, 'database', 'pg_wal'))).filter((name) =>
    /^[0-9A-F]{24}$/.test(name),
  );
  // 64 MiB in segments of 16, and the two that the writing of the moment needs.
  expect(segments.length).toBeLessThanOrEqual(6);
});

test('a table that only grows is analyzed and not vacuumed', async () => {
  const seen = async () =>
    await run<{ vacuums: number; analyzes: number }>(
      "select vacuum_count as vacuums, analyze_count as analyzes from pg_stat_user_tables where relname = 'filler'",
    );
  await anew();
  await fill(5000);
  await maintenance.runOnce();
  expect(await seen()).toEqual([{ vacuums: 0, analyzes: 1 }]);
  await run('delete from filler where id <= 4000');
  await maintenance.runOnce();
  expect(await seen()).toEqual([{ vacuums: 1, analyzes: 2 }]);
});

test('a table is vacuumed when much of it is dead', async () => {
  await anew();
  await fill(5000);
  await maintenance.runOnce();
  expect(await deadRows()).toBe(0);
  await run('delete from filler where id <= 500');
  await maintenance.runOnce();
  expect(await deadRows()).toBe(500);
  await run('delete from filler where id <= 4000');
  await maintenance.runOnce();
  expect(await deadRows()).toBe(0);
});
