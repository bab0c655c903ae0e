import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { expect, test } from 'vitest';
import { openTestDatabase } from '../../database/test-support/engines.ts';
import { newMovieSchema } from '../schema.ts';
import { ImportRepository } from './import-repository.ts';
import { MovieCopies } from './movie-copy.ts';

test('nothing is written on behalf of whoever reads a movie first', async () => {
  await using handle = await openTestDatabase('pglite');
  const { kysely } = handle;
  const walBytes = async () => {
    const { rows } = await sql<{ bytes: number }>`
      select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint as bytes
    `.execute(kysely);
    return rows[0]!.bytes;
  };
  const repository = new ImportRepository(handle);
  const importId = uuidv7();
  await repository.begin(importId, 'keep-going');
  const rows = Array.from({ length: 500 }, () => {
    // Nothing that the log could compress.
    const fields = newMovieSchema.parse({ title: 'T', synopsis: randomBytes(300).toString('base64') });
    return { id: uuidv7(), identity: randomBytes(16).toString('hex'), imported: '0'.repeat(32), fields };
  });
  await repository.insert(new MovieCopies(importId).of(rows));
  await sql`checkpoint`.execute(kysely);
  const before = await walBytes();
  await sql`select count(title) from movies`.execute(kysely);
  // Their pages are 300 kB.
  expect((await walBytes()) - before).toBeLessThan(50_000);
});
