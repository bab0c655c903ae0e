import { expect, test } from 'vitest';
import { ManualClock } from '../cluster/test-support/manual-clock.ts';
import { RecentLatency } from './recent-latency.ts';

test('says the 99th percentile of the window, and nothing of too few samples', async () => {
  const clock = new ManualClock(0);
  const latency = new RecentLatency(clock, { windowMs: 10_000, samplesMax: 500 });
  for (let sample = 1; sample <= 100; sample++) latency.add(sample);
  expect(latency.p99(100)).toBe(100);
  expect(latency.p99(101)).toBeNull();
  await clock.advance(10_001);
  expect(latency.p99(1)).toBeNull();
  latency.add(7);
  expect(latency.p99(1)).toBe(7);
});

test('keeps the latest samples when there are more than it holds', () => {
  const latency = new RecentLatency(new ManualClock(0), { windowMs: 10_000, samplesMax: 10 });
  for (let sample = 1; sample <= 25; sample++) latency.add(sample);
  expect(latency.p99(10)).toBe(25);
  expect(latency.p99(11)).toBeNull();
});

test('what has just changed shows soon when there are many samples', async () => {
  const clock = new ManualClock(0);
  const latency = new RecentLatency(clock, { windowMs: 9000, samplesMax: 500 });
  for (let sample = 0; sample < 100; sample++) latency.add(50);
  await clock.advance(4000);
  for (let sample = 0; sample < 20; sample++) latency.add(5);
  expect(latency.p99(100, 21)).toBe(50);
  expect(latency.p99(100, 20)).toBeNull();
  expect(latency.p99(20, 20)).toBe(5);
});
