import { writeSync } from 'node:fs';
import { openDatabase } from '../database.ts';
import { silentLogger } from './silent-logger.ts';

/*
 * Run as a process of its own: inserts rows one by one and prints each name once its insert is acknowledged.
 * Only a kill ends it.
 */
const { kysely } = await openDatabase({ dataDir: process.argv[2]!, logger: silentLogger });
writeSync(1, 'open\n');
for (let row = 0; ; row++) {
  await kysely
    .insertInto('leases')
    .values({ name: `row-${row}`, holder: 'test', expires_at: new Date() })
    .execute();
  writeSync(1, `row-${row}\n`);
}
