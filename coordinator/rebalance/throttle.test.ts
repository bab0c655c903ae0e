import { expect, test } from 'vitest';
import { CONCURRENCY_DEFAULT, LATENCY_FACTOR, LATENCY_FLOOR_MS, THROTTLE_RATE_MIN } from './limits.ts';
import { Throttle } from './throttle.ts';

const MIB = 1024 * 1024;
const BASELINE_MS = 100;
const SLOW_MS = BASELINE_MS * LATENCY_FACTOR + 1;

const adjustTimes = (throttle: Throttle, times: number, p99Ms: number | null, rate = 100 * MIB) => {
  for (let time = 0; time < times; time++) throttle.adjust(p99Ms, rate);
};

test('it starts with the usual number of copies and no limit to each', () => {
  const throttle = new Throttle(BASELINE_MS);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
  expect(throttle.bytesPerSecondEach).toBeUndefined();
  expect(throttle.isBackingOff).toBe(false);
});

test('slow reads cost first copies at a time, then bytes a second, down to the least', () => {
  const throttle = new Throttle(BASELINE_MS);
  const seen: number[] = [];
  while (throttle.bytesPerSecondEach === undefined) {
    throttle.adjust(SLOW_MS, 100 * MIB);
    seen.push(throttle.concurrency);
  }
  expect(seen).toEqual([2, 1, 1]);
  expect(throttle.bytesPerSecondEach).toBe(50 * MIB);
  throttle.adjust(SLOW_MS, 50 * MIB);
  expect(throttle.bytesPerSecondEach).toBe(25 * MIB);
  adjustTimes(throttle, 20, SLOW_MS);
  expect(throttle.bytesPerSecondEach).toBe(THROTTLE_RATE_MIN);
  expect(throttle.isBackingOff).toBe(true);
});

test('it goes back the same way, step by step, when reads are fast or there are none', () => {
  for (const p99Ms of [BASELINE_MS, null]) {
    const throttle = new Throttle(BASELINE_MS);
    adjustTimes(throttle, 4, SLOW_MS);
    const slowed = throttle.bytesPerSecondEach!;
    throttle.adjust(p99Ms, MIB);
    expect(throttle.bytesPerSecondEach).toBe(slowed * 1.25);
    expect(throttle.concurrency).toBe(1);
    adjustTimes(throttle, 40, p99Ms);
    expect(throttle.bytesPerSecondEach).toBeUndefined();
    expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
    expect(throttle.isBackingOff).toBe(false);
  }
});

test('reads that were slow before, or take hardly any time, are no reason to slow down', () => {
  const slow = new Throttle(1000);
  adjustTimes(slow, 5, 1000 * LATENCY_FACTOR);
  expect(slow.isBackingOff).toBe(false);
  const fast = new Throttle(1);
  adjustTimes(fast, 5, LATENCY_FLOOR_MS * LATENCY_FACTOR);
  expect(fast.isBackingOff).toBe(false);
  adjustTimes(fast, 1, LATENCY_FLOOR_MS * LATENCY_FACTOR + 1);
  expect(fast.isBackingOff).toBe(true);
});

test('without a value from before, the first one seen is what reads are held to', () => {
  const throttle = new Throttle(null);
  adjustTimes(throttle, 3, null);
  expect(throttle.baselineMs).toBeNull();
  throttle.adjust(200, MIB);
  expect(throttle.baselineMs).toBe(200);
  throttle.adjust(200 * LATENCY_FACTOR, MIB);
  expect(throttle.isBackingOff).toBe(false);
  throttle.adjust(200 * LATENCY_FACTOR + 1, MIB);
  expect(throttle.isBackingOff).toBe(true);
});

test("the operator's limits are shared by the copies and never exceeded", () => {
  const throttle = new Throttle(BASELINE_MS);
  throttle.setLimits({ bytesPerSecond: 20 * MIB, concurrency: 2 });
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecondEach).toBe(10 * MIB);
  adjustTimes(throttle, 20, BASELINE_MS);
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecondEach! * throttle.concurrency).toBe(20 * MIB);
  // Reads may want less than the operator allows, and then get it.
  adjustTimes(throttle, 3, SLOW_MS, 16 * MIB);
  expect(throttle.bytesPerSecondEach! * throttle.concurrency).toBeLessThan(20 * MIB);
});

test('a higher limit is reached at once, as reads allow it', () => {
  const throttle = new Throttle(BASELINE_MS);
  throttle.setLimits({ concurrency: 1 });
  expect(throttle.concurrency).toBe(1);
  expect(throttle.isBackingOff).toBe(false);
  throttle.setLimits({ concurrency: 16 });
  adjustTimes(throttle, 15, null);
  expect(throttle.concurrency).toBe(16);
  throttle.setLimits({ concurrency: null });
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
});
