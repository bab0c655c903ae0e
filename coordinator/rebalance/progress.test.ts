import { describe, expect, test } from 'vitest';
import { ProgressEstimate, type Work } from './progress.ts';
import { Random } from './test-support/random.ts';

const MIB = 1024 * 1024;
const TICK_MS = 1000;

interface Profile {
  /** Bytes of each range, in the order in which they are copied. */
  readonly ranges: readonly number[];
  /** What a range takes beside its bytes. */
  readonly rangeMs: number;
  readonly concurrency: number;
  /** Bytes a second of all copies together, by the time that has been worked. */
  readonly rate: (workedMs: number) => number;
  /** Nothing is copied from then on for so long, by the clock. */
  readonly pause?: { readonly atMs: number; readonly forMs: number };
}

interface Reading {
  readonly nowMs: number;
  /** Working time that is really left. */
  readonly leftMs: number;
  readonly saidMs: number | null;
  readonly share: number;
}

/** Copies the ranges, a few at a time, in small steps, and notes what the estimate says every second. */
function simulate({ ranges, rangeMs, concurrency, rate, pause }: Profile): Reading[] {
  const stepMs = 10;
  const estimate = new ProgressEstimate();
  const waiting = [...ranges];
  const running: { bytes: number; left: number; overheadMs: number; startMs: number }[] = [];
  const total: Work = { bytes: ranges.reduce((sum, bytes) => sum + bytes, 0), copies: ranges.length };
  let done = { bytes: 0, copies: 0 };
  const readings: { nowMs: number; workedMs: number; saidMs: number | null; share: number }[] = [];
  let workedMs = 0;
  let nowMs = 0;
  for (; waiting.length + running.length > 0; nowMs += stepMs) {
    const isPaused = pause !== undefined && nowMs >= pause.atMs && nowMs < pause.atMs + pause.forMs;
    if (nowMs % TICK_MS === 0) {
      const partial = running.reduce((sum, { bytes, left }) => sum + bytes - left, 0);
      const present = { bytes: done.bytes + partial, copies: done.copies };
      estimate.update(nowMs, present, !isPaused);
      const left = { bytes: total.bytes - present.bytes, copies: total.copies - present.copies };
      const seconds = estimate.secondsLeft(left);
      const saidMs = seconds === null ? null : seconds * 1000;
      readings.push({ nowMs, workedMs, saidMs, share: 0 });
    }
    if (isPaused) continue;
    while (running.length < concurrency && waiting.length > 0) {
      const bytes = waiting.shift()!;
      running.push({ bytes, left: bytes, overheadMs: rangeMs, startMs: nowMs });
    }
    const moving = running.filter(({ overheadMs }) => overheadMs <= 0).length;
    const each = moving === 0 ? 0 : ((rate(workedMs) / moving) * stepMs) / 1000;
    for (const copy of running) {
      if (copy.overheadMs > 0) copy.overheadMs -= stepMs;
      else copy.left = Math.max(0, copy.left - each);
    }
    for (const copy of running.filter(({ left, overheadMs }) => left <= 0 && overheadMs <= 0)) {
      running.splice(running.indexOf(copy), 1);
      done = { bytes: done.bytes + copy.bytes, copies: done.copies + 1 };
      estimate.addCopy(copy.bytes, nowMs - copy.startMs);
    }
    workedMs += stepMs;
  }
  return readings.map((reading) => ({
    ...reading,
    leftMs: workedMs - reading.workedMs,
    share: reading.workedMs / workedMs,
  }));
}

/** Largest error of the readings, as a share of the truth, with a second for the last moments. */
function worstError(readings: readonly Reading[]): number {
  return Math.max(
    ...readings.map(({ leftMs, saidMs }) => Math.max(0, Math.abs(saidMs! - leftMs) - TICK_MS) / leftMs),
  );
}

const random = new Random(7);
const shuffled = (sizes: readonly number[]) =>
  sizes
    .map((size) => ({ size, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ size }) => size);
const steady = () => 20 * MIB;
const usual = { rangeMs: 100, concurrency: 4, rate: steady };

describe('after the first tenth, the time left is known to within 15%', () => {
  test.each<[string, Profile]>([
    ['equal ranges', { ...usual, ranges: new Array(400).fill(4 * MIB) }],
    [
      'ranges of very unequal sizes',
      { ...usual, ranges: shuffled(Array.from({ length: 400 }, (_, i) => (i % 10 === 0 ? 30 : 1) * MIB)) },
    ],
    [
      'ranges that are mostly empty',
      { ...usual, ranges: shuffled(Array.from({ length: 2000 }, (_, i) => (i % 20 === 0 ? 20 * MIB : 0))) },
    ],
    ['ranges that are all empty', { ...usual, ranges: new Array(2000).fill(0) }],
    [
      'a pause in the middle',
      { ...usual, ranges: new Array(400).fill(4 * MIB), pause: { atMs: 40_000, forMs: 100_000 } },
    ],
  ])('%s', (_, profile) => {
    const readings = simulate(profile).filter(({ share, leftMs }) => share >= 0.1 && leftMs > 0);
    expect(readings.length).toBeGreaterThan(20);
    expect(worstError(readings)).toBeLessThan(0.15);
  });
});

test('a change of pace is believed within a minute', () => {
  for (const [before, after] of [
    [40, 10],
    [10, 40],
  ] as const) {
    const changeMs = 100_000;
    const readings = simulate({
      ...usual,
      ranges: new Array(1200).fill(4 * MIB),
      rate: (workedMs) => (workedMs < changeMs ? before : after) * MIB,
    });
    const later = readings.filter(({ nowMs, leftMs }) => nowMs > changeMs + 60_000 && leftMs > 0);
    expect(later.length).toBeGreaterThan(20);
    expect(worstError(later)).toBeLessThan(0.15);
  }
});

test('before there is anything to go by it says nothing', () => {
  const estimate = new ProgressEstimate();
  expect(estimate.secondsLeft({ bytes: 1, copies: 1 })).toBeNull();
  expect(estimate.bytesPerSecond).toBeNull();
  estimate.update(0, { bytes: 0, copies: 0 }, true);
  expect(estimate.secondsLeft({ bytes: 1, copies: 1 })).toBeNull();
  expect(estimate.bytesPerSecond).toBeNull();
});

test('while nothing has moved at all there is no end in sight', () => {
  const estimate = new ProgressEstimate();
  for (let nowMs = 0; nowMs < 10_000; nowMs += TICK_MS) estimate.update(nowMs, { bytes: 0, copies: 0 }, true);
  expect(estimate.secondsLeft({ bytes: MIB, copies: 1 })).toBeNull();
});

test('the rate is that of the last half minute', () => {
  const estimate = new ProgressEstimate();
  let bytes = 0;
  for (let second = 0; second <= 100; second++) {
    estimate.update(second * 1000, { bytes, copies: 0 }, true);
    bytes += second < 50 ? 100 * MIB : MIB;
  }
  expect(estimate.bytesPerSecond! / MIB).toBeCloseTo(1, 1);
});
