import { expect, test } from 'vitest';
import type { Cluster } from '../cluster/cluster.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import type { Leases } from '../database/leases.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import type { RepairRepository } from './repair-repository.ts';
import { Repairer } from './repairer.ts';

const LEASE_MS = 1000;
const { signal } = new AbortController();

/** Of a cluster in which nothing is to be done. */
function open() {
  const clock = new ManualClock(Date.now());
  const database = { isFree: true, asked: 0, looks: 0 };
  const repairer = new Repairer({
    clock,
    logger: silentLogger,
    leaseMs: LEASE_MS,
    leases: {
      acquire: async () => {
        database.asked += 1;
        return database.isFree;
      },
      renew: async () => database.isFree,
      release: async () => {},
    } as unknown as Leases,
    repository: {
      due: async () => {
        database.looks += 1;
        return { ranges: [], now: new Date(), namedUntil: new Date() };
      },
    } as unknown as RepairRepository,
    cluster: { state: { base: { rangeCount: 4 } } } as unknown as Cluster,
    inventory: {} as NodeInventory,
    objects: { chunksBetween: async () => [], chunksWithin: async () => [] },
    onEvent: () => {},
  });
  return { clock, database, repairer };
}

test('an idle coordinator asks for its lease anew only when half of it is over', async () => {
  const { clock, database, repairer } = open();
  for (let round = 0; round < 5; round++) {
    await repairer.runOnce(signal);
    await clock.advance(LEASE_MS / 5);
  }
  expect(database).toMatchObject({ looks: 5, asked: 2 });
});

test('a coordinator whose lease went to another does nothing until it has it again', async () => {
  const { clock, database, repairer } = open();
  await repairer.runOnce(signal);
  await clock.advance(LEASE_MS / 2);
  database.isFree = false;
  await repairer.runOnce(signal);
  await repairer.runOnce(signal);
  expect(database).toMatchObject({ looks: 1, asked: 3 });
  database.isFree = true;
  await repairer.runOnce(signal);
  expect(database).toMatchObject({ looks: 2, asked: 4 });
});
