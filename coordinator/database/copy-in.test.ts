import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CopyWriter } from './copy-writer.ts';
import type { DatabaseHandle } from './database.ts';
import { ENGINES, openTestDatabase } from './test-support/engines.ts';

interface Row {
  readonly id: string;
  readonly note: string | null;
  readonly names: readonly string[];
  readonly small: number | null;
  readonly large: number | null;
  readonly ratio: number | null;
}

const STATEMENT = 'copy copied (id, note, names, small, large, ratio) from stdin (format binary)';

function encode(rows: readonly Row[], writer = new CopyWriter()): Uint8Array {
  writer.begin();
  for (const { id, note, names, small, large, ratio } of rows) {
    writer.row(6);
    writer.uuid(id);
    writer.text(note);
    writer.texts(names);
    writer.smallint(small);
    writer.integer(large);
    writer.float8(ratio);
  }
  return writer.finish();
}

const idOf = (number: number) => `0000000a-BCDE-7000-8000-${number.toString(16).padStart(12, '0')}`;
const plain = (number: number): Row => ({
  ...{ id: idOf(number), note: 'n', names: ['a'], small: 1, large: 2, ratio: 0.5 },
});

describe.each(ENGINES)('on %s', (engine) => {
  let handle: DatabaseHandle;
  const stored = async () =>
    (
      await sql<Row>`select id, note, names, small, large, ratio from copied order by id`.execute(
        handle.kysely,
      )
    ).rows;

  beforeAll(async () => {
    handle = await openTestDatabase(engine);
    await sql`create table copied (
      id uuid primary key, note text, names text[], small smallint, large integer, ratio float8 check (ratio < 1)
    )`.execute(handle.kysely);
  });
  afterAll(() => handle[Symbol.asyncDispose]());
  beforeEach(async () => {
    await sql`truncate copied`.execute(handle.kysely);
  });

  test('values of any kind arrive as they were, many at a time', async () => {
    const odd: Row[] = [
      { id: idOf(0), note: null, names: [], small: null, large: null, ratio: null },
      {
        id: idOf(1),
        note: '',
        names: ['', 'NULL', '{a,"b"}', '\\N\t\n'],
        small: -32_768,
        large: 2 ** 31 - 1,
        ratio: -1e-300,
      },
      {
        id: idOf(2),
        note: 'Ünïcödé 😀 שלום',
        names: ['é', '漢字'],
        small: 32_767,
        large: -(2 ** 31),
        ratio: 0.1,
      },
    ];
    const long = Array.from({ length: 3000 }, (_, number) => ({
      ...plain(number + 3),
      note: 'ä'.repeat(number % 700),
    }));
    const writer = new CopyWriter();
    await handle.copyIn(STATEMENT, encode(long, writer));
    // The same writer again, after it has grown.
    await handle.copyIn(STATEMENT, encode(odd, writer));
    const expected = [...odd, ...long].map((row) => ({ ...row, id: row.id.toLowerCase() }));
    expect(await stored()).toEqual(expected);
  });

  test('rows that are refused leave nothing, and what follows is answered', async () => {
    await handle.copyIn(STATEMENT, encode([plain(1)]));
    const same = handle.copyIn(STATEMENT, encode([plain(2), plain(1)]));
    const after = sql<{ one: number }>`select 1 as one`.execute(handle.kysely);
    await expect(same).rejects.toMatchObject({ code: '23505' });
    expect((await after).rows).toEqual([{ one: 1 }]);
    await expect(handle.copyIn(STATEMENT, encode([{ ...plain(3), ratio: 2 }]))).rejects.toMatchObject({
      code: '23514',
    });
    // Refused before the rows were looked at: they have to be passed over.
    const large = encode(Array.from({ length: 5000 }, (_, number) => plain(number + 10)));
    await expect(handle.copyIn('copy nowhere from stdin (format binary)', large)).rejects.toMatchObject({
      code: '42P01',
    });
    await expect(handle.copyIn(STATEMENT, large.subarray(0, 1000))).rejects.toMatchObject({ code: '22P04' });
    await handle.copyIn(STATEMENT, encode([plain(4)]));
    expect((await stored()).map(({ id }) => id)).toEqual([1, 4].map((number) => idOf(number).toLowerCase()));
  });

  test('what was written before it is there first, what comes after sees its rows', async () => {
    const turns = Array.from({ length: 20 }, async (_, number) => {
      await handle.copyIn(STATEMENT, encode([plain(number)]));
      const found = await sql`select id from copied where id = ${idOf(number)}::uuid`.execute(handle.kysely);
      return found.rows.length;
    });
    expect(await Promise.all(turns)).toEqual(turns.map(() => 1));
  });

  test('a database that is closed is unavailable', async () => {
    const closed = await openTestDatabase(engine);
    await closed[Symbol.asyncDispose]();
    await expect(closed.copyIn(STATEMENT, encode([plain(1)]))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
  });
});
