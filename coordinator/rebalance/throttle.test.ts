import { expect, test } from 'vitest';
import {
  CONCURRENCY_DEFAULT,
  LATENCY_FACTOR,
  LATENCY_FLOOR_MS,
  LATENCY_REST_FACTOR,
  PULL_CONCURRENCY,
  RATE_AT_START,
  RATE_DECREASE,
  RATE_INCREASE,
  RATE_INCREASE_UNREAD,
  SETTLE_ADJUSTMENTS,
  THROTTLE_RATE_MIN,
} from './limits.ts';
import { Throttle } from './throttle.ts';

const MIB = 1024 * 1024;
const BASELINE_MS = 100;
const SLOW_MS = BASELINE_MS * LATENCY_FACTOR + 1;

const adjustTimes = (throttle: Throttle, times: number, p99Ms: number | null, rate = 100 * MIB) => {
  for (let time = 0; time < times; time++) throttle.adjust(p99Ms, rate);
};

const isBackingOff = ({ concurrency, bytesPerSecond }: Throttle, most = CONCURRENCY_DEFAULT) =>
  concurrency < most || Number.isFinite(bytesPerSecond);

/** Copies as fast as it may. */
const copyTimes = (throttle: Throttle, times: number, p99Ms: number | null) => {
  for (let time = 0; time < times; time++)
    throttle.adjust(p99Ms, Math.min(throttle.bytesPerSecond, 1000 * MIB));
};

/** Where reads have left it all there is. */
const atFullSpeed = (baselineMs: number) => {
  const throttle = new Throttle(baselineMs);
  adjustTimes(throttle, 700, baselineMs, 1);
  expect(isBackingOff(throttle)).toBe(false);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
  return throttle;
};

test('where there are reads it starts with one copy at a time, and slowly', () => {
  const throttle = new Throttle(BASELINE_MS);
  expect(throttle.concurrency).toBe(1);
  expect(throttle.chunksAtOnce).toBe(1);
  expect(throttle.bytesPerSecond).toBe(RATE_AT_START);
});

test('it begins with what reads are known to leave', () => {
  expect(new Throttle(BASELINE_MS, 40 * MIB).rateBesideReads).toBe(40 * MIB);
  expect(new Throttle(BASELINE_MS, 1).rateBesideReads).toBe(THROTTLE_RATE_MIN);
  const throttle = new Throttle(null, 40 * MIB);
  expect(throttle.rateBesideReads).toBeNull();
  throttle.adjust(BASELINE_MS, 100 * MIB);
  expect(throttle.rateBesideReads).toBe(40 * MIB * RATE_INCREASE);
});

test('where there are none it copies as fast as it can', () => {
  const throttle = new Throttle(null);
  expect(throttle.bytesPerSecondEach).toBeUndefined();
  adjustTimes(throttle, CONCURRENCY_DEFAULT, null);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
  expect(throttle.chunksAtOnce).toBe(PULL_CONCURRENCY);
  expect(isBackingOff(throttle)).toBe(false);
});

test('slow reads cost copies at a time and bytes a second, down to the least', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SLOW_MS, 100 * MIB);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT / 2);
  expect(throttle.bytesPerSecond).toBe(100 * MIB * RATE_DECREASE);
  copyTimes(throttle, 100, SLOW_MS);
  expect(throttle.concurrency).toBe(1);
  expect(throttle.bytesPerSecond).toBe(THROTTLE_RATE_MIN);
  expect(isBackingOff(throttle)).toBe(true);
});

test('what it did is given time to show before it does more', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SLOW_MS, 100 * MIB);
  const { bytesPerSecond } = throttle;
  copyTimes(throttle, SETTLE_ADJUSTMENTS - 1, SLOW_MS);
  expect(throttle.bytesPerSecond).toBe(bytesPerSecond);
  copyTimes(throttle, 1, SLOW_MS);
  expect(throttle.bytesPerSecond).toBeLessThan(bytesPerSecond);
});

test('it stays as it is while reads are neither fast nor slow', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SLOW_MS, 100 * MIB);
  const { bytesPerSecond } = throttle;
  copyTimes(throttle, 50, BASELINE_MS * LATENCY_FACTOR);
  copyTimes(throttle, 50, BASELINE_MS * LATENCY_REST_FACTOR + 1);
  expect(throttle.bytesPerSecond).toBe(bytesPerSecond);
});

test('a limit that is not reached is no limit: it counts from what is copied', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SLOW_MS, 20 * MIB);
  expect(throttle.bytesPerSecond).toBe(20 * MIB * RATE_DECREASE);
});

