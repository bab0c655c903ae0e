import { expect, test } from 'vitest';
import {
  BLIP_ADJUSTMENTS,
  CONCURRENCY_DEFAULT,
  HELD_ROOM_MIN,
  LATENCY_EXTREME_FACTOR,
  LATENCY_FACTOR,
  LATENCY_FLOOR_MS,
  LATENCY_REST_FACTOR,
  PACE_OF_FOUND,
  PULL_CONCURRENCY,
  RATE_AT_START,
  RATE_DECREASE,
  RATE_DECREASE_SEVERE,
  RATE_INCREASE,
  RATE_INCREASE_NEW,
  RATE_INCREASE_UNREAD,
  SETTLE_ADJUSTMENTS,
  THROTTLE_RATE_MIN,
  UNREAD_ADJUSTMENTS,
} from './limits.ts';
import { Throttle } from './throttle.ts';

const MIB = 1024 * 1024;
const BASELINE_MS = 100;
const SLOW_MS = BASELINE_MS * LATENCY_FACTOR + 1;
const SEVERE_MS = BASELINE_MS * LATENCY_EXTREME_FACTOR + 1;

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
  expect(throttle.rateBesideReads).toBe(40 * MIB * RATE_INCREASE_NEW);
});

test('where there are none it copies as fast as it can', () => {
  const throttle = new Throttle(null);
  expect(throttle.bytesPerSecondEach(4)).toBeUndefined();
  adjustTimes(throttle, CONCURRENCY_DEFAULT, null);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT);
  expect(throttle.chunksAtOnce).toBe(PULL_CONCURRENCY);
  expect(isBackingOff(throttle)).toBe(false);
});

test('slow reads cost bytes a second, very slow ones copies at a time too, down to the least', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SEVERE_MS, 100 * MIB);
  expect(throttle.concurrency).toBe(CONCURRENCY_DEFAULT / 2);
  expect(throttle.bytesPerSecond).toBe(100 * MIB * RATE_DECREASE_SEVERE);
  copyTimes(throttle, 100, SEVERE_MS);
  expect(throttle.concurrency).toBe(1);
  expect(throttle.bytesPerSecond).toBe(THROTTLE_RATE_MIN);
  expect(isBackingOff(throttle)).toBe(true);
  const slow = atFullSpeed(BASELINE_MS);
  // What a single moment leaves behind is not worth it.
  adjustTimes(slow, BLIP_ADJUSTMENTS, SLOW_MS);
  expect(isBackingOff(slow)).toBe(false);
  adjustTimes(slow, 1, SLOW_MS);
  expect(slow.bytesPerSecond).toBe(100 * MIB * RATE_DECREASE);
  expect(slow.hasHeldBack).toBe(false);
});

test('what it did is given time to show before it does more', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SEVERE_MS, 100 * MIB);
  const { bytesPerSecond } = throttle;
  copyTimes(throttle, SETTLE_ADJUSTMENTS - 1, SEVERE_MS);
  expect(throttle.bytesPerSecond).toBe(bytesPerSecond);
  copyTimes(throttle, 1, SEVERE_MS);
  expect(throttle.bytesPerSecond).toBeLessThan(bytesPerSecond);
});

test('it stays as it is while reads are neither fast nor slow', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SEVERE_MS, 100 * MIB);
  const { bytesPerSecond } = throttle;
  copyTimes(throttle, 50, BASELINE_MS * LATENCY_FACTOR);
  copyTimes(throttle, 50, BASELINE_MS * LATENCY_REST_FACTOR + 1);
  expect(throttle.bytesPerSecond).toBe(bytesPerSecond);
});

test('a limit that is not reached is no limit: it counts from what is copied', () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.adjust(SEVERE_MS, 20 * MIB);
  expect(throttle.bytesPerSecond).toBe(20 * MIB * RATE_DECREASE_SEVERE);
});

