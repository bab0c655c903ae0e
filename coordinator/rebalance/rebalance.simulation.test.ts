import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseHandle } from '../database/database.ts';
import { openTestDatabase } from '../database/test-support/engines.ts';
import { History } from './test-support/history.ts';

/** How many histories to run, and from which seed on. */
const RUNS = Number(process.env.SIMULATION_RUNS ?? 4);
const SEED = Number(process.env.SIMULATION_SEED ?? 1);

let database: DatabaseHandle;
beforeAll(async () => {
  database = await openTestDatabase('pglite');
});
afterAll(() => database[Symbol.asyncDispose]());

test.each(Array.from({ length: RUNS }, (_, index) => SEED + index))(
  'nothing acknowledged is lost and nobody is misled, whatever happens while ranges change hands: history %i',
  async (seed) => {
    for (const table of ['rebalance_copies', 'rebalances', 'ring', 'layouts', 'nodes'] as const) {
      await database.kysely.deleteFrom(table).execute();
    }
    for (const table of ['coordinators', 'leases', 'chunks', 'objects', 'cluster'] as const) {
      await database.kysely.deleteFrom(table).execute();
    }
    const history = await History.run(database, seed);
    expect(history.violations, history.story).toEqual([]);
    if (process.env.SIMULATION_TELL) console.log(`${seed}: ${history.summary}`);
  },
);
