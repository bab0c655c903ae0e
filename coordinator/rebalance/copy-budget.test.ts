import { expect, test } from 'vitest';
import { CopyBudget } from './copy-budget.ts';
import { COPY_CREDIT_MS } from './limits.ts';

test('copies that are short together keep to the rate', () => {
  const budget = new CopyBudget();
  let nowMs = 5000;
  let copied = 0;
  while (nowMs < 15_000) {
    nowMs += budget.waitMs(nowMs);
    budget.spend(8, 16, nowMs);
    copied += 8;
    nowMs += 1;
  }
  expect(copied).toBeGreaterThanOrEqual(160);
  expect(copied).toBeLessThanOrEqual(168);
});

test('what was not used is saved up for a moment only, and without a limit nothing waits', () => {
  const budget = new CopyBudget();
  budget.spend(1000, 1000, 0);
  expect(budget.waitMs(400)).toBe(600);
  // Half a second late is made up for; a minute is not.
  budget.spend(1000, 1000, 1500);
  expect(budget.waitMs(1500)).toBe(500);
  expect(budget.waitMs(60_000)).toBe(0);
  budget.spend(COPY_CREDIT_MS + 500, 1000, 60_000);
  expect(budget.waitMs(60_000)).toBe(500);
  budget.spend(1_000_000, Number.POSITIVE_INFINITY, 61_000);
  expect(budget.waitMs(61_000)).toBe(0);
});
