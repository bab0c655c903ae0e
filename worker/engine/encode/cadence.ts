/** Source rates this much above the cap are let pass: 60.01 is 60. */
const TOLERANCE = 1.02;
/** Of the cap's interval; what lies closer together than that is left out of a variable frame rate. */
const GAP_SHARE_MIN = 0.65;

/**
 * Decides which pictures a rung with a frame rate of at most `rateMax` keeps. Kept ones keep their times. Of a steady rate
 * every second (third, ...) picture stays, so that motion stays even: 50 a second become 25, not 30.
 */
export class Cadence {
  /** Pictures a second that are kept, on average. */
  readonly frameRate: number;
  readonly #keeps: (sinceBase: number, sinceLast: number) => boolean;
  #base = 0;
  #last = 0;

  /** `rate`: of the source on average; null: unknown, there may be one picture only. */
  constructor(rate: number | null, isVariable: boolean, rateMax: number, timescale: number) {
    const share = rate === null ? 0 : rate / rateMax;
    if (rate === null || (share <= TOLERANCE && !isVariable)) {
      this.frameRate = Math.min(rate ?? 1, rateMax);
      this.#keeps = () => true;
    } else if (isVariable) {
      const gapMin = (timescale / rateMax) * GAP_SHARE_MIN;
      this.frameRate = Math.min(rate, rateMax);
      this.#keeps = (_, sinceLast) => sinceLast >= gapMin;
    } else {
      const everyNth = Math.ceil(share / TOLERANCE);
      const period = timescale / rate;
      this.frameRate = rate / everyNth;
      this.#keeps = (sinceBase) => Math.round(sinceBase / period) % everyNth === 0;
    }
  }

  /** The picture at a boundary is kept in any case; what comes after is counted from there. */
  keep(tick: number, isBoundary: boolean): boolean {
    if (isBoundary) this.#base = tick;
    const isKept = isBoundary || this.#keeps(tick - this.#base, tick - this.#last);
    if (isKept) this.#last = tick;
    return isKept;
  }
}
