import { expect, test } from 'vitest';
import { forEachLimited } from './for-each-limited.ts';

test('every item has its turn, and no more than the limit at a time', async () => {
  let running = 0;
  let most = 0;
  const done: number[] = [];
  await forEachLimited([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    done.push(item);
  });
  expect(done.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(most).toBe(3);
  await forEachLimited([], 3, () => Promise.reject(new Error('never')));
});

test('the first failure is thrown after what was under way has ended, and nothing more is begun', async () => {
  const ended: number[] = [];
  const attempt = forEachLimited([1, 2, 3, 4], 2, async (item) => {
    if (item === 1) throw new Error('first');
    await new Promise((resolve) => setImmediate(resolve));
    ended.push(item);
  });
  await expect(attempt).rejects.toThrow('first');
  expect(ended).toEqual([2]);
});
