import { CopyBudget } from './copy-budget.ts';
import { RATE_ADJUSTMENTS, THROTTLE_INTERVAL_MS } from './limits.ts';
import { Throttle } from './throttle.ts';
import type { RebalanceLimits } from './types.ts';

/** How fast copies may be made: what the throttle allows, kept over all of them, and judged by what they took lately. */
export class CopyPace {
  readonly #throttle: Throttle;
  readonly #budget = new CopyBudget();
  readonly #readP99: () => Promise<number | null>;
  #copiedBytes = 0;
  readonly #copiedLately: { readonly atMs: number; readonly bytes: number }[] = [];
  #lastAdjustedMs = Number.NEGATIVE_INFINITY;

  /** `before`: see `Throttle`. `readP99`: what reads take anywhere now, milliseconds; null when there are too few. */
  constructor(
    before: { readonly baselineMs: number | null; readonly rateBesideReads: number | null },
    readP99: () => Promise<number | null>,
  ) {
    this.#throttle = new Throttle(before.baselineMs, before.rateBesideReads);
    this.#readP99 = readP99;
  }

  setLimits(limits: RebalanceLimits): void {
    this.#throttle.setLimits(limits);
  }

  /** See `Throttle`. */
  get limits(): Pick<
    Throttle,
    | 'baselineMs'
    | 'rateBesideReads'
    | 'concurrency'
    | 'chunksAtOnce'
    | 'bytesPerSecondEach'
    | 'growthPerSecond'
  > {
    return this.#throttle;
  }

  /** So much was copied. */
  spend(bytes: number, nowMs: number): void {
    this.#copiedBytes += bytes;
    this.#budget.spend(bytes, this.#throttle.bytesPerSecond, nowMs);
  }

  /** Milliseconds until the next copy may begin; 0 for now. */
  waitMs(nowMs: number): number {
    return this.#budget.waitMs(nowMs);
  }

  /** To be called often; looks at what reads take once in a while. */
  adjust(nowMs: number): void {
    if (nowMs - this.#lastAdjustedMs < THROTTLE_INTERVAL_MS) return;
    this.#lastAdjustedMs = nowMs;
    const samples = this.#copiedLately;
    samples.push({ atMs: nowMs, bytes: this.#copiedBytes });
    if (samples.length > RATE_ADJUSTMENTS + 1) samples.shift();
    const [oldest] = samples;
    const spanMs = nowMs - oldest!.atMs;
    const rate = spanMs > 0 ? ((this.#copiedBytes - oldest!.bytes) / spanMs) * 1000 : 0;
    void this.#readP99().then(
      (p99Ms) => this.#throttle.adjust(p99Ms, rate),
      () => {},
    );
  }
}
