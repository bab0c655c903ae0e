import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { WorkerService, type WorkerServiceOptions } from './worker-service.ts';

test('after the database was away, workers have the length of a lease to be heard again', async () => {
  const log: string[] = [];
  const held = Promise.withResolvers<void>();
  let looks = 0;
  const tasks = {
    leaseMs: 20,
    overdue: async () => {
      looks += 1;
      log.push(looks === 3 ? 'fails' : 'looks');
      if (looks === 3) throw new Error('the database is away');
      return { lost: looks > 3 ? [{ id: 'task', fence: 1 }] : [], hasDue: false };
    },
    hold: async () => {
      log.push('takes');
      held.resolve();
      return null;
    },
  };
  await using service = new WorkerService({
    ...{ tasks, clock: systemClock, logger: silentLogger },
    inTransaction: (work: (transaction: never) => Promise<unknown>) => work(undefined as never),
  } as unknown as WorkerServiceOptions);
  service.start();
  await held.promise;
  // Before anything is taken it is looked twice, a lease apart.
  expect(log.slice(0, 6)).toEqual(['looks', 'looks', 'fails', 'looks', 'looks', 'takes']);
});
