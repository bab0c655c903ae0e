import { expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import type { TaskKind } from '../../lib/worker-api/tasks.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { LeaseDesk } from './lease-desk.ts';
import type { LeasedTask } from './task-repository.ts';

function setUp() {
  const queue: LeasedTask[] = [];
  const asked: string[] = [];
  const returned: LeasedTask[] = [];
  const desk = new LeaseDesk({
    claim: async ({ name }, kinds) => {
      asked.push(name);
      await Promise.resolve();
      const place = queue.findIndex(({ kind }) => kinds === null || kinds.includes(kind));
      return place < 0 ? null : queue.splice(place, 1)[0]!;
    },
    giveBack: async (task) => void returned.push(task),
    clock: systemClock,
    logger: silentLogger,
    waitingMax: 10,
  });
  const gone = new AbortController();
  const wait = (name: string, kinds: readonly TaskKind[] | null = null, waitMs = 60_000) =>
    desk.take({ worker: { id: name, name, concurrency: 1 }, kinds, waitMs, signal: gone.signal });
  const add = (kind: TaskKind) => void queue.push({ id: kind, kind } as LeasedTask);
  return { desk, wait, add, asked, returned, gone };
}

test('the first who waits gets what comes, and who takes some kinds only goes before', async () => {
  const { desk, wait, add } = setUp();
  const [first, second, express] = [wait('first'), wait('second'), wait('express', ['inspect'])];
  await expect.poll(() => desk.waiting).toBe(3);
  add('encode');
  add('inspect');
  desk.wake();
  expect((await express)?.id).toBe('inspect');
  expect((await first)?.id).toBe('encode');
  add('audio');
  desk.wake();
  expect((await second)?.id).toBe('audio');
});

test('many who wait ask once', async () => {
  const { desk, wait, asked } = setUp();
  const waiting = Array.from({ length: 9 }, (_, index) => wait(`worker-${index}`));
  await expect.poll(() => desk.waiting).toBe(9);
  await new Promise(setImmediate);
  asked.length = 0;
  desk.wake();
  await expect.poll(() => asked.length).toBe(1);
  desk.close();
  expect(await Promise.all(waiting)).toEqual(Array(9).fill(null));
});

test('who has waited long enough goes without', async () => {
  const { wait, desk } = setUp();
  expect(await wait('patient', null, 1)).toBeNull();
  expect(desk.waiting).toBe(0);
});

test('a task that was claimed for one who has gone is given back', async () => {
  const { wait, add, returned, gone } = setUp();
  add('encode');
  const waiting = wait('unsteady');
  gone.abort();
  expect(await waiting).toBeNull();
  await expect.poll(() => returned.map(({ id }) => id)).toEqual(['encode']);
});
