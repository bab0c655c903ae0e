import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesOf } from '../test-support/chunks.ts';
import { findTableFault, salvageTable } from './level-table.ts';

let directory: string;
let table: Buffer;

/** A table as LevelDB writes it, with several blocks and a filter. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'level-table-'));
  const options = { keyEncoding: 'buffer', valueEncoding: 'buffer', compression: false } as const;
  const database = new Level<Buffer, Buffer>(join(directory, 'database'), options);
  for (let number = 0; number < 60; number++) {
    await database.put(Buffer.from(`key ${number}`), bytesOf(number, 300));
  }
  await database.close();
  // What is in the log goes to a table when it is opened again.
  await database.open();
  await database.close();
  const names = await readdir(join(directory, 'database'));
  const name = names.find((each) => each.endsWith('.ldb'))!;
  table = await readFile(join(directory, 'database', name));
});

afterAll(() => rm(directory, { recursive: true }));

async function faultOf(bytes: Buffer) {
  const path = join(directory, 'table.ldb');
  await writeFile(path, bytes);
  return findTableFault(path);
}

it('finds nothing wrong with a table of LevelDB', async () => {
  expect(table.length).toBeGreaterThan(15_000);
  expect(await faultOf(table)).toBeUndefined();
});

it('finds a flipped bit wherever it is', async () => {
  const padding = new Set<number>();
  for (let at = 0; at < table.length; at += at > table.length - 600 ? 1 : 37) {
    const damaged = Buffer.from(table);
    damaged[at]! ^= 1 << (at % 8);
    if ((await faultOf(damaged)) === undefined) padding.add(at);
  }
  // Between the two handles and the magic number the footer has bytes that mean nothing.
  for (const at of padding) {
    expect(at).toBeGreaterThan(table.length - 48);
    expect(table[at]).toBe(0);
  }
});

it('tells a table that was not finished from a damaged one', async () => {
  expect(await faultOf(Buffer.alloc(0))).toMatchObject({ unfinished: true });
  expect(await faultOf(table.subarray(0, 5000))).toMatchObject({ unfinished: true });
  expect(await faultOf(table.subarray(4096))).toMatchObject({ unfinished: false });
});

it('makes out everything but what a flipped bit has hit', async () => {
  const expected = new Map(
    Array.from({ length: 60 }, (_, number) => [`key ${number}`, bytesOf(number, 300)]),
  );
  const path = join(directory, 'table.ldb');
  for (let at = 5; at < 18_000; at += 997) {
    const damaged = Buffer.from(table);
    damaged[at]! ^= 1 << (at % 8);
    await writeFile(path, damaged);
    const entries = await salvageTable(path);
    const sound = entries.filter(({ key, value }) => expected.get(key.toString())?.equals(value!));
    // A block holds about thirteen, and a flip in a length costs those behind it.
    expect(sound.length).toBeGreaterThanOrEqual(60 - 14);
  }
  await writeFile(path, bytesOf(1, 5000));
  expect(await salvageTable(path)).toEqual([]);
});
