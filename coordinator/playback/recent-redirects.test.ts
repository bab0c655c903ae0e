import { expect, test } from 'vitest';
import { REDIRECT_MEMORY_MS, REMEMBERED_REDIRECTS_MAX } from './limits.ts';
import { RecentRedirects } from './recent-redirects.ts';

test('what happened a moment ago is counted, and forgotten after a while', () => {
  let nowMs = 1_000_000;
  const recent = new RecentRedirects({ monotonicMs: () => nowMs });
  const happens = (name: string) => recent.add(name, recent.count(name));
  happens('a');
  happens('a');
  happens('b');
  nowMs += REDIRECT_MEMORY_MS / 2 - 1;
  expect(['a', 'b', 'c'].map((name) => recent.count(name))).toEqual([2, 1, 0]);
  nowMs += 1;
  happens('a');
  expect(recent.count('a')).toBe(3);
  nowMs += REDIRECT_MEMORY_MS / 2;
  expect(['a', 'b'].map((name) => recent.count(name))).toEqual([3, 0]);
  nowMs += REDIRECT_MEMORY_MS;
  expect(recent.count('a')).toBe(0);
});

test('no more than so many are remembered, the latest for certain', () => {
  const recent = new RecentRedirects({ monotonicMs: () => 5 });
  for (let index = 0; index < REMEMBERED_REDIRECTS_MAX * 2; index++) recent.add(`${index}`, 0);
  const known = Array.from({ length: REMEMBERED_REDIRECTS_MAX * 2 }, (_, index) => recent.count(`${index}`));
  expect(known.filter((count) => count > 0).length).toBeLessThanOrEqual(REMEMBERED_REDIRECTS_MAX);
  expect(known.slice(-REMEMBERED_REDIRECTS_MAX / 2).every((count) => count === 1)).toBe(true);
});
