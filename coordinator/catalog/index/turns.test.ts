import { expect, test } from 'vitest';
import { TURN_MS } from '../limits.ts';
import { TurnQueue, Turns } from './turns.ts';

/** Keeps the thread for a turn. */
function work(): void {
  const endMs = performance.now() + TURN_MS;
  while (performance.now() < endMs);
}

test('who has worked least comes first', async () => {
  const queue = new TurnQueue();
  const order: number[] = [];
  const waits = [300, 100, 200].map((spentMs) => queue.wait(spentMs).then(() => order.push(spentMs)));
  await Promise.all(waits);
  expect(order).toEqual([100, 200, 300]);
});

test('between two pieces of work, whoever works, others have their turn', async () => {
  const queue = new TurnQueue();
  const trace: string[] = [];
  const search = async (name: string) => {
    const turns = new Turns(queue);
    await turns.begin();
    for (let piece = 0; piece < 3; piece++) {
      work();
      trace.push(name);
      await turns.pause();
    }
  };
  let looks = 0;
  let isDone = false;
  const look = () => {
    if (isDone) return;
    looks += 1;
    trace.push('-');
    setImmediate(look);
  };
  setImmediate(look);
  await Promise.all([search('a'), search('b')]);
  isDone = true;
  expect(trace.join('')).not.toMatch(/[ab][ab]/);
  expect(looks).toBeGreaterThanOrEqual(5);
});

test('a search that has worked for less than a turn goes on', async () => {
  const turns = new Turns(new TurnQueue());
  await turns.begin();
  expect(turns.pause()).toBeUndefined();
  work();
  expect(turns.pause()).toBeInstanceOf(Promise);
});