test('it goes back step by step, raising what is in the way, when reads are fast or there are none', () => {
  for (const [p99Ms, increase] of [
    [BASELINE_MS, RATE_INCREASE],
    [null, RATE_INCREASE_UNREAD],
  ] as const) {
    const throttle = atFullSpeed(BASELINE_MS);
    copyTimes(throttle, 100, SEVERE_MS);
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
  adjustTimes(fast, 1, LATENCY_FLOOR_MS * LATENCY_EXTREME_FACTOR + 1);
  expect(isBackingOff(fast)).toBe(true);
});

test('a rate that it is to hold it holds, whatever more reads would leave', () => {
  const throttle = new Throttle(BASELINE_MS);
  throttle.hold(10 * MIB);
  copyTimes(throttle, 50, BASELINE_MS);
  expect(throttle.bytesPerSecond).toBe(10 * MIB);
  throttle.setLimits({ bytesPerSecond: MIB });
  expect(throttle.bytesPerSecond).toBe(MIB);
  throttle.setLimits({});
  throttle.hold(null);
  expect(throttle.bytesPerSecond).toBeLessThan(RATE_AT_START + 1);
});

test('of a rate that it holds, reads that are a little slow get a little, and very slow ones what they need', () => {
  const throttle = new Throttle(BASELINE_MS, 100 * MIB);
  throttle.hold(80 * MIB);
  copyTimes(throttle, 1, SLOW_MS);
  expect(throttle.bytesPerSecond).toBe(80 * MIB);
  copyTimes(throttle, 9 * SETTLE_ADJUSTMENTS, SLOW_MS);
  expect(throttle.bytesPerSecond).toBe(80 * MIB * HELD_ROOM_MIN);
  copyTimes(throttle, 9 * SETTLE_ADJUSTMENTS, SEVERE_MS);
  expect(throttle.bytesPerSecond).toBe(THROTTLE_RATE_MIN);
  expect(throttle.rateBesideReads).toBeLessThan(80 * MIB);
  copyTimes(throttle, 60, BASELINE_MS);
  expect(throttle.bytesPerSecond).toBe(80 * MIB);
});

test('reads have ceased when there were none for a while, not when they are few for a moment', () => {
  const throttle = new Throttle(BASELINE_MS);
  throttle.hold(10 * MIB);
  adjustTimes(throttle, UNREAD_ADJUSTMENTS - 1, null);
  expect(throttle.isRead).toBe(true);
  adjustTimes(throttle, 1, null);
  expect(throttle.isRead).toBe(false);
  expect(throttle.bytesPerSecond).toBe(10 * MIB);
  copyTimes(throttle, 1, BASELINE_MS);
  expect(throttle.isRead).toBe(true);
});

test('what copies made no use of was not found', () => {
  const throttle = new Throttle(BASELINE_MS, 100 * MIB);
  throttle.hold(17 * MIB);
  expect(throttle.rateBesideReads).toBe((17 * MIB) / PACE_OF_FOUND);
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
  throttle.adjust(200 * LATENCY_EXTREME_FACTOR + 1, RATE_AT_START);
  expect(throttle.bytesPerSecond).toBeLessThan(bytesPerSecond);
});

test("the operator's limits are shared by the copies and never exceeded", () => {
  const throttle = atFullSpeed(BASELINE_MS);
  throttle.setLimits({ bytesPerSecond: 20 * MIB, concurrency: 2 });
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecondEach(4)).toBe(10 * MIB);
  // The last one of all has nobody to share with.
  expect(throttle.bytesPerSecondEach(1)).toBe(20 * MIB);
  copyTimes(throttle, 20, BASELINE_MS);
  expect(throttle.concurrency).toBe(2);
  expect(throttle.bytesPerSecond).toBe(20 * MIB);
  // Reads may want less than the operator allows, and then get it.
  copyTimes(throttle, 9 * SETTLE_ADJUSTMENTS, SLOW_MS);
  expect(throttle.bytesPerSecond).toBeLessThan(20 * MIB);
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
