import { expect, test } from 'vitest';
import { type CopyingNow, CopySchedule } from './copy-schedule.ts';
import {
  FIND_MS,
  FIND_SHARE,
  FIND_TIMEOUT_MS,
  PACE_BEHIND_MAX,
  PACE_LEAD_MAX,
  PACE_OF_FELT,
  PACE_OF_FOUND,
  PACE_OF_LIMIT,
  REFIND_AFTER_MS,
  TAIL_MS,
} from './limits.ts';

const MIB = 1024 * 1024;
const TOTAL = 10_000 * MIB;
const NOW: CopyingNow = {
  leftBytes: TOTAL,
  doneShare: 0,
  foundRate: 100 * MIB,
  limit: Number.POSITIVE_INFINITY,
  doneRate: 0,
  usedShare: 1,
  isRateKnown: false,
  hasHeldBack: false,
  isCalm: true,
  isSlow: false,
};

const after = (doneBytes: number, more: Partial<CopyingNow> = {}): CopyingNow => ({
  ...NOW,
  leftBytes: TOTAL - doneBytes,
  doneShare: doneBytes / TOTAL,
  doneRate: 85 * MIB,
  ...more,
});

/** One that has committed to a tenth of what is left a second. */
function committed(more: Partial<CopyingNow> = {}): CopySchedule {
  const schedule = new CopySchedule();
  schedule.update(FIND_MS, after(TOTAL * FIND_SHARE, more));
  expect(schedule.pace).not.toBeNull();
  return schedule;
}

test('it commits after the first part of the work, a while, and when reads are not slow', () => {
  const schedule = new CopySchedule();
  schedule.update(FIND_MS, NOW);
  schedule.update(1000, after(TOTAL * FIND_SHARE, { isSlow: true }));
  expect(schedule.pace).toBeNull();
  schedule.update(1000, after(TOTAL * FIND_SHARE));
  expect(schedule.pace).toBe(100 * MIB * PACE_OF_FOUND);
  const early = new CopySchedule();
  early.update(FIND_MS - 1, after(TOTAL / 2));
  expect(early.pace).toBeNull();
  early.update(1, after(TOTAL / 2));
  expect(early.pace).not.toBeNull();
});

test('it does not look for a pace for ever', () => {
  const schedule = new CopySchedule();
  schedule.update(FIND_TIMEOUT_MS, { ...NOW, isSlow: true });
  expect(schedule.pace).not.toBeNull();
});

test('the pace is below what was found, farther where reads felt it, and what copies made use of, and the limit', () => {
  expect(committed({ hasHeldBack: true }).pace).toBe(100 * MIB * PACE_OF_FELT);
  expect(committed({ usedShare: 0.5 }).pace).toBe(50 * MIB);
  expect(committed({ limit: 10 * MIB }).pace).toBe(10 * MIB * PACE_OF_LIMIT);
});

test('the time left runs down second by second, whatever is copied meanwhile, as long as it can be kept', () => {
  const schedule = committed();
  const start = after(TOTAL * FIND_SHARE);
  const said = schedule.secondsLeft(start);
  // Ten seconds without any copying, then as much more as was missed.
  for (let second = 0; second < 10; second++) schedule.update(1000, start);
  expect(schedule.secondsLeft(start)).toBeCloseTo(said - 10, 6);
  expect(schedule.wantedRate(start.leftBytes)!).toBeGreaterThan(schedule.pace!);
  const early = after(TOTAL * FIND_SHARE + 12 * schedule.pace!);
  expect(schedule.secondsLeft(early)).toBeCloseTo(said - 10, 6);
});

test('late, it hurries within bounds; early, it takes its time within bounds', () => {
  const schedule = committed();
  const pace = schedule.pace!;
  const start = after(TOTAL * FIND_SHARE);
  expect(schedule.wantedRate(start.leftBytes * 100)).toBe(pace * PACE_BEHIND_MAX);
  expect(schedule.wantedRate(1)).toBe(pace * PACE_LEAD_MAX);
});

test('too late to be made up for, it says so: a new end, by what was done lately', () => {
  const schedule = committed();
  const start = after(TOTAL * FIND_SHARE, { doneRate: 40 * MIB });
  const said = schedule.secondsLeft(start);
  for (let second = 0; second < said / 2; second++) schedule.update(1000, start);
  expect(schedule.pace).toBeLessThan(40 * MIB);
  expect(schedule.secondsLeft(start)).toBeGreaterThan(said);
});

test('work that has become less by itself brings the end nearer', () => {
  const schedule = committed();
  const less = after(TOTAL * 0.7);
  schedule.update(1000, less);
  expect(schedule.secondsLeft(less)).toBeCloseTo(less.leftBytes / schedule.pace! + TAIL_MS / 1000, 6);
});

test('what reads leave is found out again when they have not minded for long, and there is much left', () => {
  const schedule = committed();
  const pace = schedule.pace!;
  // So much that it lasts.
  const much = { ...after(TOTAL * FIND_SHARE), leftBytes: (pace * 3 * REFIND_AFTER_MS) / 1000 };
  schedule.findAgain();
  schedule.update(FIND_TIMEOUT_MS, much);
  expect(schedule.pace).not.toBeNull();
  let left = much.leftBytes;
  for (let ms = 0; ms < REFIND_AFTER_MS + 1000 && schedule.pace !== null; ms += 1000) {
    schedule.update(1000, { ...much, leftBytes: left });
    left -= pace;
  }
  expect(schedule.pace).toBeNull();
});

test('whoever goes on with the rebalance goes on with its schedule', () => {
  const first = committed();
  const now = after(TOTAL / 4);
  for (let second = 0; second < 18; second++) first.update(1000, now);
  const secondsLeft = first.secondsLeft(now);
  const second = new CopySchedule({ paceBytesPerSecond: first.pace!, secondsLeft });
  expect(second.pace).toBe(first.pace);
  expect(second.secondsLeft(now)).toBeCloseTo(secondsLeft, 6);
});
