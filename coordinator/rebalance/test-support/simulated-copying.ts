import { CopyPace, type PaceBefore } from '../copy-pace.ts';
import { ProgressEstimate } from '../progress.ts';
import type { Random } from './random.ts';

const MIB = 1024 * 1024;
const STEP_MS = 50;
const TELL_MS = 1000;
/** Reads show what copies do to them over so long. */
const LATENCY_WINDOW_MS = 3500;
/** The engine begins no copies for a while, again and again: a step of the ring is on its way. */
const STEP_EVERY_MS = 1200;
const STEP_TAKES_MS = 300;
const BASELINE_MS = 40;
const TAIL_MS = 1000;

export interface SimulatedCopying {
  readonly copies: readonly number[];
  /** Bytes a second at which reads take half as long again as without copies, by the time; null while nobody reads. */
  readonly capacity: (nowMs: number) => number | null;
  /** Bytes a second that nodes can copy. */
  readonly diskRate: number;
  readonly before?: Partial<PaceBefore>;
  /** What each planned byte really costs. */
  readonly cost?: number;
  readonly limit?: (nowMs: number) => number | null;
  readonly pausedFor?: { readonly atMs: number; readonly ms: number };
}

export interface Said {
  readonly atMs: number;
  readonly share: number;
  readonly saidMs: number | null;
  /** What it really took from then on, less pauses. */
  readonly trueMs: number;
  readonly copiedPerSecond: number;
  readonly p99: number | null;
}

/** Copies under a `CopyPace` beside simulated reads, which more copying makes slower; what it says every second. */
export async function simulateCopying(
  random: Random,
  profile: SimulatedCopying,
): Promise<{ readonly said: readonly Said[]; readonly rateBesideReads: number | null }> {
  const { copies, capacity, diskRate, before, cost = 1, pausedFor } = profile;
  let nowMs = 0;
  let workedMs = 0;
  const copiedAt: { atMs: number; bytes: number }[] = [];
  const within = (windowMs: number) => {
    while (copiedAt.length > 0 && copiedAt[0]!.atMs < nowMs - 10_000) copiedAt.shift();
    return copiedAt.reduce((sum, { atMs, bytes }) => (atMs >= nowMs - windowMs ? sum + bytes : sum), 0);
  };
  let p99: number | null = null;
  const look = () => {
    const room = capacity(nowMs);
    if (room === null) return null;
    const load = (within(LATENCY_WINDOW_MS) / LATENCY_WINDOW_MS) * 1000;
    const noise = 1 + (random.next() + random.next() + random.next() - 1.5) * 0.2;
    return BASELINE_MS * (0.8 + 0.7 * (load / room) ** 3) * noise;
  };
  const known = { baselineMs: null, rateBesideReads: null, schedule: null, ...before };
  const pace = new CopyPace(known, async () => p99);
  const estimate = new ProgressEstimate();
  const waiting = [...copies];
  const running: { bytes: number; left: number; rate: number; prepaid: number }[] = [];
  const total = copies.reduce((sum, bytes) => sum + bytes, 0);
  let doneBytes = 0;
  let doneCopies = 0;
  const said: (Omit<Said, 'trueMs'> & { workedMs: number })[] = [];
  for (; waiting.length + running.length > 0; nowMs += STEP_MS) {
    const isPaused =
      pausedFor !== undefined && nowMs >= pausedFor.atMs && nowMs < pausedFor.atMs + pausedFor.ms;
    if (profile.limit !== undefined) pace.setLimits({ bytesPerSecond: profile.limit(nowMs) });
    if (nowMs % TELL_MS === 0) {
      p99 = look();
      const partial = running.reduce((sum, { bytes, left }) => sum + bytes - left, 0);
      const done = { bytes: doneBytes + partial, copies: doneCopies };
      const left = { bytes: total - done.bytes, copies: copies.length - doneCopies };
      estimate.update(nowMs, done, !isPaused);
      const scheduled = pace.plan(nowMs, { done, left }, !isPaused, estimate.bytesPerSecond);
      const seconds = scheduled ?? (isPaused ? null : estimate.secondsLeft(left));
      const copiedPerSecond = within(TELL_MS);
      const saidMs = seconds === null ? null : seconds * 1000;
      said.push({ atMs: nowMs, workedMs, share: done.bytes / total, saidMs, copiedPerSecond, p99 });
    }
    pace.adjust(nowMs);
    await Promise.resolve();
    if (isPaused) continue;
    const isBlocked = nowMs % STEP_EVERY_MS < STEP_TAKES_MS;
    while (!isBlocked && waiting.length > 0 && running.length < pace.limits.concurrency) {
      if (pace.waitMs(nowMs) > 0) break;
      const bytes = waiting.shift()!;
      const rate = pace.limits.bytesPerSecondEach(waiting.length + running.length + 1);
      // The first chunk of a copy waits for nothing.
      const prepaid = pace.begin(bytes, nowMs);
      running.push({ bytes, left: bytes, prepaid, rate: bytes <= 8 * MIB ? diskRate : (rate ?? diskRate) });
    }
    for (const copy of running) {
      const step = (Math.min(copy.rate, diskRate / running.length) * STEP_MS) / 1000;
      const bytes = Math.min(copy.left, step);
      copy.left -= bytes;
      const paid = Math.min(bytes * cost, copy.prepaid);
      copy.prepaid -= paid;
      pace.spend(bytes * cost, paid, nowMs);
      copiedAt.push({ atMs: nowMs, bytes: bytes * cost });
    }
    for (const copy of running.filter(({ left }) => left <= 0)) {
      running.splice(running.indexOf(copy), 1);
      doneBytes += copy.bytes;
      doneCopies += 1;
    }
    workedMs += STEP_MS;
  }
  return {
    said: said.map(({ workedMs: at, ...reading }) => ({ ...reading, trueMs: workedMs - at + TAIL_MS })),
    rateBesideReads: pace.limits.rateBesideReads,
  };
}