test('it goes back step by step, raising what is in the way, when reads are fast or there are none', () => {
  for (const [p99Ms, increase] of [
    [BASELINE_MS, RATE_INCREASE],
    [null, RATE_INCREASE_UNREAD],
  ] as const) {
    const throttle = atFullSpeed(BASELINE_MS);
    copyTimes(throttle, 100, SLOW_MS);
    throttle.adjust(p99Ms, THROTTLE_RATE_MIN);
    expect(throttle.bytesPerSecond).toBe(THROTTLE_RATE_MIN * increase);
    expect(throttle.concurrency).toBe(1);
    throttle.adjust(p99Ms, THROTTLE_RATE_MIN / 2);
    expect(throttle.bytesPerSecond).toBe(THROTTLE_RATE_MIN * increase);
    expect(throttle.concurrency).toBe(2);
    adjustTimes(throttle, 700, p99Ms, THROTTLE_RATE_MIN / 2);
    expect(isBackingOff(throttle)).toBe(false);
  }
});

test('reads that were slow before, or take hardly any time, are no reason to slow down', () => {
  const slow = atFullSpeed(1000);
  adjustTimes(slow, 5, 1000 * LATENCY_FACTOR);
  expect(isBackingOff(slow)).toBe(false);
  const fast = atFullSpeed(1);
  adjustTimes(fast, 5, LATENCY_FLOOR_MS * LATENCY_FACTOR);
  expect(isBackingOff(fast)).toBe(false);
  adjustTimes(fast, 1, LATENCY_FLOOR_MS * LATENCY_FACTOR + 1);
  expect(isBackingOff(fast)).toBe(true);
});

test('it says how the rate is likely to grow: not while reads are slow, and back to where it was when they are not', () => {
  const throttle = new Throttle(BASELINE_MS);
  expect(throttle.growthPerSecond).toBe(0);
  copyTimes(throttle, 1, BASELINE_MS);
  expect(throttle.growthPerSecond).toBeCloseTo(Math.log(RATE_INCREASE) / 2);
  throttle.setLimits({ bytesPerSecond: RATE_AT_START });
  copyTimes(throttle, 1, BASELINE_MS);
  expect(throttle.growthPerSecond).toBe(0);
  throttle.setLimits({});
  copyTimes(throttle, 1, BASELINE_MS);
  expect(throttle.growthPerSecond).toBeGreaterThan(0);
  const before = throttle.growthPerSecond;
  copyTimes(throttle, 1, SLOW_MS);
  expect(throttle.growthPerSecond).toBe(0);
  copyTimes(throttle, 1, BASELINE_MS);
  expect(throttle.growthPerSecond).toBeGreaterThan(before);
});

test('without a value from before, the first one seen is what reads are held to', () => {
  const throttle = new Throttle(null);
  adjustTimes(throttle, 3, null);
  expect(throttle.baselineMs).toBeNull();
  throttle.adjust(200, RATE_AT_START);
  expect(throttle.baselineMs).toBe(200);
  const { bytesPerSecond } = throttle;
  throttle.adjust(200 * LATENCY_FACTOR, RATE_AT_START);
  expect(throttle.bytesPerSecond).toBe(bytesPerSecond);
  throttle.adjust(200 * LATENCY_FACTOR + 1, RATE_AT_START);
  expect(throttle.bytesPerSecond).toBeLessThan(bytesPerSecond);
});

test("the operator's limits are shared by the copies and never exceeded", () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.setLimits({ bytesPerSecond: 20 * MIB, concurrency: 2 });
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecondEach).toBe(10 * MIB);
  copyTimes(throttle, 20, BASELINE_MS);
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecondEach! * throttle.concurrency).toBe(20 * MIB);
  // Reads may want less than the operator allows, and then get it.
  copyTimes(throttle, 9 * SETTLE_ADJUSTMENTS, SLOW_MS);
  expect(throttle.bytesPerSecondEach! * throttle.concurrency).toBeLessThan(20 * MIB);
});

test('a higher limit is reached at once, as reads allow it', () => {
  const throttle = new Throttle(null);
  throttle.setLimits({ concurrency: 1 });
  expect(throttle.concurrency).toBe(1);
  expect(isBackingOff(throttle, 1)).toBe(false);
  throttle.setLimits({ concurrency: 16 });
  adjustTimes(throttle, 15, null);
  expect(throttle.concurrency).toBe(16);
  throttle.setLimits({ concurrency: null });
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
});
