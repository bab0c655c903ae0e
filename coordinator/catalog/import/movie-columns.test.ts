import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../../database/test-support/engines.ts';
import { newMovieSchema } from '../schema.ts';
import { columnsOf } from './movie-columns.ts';

test('names of any kind come out of the columns as they went in', async () => {
  await using handle = await openTestDatabase('pglite');
  const lists = [[], ['Ann Lee'], ['{a,b}', 'NULL', ''], ['"', '\\', 'a "b" \\"c\\"'], ['Bo Ek', 'É, "x"']];
  const rows = lists.map((directors) => ({
    id: '00000000-0000-7000-8000-000000000001',
    identity: '0'.repeat(32),
    imported: '0'.repeat(32),
    fields: { ...newMovieSchema.parse({ title: 'T' }), directors },
  }));
  const result = await sql<{ names: string[] }>`
    select names::text[] from unnest(${columnsOf(rows).directors}::text[]) as t (names)
  `.execute(handle.kysely);
  expect(result.rows.map(({ names }) => names)).toEqual(lists);
});
