import { expect, test } from 'vitest';
import { CopyPace } from './copy-pace.ts';
import { PREPAID_MAX } from './limits.ts';
import { Random } from './test-support/random.ts';
import { type Said, type SimulatedCopying, simulateCopying } from './test-support/simulated-copying.ts';

const MIB = 1024 * 1024;
const SHARES = [0.1, 0.3, 0.5, 0.7];

/** Bytes a second that reads leave: slow waves of 40% up and down, and bursts of other work that take 40% more. */
function wavering(random: Random, mean: number): (nowMs: number) => number {
  const periodMs = 30_000 + random.next() * 120_000;
  const shift = random.next() * 2 * Math.PI;
  const bursts = Array.from({ length: 20 }, () => ({
    atMs: random.next() * 600_000,
    ms: 2000 + random.next() * 6000,
  }));
  return (nowMs) => {
    const isBurst = bursts.some(({ atMs, ms }) => nowMs >= atMs && nowMs < atMs + ms);
    const wave = 1 + 0.4 * Math.sin((nowMs / periodMs) * 2 * Math.PI + shift);
    return mean * wave * (isBurst ? 0.6 : 1);
  };
}

const rangesOf = (random: Random, bytes: number) =>
  Array.from({ length: Math.round(bytes / (3 * MIB)) }, () => (0.02 + random.next() * 6) * MIB);

/** How far what was said at these shares of the work is from the truth, as a share of it. */
const errorsOf = (said: readonly Said[]) =>
  SHARES.map((wanted) => {
    const { saidMs, trueMs } = said.find(({ share }) => share >= wanted)!;
    return Math.abs(saidMs! - trueMs) / trueMs;
  });

const usual: Omit<SimulatedCopying, 'copies'> = {
  capacity: () => 60 * MIB,
  diskRate: 150 * MIB,
  before: { baselineMs: 32 },
};

test('beside reads that leave now more and now less, the time left is known to within 15% from the first tenth on', async () => {
  const errors: number[] = [];
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Random(seed);
    const capacity = wavering(random, (30 + random.next() * 50) * MIB);
    let rateBesideReads: number | null = null;
    // The first knows nothing; each of the others begins with what the one before has found.
    for (const bytes of [1600 * MIB, 2400 * MIB, 1600 * MIB]) {
      const before = { baselineMs: 32 * (0.85 + 0.3 * random.next()), rateBesideReads };
      const copies = rangesOf(random, bytes);
      const copying = await simulateCopying(random, { ...usual, copies, capacity, before });
      errors.push(...errorsOf(copying.said));
      rateBesideReads = copying.rateBesideReads;
    }
  }
  // Nobody can know of a trough that is deeper and longer than what can be made up for.
  const wrong = errors.filter((error) => error > 0.15).length;
  expect(wrong / errors.length).toBeLessThan(0.05);
});

test('uploads that make every range greater than it was planned do no harm to the time left', async () => {
  const random = new Random(5);
  const copies = rangesOf(random, 1600 * MIB);
  const { said } = await simulateCopying(random, { ...usual, copies, cost: 1.4 });
  expect(Math.max(...errorsOf(said))).toBeLessThan(0.15);
});

test('a pause does not count', async () => {
  const random = new Random(6);
  const copies = rangesOf(random, 1600 * MIB);
  const { said } = await simulateCopying(random, {
    ...usual,
    copies,
    pausedFor: { atMs: 30_000, ms: 60_000 },
  });
  expect(Math.max(...errorsOf(said))).toBeLessThan(0.15);
  expect(said.find(({ atMs }) => atMs === 40_000)!.saidMs).toBeNull();
});

test("another limit of the operator's is another end, said within a few seconds", async () => {
  const random = new Random(7);
  const copies = rangesOf(random, 1600 * MIB);
  const limit = (nowMs: number) => (nowMs < 30_000 ? null : 8 * MIB);
  const { said } = await simulateCopying(random, { ...usual, copies, limit });
  const later = said.filter(({ atMs, trueMs }) => atMs > 35_000 && trueMs > 10_000);
  expect(later.length).toBeGreaterThan(60);
  for (const { saidMs, trueMs } of later) expect(Math.abs(saidMs! - trueMs) / trueMs).toBeLessThan(0.15);
});

test('when reads cease, copies take all there is', async () => {
  const random = new Random(8);
  const copies = rangesOf(random, 6000 * MIB);
  const capacity = (nowMs: number) => (nowMs < 30_000 ? 30 * MIB : null);
  const { said } = await simulateCopying(random, { ...usual, copies, capacity });
  const last = said.filter(({ atMs, trueMs }) => atMs > 80_000 && trueMs > 5000);
  expect(last.length).toBeGreaterThan(5);
  const copied = last.reduce((sum, { copiedPerSecond }) => sum + copiedPerSecond, 0) / last.length;
  expect(copied).toBeGreaterThan(80 * MIB);
});

test('copies beside reads keep to what these bear', async () => {
  const random = new Random(9);
  const copies = rangesOf(random, 3000 * MIB);
  // Much less than what copying begins with.
  const { said } = await simulateCopying(random, { ...usual, copies, capacity: () => 12 * MIB });
  const late = said.slice(20).map(({ p99 }) => p99!);
  late.sort((a, b) => a - b);
  expect(late[Math.floor(late.length / 2)]!).toBeLessThan(2 * 32);
});

test('what a copy fetches at once is paid for when it begins, and given back when it did not need it', () => {
  const pace = new CopyPace({ baselineMs: null, rateBesideReads: null, schedule: null }, async () => null);
  pace.setLimits({ bytesPerSecond: 8 * MIB });
  expect(pace.begin(6 * MIB, 0)).toBe(6 * MIB);
  expect(pace.waitMs(0)).toBe(750);
  pace.spend(6 * MIB, 6 * MIB, 0);
  expect(pace.waitMs(0)).toBe(750);
  // Of a long one only the first part; the rest keeps to a share of its own.
  expect(pace.begin(1000 * MIB, 750)).toBe(PREPAID_MAX);
  expect(pace.waitMs(750)).toBe(1000);
  pace.spend(0, PREPAID_MAX, 750);
  expect(pace.waitMs(750)).toBe(0);
});

test('a rebalance that another coordinator goes on with ends when the first one said', () => {
  const schedule = { paceBytesPerSecond: 10 * MIB, secondsLeft: 100 };
  const pace = new CopyPace({ baselineMs: 32, rateBesideReads: 20 * MIB, schedule }, async () => 32);
  const work = { done: { bytes: 500 * MIB, copies: 100 }, left: { bytes: 1000 * MIB, copies: 200 } };
  expect(pace.plan(0, work, true, null)).toBeCloseTo(100, 6);
  expect(pace.plan(1000, work, true, 0)).toBeCloseTo(99, 6);
  expect(pace.paceBytesPerSecond).toBe(10 * MIB);
});
