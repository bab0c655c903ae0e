import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { installedBin, type PostgresSource, TestPostgres } from './support/postgres.ts';

const sources: PostgresSource[] = ['embedded'];
if (installedBin() !== undefined) sources.unshift('installed');

describe.each(sources)('the PostgreSQL of the tests, %s', (source) => {
  test('starts, keeps its data over a restart, and leaves nothing behind', async () => {
    const postgres = await TestPostgres.open(source);
    const url = await postgres.createDatabase();
    await query(url, 'create table kept (value text)');
    await query(url, `insert into kept values ('here')`);
    await postgres.stop();
    await expect(query(url, 'select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
    await postgres.start();
    expect(await query(url, 'select value from kept')).toEqual([{ value: 'here' }]);
    expect(await query(await postgres.createDatabase(), `select to_regclass('kept') as found`)).toEqual([
      { found: null },
    ]);
    await postgres[Symbol.asyncDispose]();
    await expect(query(url, 'select 1')).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  });
});

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
