/** Recent behaviour counts from this far back, milliseconds. */
const WINDOW_MS = 30_000;
/** What a range costs beside its bytes, as bytes, until copies have shown it. */
const RANGE_COST_START = 512 * 1024;
const RANGE_COST_MAX = 64 * 1024 * 1024;

/** How much there is to do, and how much of it is done. */
export interface Work {
  readonly bytes: number;
  readonly copies: number;
}

/**
 * How fast it goes and how long it still takes. A copy costs its bytes and something for itself, which matters most
 * when ranges are small; how much is learned from the copies made so far. Time is counted only while copying goes on.
 */
export class ProgressEstimate {
  #elapsedMs = 0;
  #lastMs: number | undefined;
  readonly #samples: { readonly elapsedMs: number; readonly bytes: number; readonly copies: number }[] = [];
  // Sums for the line "duration = a * bytes + b" through all copies.
  #count = 0;
  #sumX = 0;
  #sumY = 0;
  #sumXX = 0;
  #sumXY = 0;

  /** One copy of a range took so long; those under way at the same time may have slowed it down as any other. */
  addCopy(bytes: number, durationMs: number): void {
    this.#count++;
    this.#sumX += bytes;
    this.#sumY += durationMs;
    this.#sumXX += bytes * bytes;
    this.#sumXY += bytes * durationMs;
  }

  /** Called regularly with what is done in all, and whether copying goes on. */
  update(nowMs: number, done: Work, isRunning: boolean): void {
    if (this.#lastMs !== undefined && isRunning) this.#elapsedMs += nowMs - this.#lastMs;
    this.#lastMs = isRunning ? nowMs : undefined;
    if (!isRunning) return;
    this.#samples.push({ elapsedMs: this.#elapsedMs, ...done });
    // The first one stays: it is where the whole began.
    while (this.#samples.length > 2 && this.#samples[2]!.elapsedMs < this.#elapsedMs - WINDOW_MS) {
      this.#samples.splice(1, 1);
    }
  }

  /** Chunk bytes a second lately; null before there is anything to go by. */
  get bytesPerSecond(): number | null {
    const span = this.#span(1);
    return span === null ? null : (span.bytes / span.ms) * 1000;
  }

  /** Seconds until `left` is done; null before there is anything to go by. */
  secondsLeft(left: Work): number | null {
    const whole = this.#span(0);
    if (whole === null) return null;
    const cost = this.#rangeCost;
    const workOf = ({ bytes, copies }: Work) => bytes + copies * cost;
    const overall = workOf(whole) / whole.ms;
    const recentSpan = this.#span(1) ?? whole;
    const recent = workOf(recentSpan) / recentSpan.ms;
    // Noise averages out over the whole; but when the pace has changed for good, only the recent one counts.
    const isSteady = recent > 0 && Math.abs(overall - recent) / recent < 0.25;
    const rate = isSteady || recent === 0 ? overall : recent;
    return rate <= 0 ? null : workOf(left) / rate / 1000;
  }

  /** What a copy costs beside its bytes, as bytes. */
  get #rangeCost(): number {
    const denominator = this.#count * this.#sumXX - this.#sumX * this.#sumX;
    if (this.#count < 8 || denominator <= 0) return RANGE_COST_START;
    const slope = (this.#count * this.#sumXY - this.#sumX * this.#sumY) / denominator;
    const start = (this.#sumY - slope * this.#sumX) / this.#count;
    // Sizes too much alike, or noise: the bytes alone explain nothing then.
    if (slope <= 0) return RANGE_COST_MAX;
    return Math.min(RANGE_COST_MAX, Math.max(0, start / slope));
  }

  /** What was done since the sample, and the time it took; null when that is too little. */
  #span(from: number): (Work & { readonly ms: number }) | null {
    const first = this.#samples[Math.min(from, this.#samples.length - 1)];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.elapsedMs - first.elapsedMs < 1) return null;
    return {
      bytes: last.bytes - first.bytes,
      copies: last.copies - first.copies,
      ms: last.elapsedMs - first.elapsedMs,
    };
  }
}
