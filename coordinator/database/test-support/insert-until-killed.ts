import { writeSync } from 'node:fs';
import { sql } from 'kysely';
import { openDatabase } from '../database.ts';
import { silentLogger } from './silent-logger.ts';

/*
 * Run as a process of its own: inserts rows one by one and prints each name once its insert is acknowledged.
 * Only a kill ends it. With a second argument it inserts one row and has the database compute for seconds.
 */
const { kysely } = await openDatabase({ dataDir: process.argv[2]!, logger: silentLogger });
writeSync(1, 'open\n');
for (let row = 0; ; row++) {
  await kysely
    .insertInto('leases')
    .values({ name: `row-${row}`, holder: 'test', expires_at: new Date() })
    .execute();
  writeSync(1, `row-${row}\n`);
  if (process.argv[3] !== undefined) {
    const computed = sql`select count(*) from generate_series(1, 4000000) as n where n % 7 = 3`.execute(
      kysely,
    );
    // Time for the statement to arrive.
    setTimeout(() => writeSync(1, 'computing\n'), 200);
    await computed;
  }
}
