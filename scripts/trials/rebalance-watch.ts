import { systemClock } from '../../lib/clock/clock.ts';
import type { AdminClient } from './admin-client.ts';
import type { Rebalance } from './admin-schema.ts';
import { isSound, type PlacementChecker, type PlacementReport } from './placement-checker.ts';

const POLL_MS = 200;
/** Shares of the work at which the promised time is compared with what it took. */
const SHARES = [0.1, 0.25, 0.5, 0.75] as const;
/** What is said is told once a second, so it may be that old. */
const SAID_EVERY_MS = 1000;

export interface TimePrediction {
  /** Of the bytes; of the ranges when nothing is stored. */
  readonly share: number;
  readonly promisedSeconds: number | null;
  readonly trueSeconds: number;
}

export interface WatchedRebalance {
  readonly report: Rebalance;
  readonly seconds: number;
  readonly predictions: readonly TimePrediction[];
  /** The one farthest from the truth, of all from the first tenth on; a second more or less does not count. */
  readonly worst: TimePrediction | null;
  readonly checks: number;
  readonly unsound: readonly PlacementReport[];
  readonly undecided: number;
}

/** Follows a rebalance to its end, while the placement is checked again and again. */
export async function watchRebalance(
  admin: AdminClient,
  checker: PlacementChecker,
  id: string,
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
    readonly countsHandoffs?: boolean;
    /** Between two looks at everything. */
    readonly checkPauseMs: number;
    readonly onAnswer?: (answer: Rebalance) => void;
  },
): Promise<WatchedRebalance> {
  const startMs = performance.now();
  const looks: { atMs: number; share: number; secondsLeft: number | null }[] = [];
  const unsound: PlacementReport[] = [];
  let checks = 0;
  let undecided = 0;
  const over = new AbortController();
  const checking = (async () => {
    while (!over.signal.aborted) {
      const report = await checker.check({ countsHandoffs: options.countsHandoffs ?? false });
      checks++;
      undecided += report.undecided;
      if (!isSound(report)) unsound.push(report);
      await systemClock.sleep(options.checkPauseMs, over.signal).catch(() => {});
    }
  })();
  // Whoever waits for it hears of its failure; until then it must not end the process.
  checking.catch(() => over.abort());
  let report: Rebalance;
  try {
    report = await admin.untilRebalanceEnds(id, {
      timeoutMs: options.timeoutMs,
      signal: AbortSignal.any([options.signal, over.signal]),
      pollMs: POLL_MS,
      onAnswer: (answer) => {
        looks.push({ atMs: performance.now(), share: shareOf(answer), secondsLeft: answer.secondsLeft });
        options.onAnswer?.(answer);
      },
    });
  } finally {
    over.abort();
    await checking;
  }
  const endMs = performance.now();
  const predictionOf = ({ share, secondsLeft, atMs }: (typeof looks)[number]): TimePrediction => ({
    share,
    promisedSeconds: secondsLeft,
    trueSeconds: (endMs - atMs) / 1000,
  });
  const predictions = SHARES.flatMap((share) => {
    const look = looks.find((candidate) => candidate.share >= share);
    if (look === undefined) return [];
    return [predictionOf({ ...look, share })];
  });
  const later = looks.filter(({ share, atMs }) => share >= SHARES[0] && endMs - atMs > SAID_EVERY_MS);
  const [worst = null] = later.map(predictionOf).sort((one, other) => errorOf(other) - errorOf(one));
  return { report, seconds: (endMs - startMs) / 1000, predictions, worst, checks, unsound, undecided };
}

/** As a share of the truth; 1 where nothing was said. */
function errorOf({ promisedSeconds, trueSeconds }: TimePrediction): number {
  if (promisedSeconds === null) return 1;
  return Math.max(0, Math.abs(promisedSeconds - trueSeconds) - SAID_EVERY_MS / 1000) / trueSeconds;
}

/** How much of it is done, 0 to 1. */
export function shareOf({ bytes, ranges }: Rebalance): number {
  const { done, total } = bytes.total > 0 ? bytes : ranges;
  return total === 0 ? 1 : done / total;
}

/** Bytes of copies that are on a node now and were not before, of chunks that there were both times. */
export function gainedBytes(
  before: ReadonlyMap<string, ReadonlySet<string>>,
  checker: PlacementChecker,
): number {
  let gained = 0;
  for (const [chunkId, holders] of checker.copies) {
    const earlier = before.get(chunkId);
    if (earlier === undefined) continue;
    for (const nodeId of holders) if (!earlier.has(nodeId)) gained += checker.lengthOf(chunkId);
  }
  return gained;
}
