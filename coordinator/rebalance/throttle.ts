import {
  BLIP_ADJUSTMENTS,
  CONCURRENCY_DEFAULT,
  HELD_DECREASE,
  HELD_DECREASE_SEVERE,
  HELD_INCREASE,
  HELD_INCREASE_SLOW,
  HELD_ROOM_MIN,
  HELD_USED_SHARE,
  LATENCY_EXTREME_FACTOR,
  LATENCY_FACTOR,
  LATENCY_FLOOR_MS,
  LATENCY_REST_FACTOR,
  LATENCY_SEVERE_FACTOR,
  PACE_OF_FOUND,
  PULL_CONCURRENCY,
  RATE_AT_START,
  RATE_DECREASE,
  RATE_DECREASE_SEVERE,
  RATE_INCREASE,
  RATE_INCREASE_NEW,
  RATE_INCREASE_UNREAD,
  RATE_MAX,
  RATE_USED_SHARE,
  SETTLE_ADJUSTMENTS,
  THROTTLE_RATE_MIN,
  UNREAD_ADJUSTMENTS,
} from './limits.ts';
import type { RebalanceLimits } from './types.ts';

/**
 * How much may be copied at a time. The operator's limits are never exceeded; below them, copying makes room while
 * reads are slower than they were before: fewer copies at once, then fewer bytes a second, and back step by step. Where
 * there are reads it begins with one copy at a time, since what many at once do to them shows only afterwards.
 *
 * It finds a rate by itself, or holds one that it is given (see `CopySchedule`), from which it departs only as far and as
 * long as reads are slow.
 */
export class Throttle {
  #limits: RebalanceLimits = {};
  /** What reads took before the copying began, milliseconds; null when there were none. */
  #baselineMs: number | null;
  #concurrency: number;
  readonly #rateAtStart: number;
  readonly #isRateKnown: boolean;
  /** Bytes a second that reads leave, as found; Infinity: no limit of theirs. */
  #rate = Number.POSITIVE_INFINITY;
  /** Bytes a second to be held; null while the rate is being found. */
  #held: number | null = null;
  /** How much of what is held reads leave now. */
  #room = 1;
  /** Adjustments that have to pass before slow reads count again: they are from before the last one. */
  #settling = 0;
  /** Reads were slow at least once. */
  #hasHeldBack = false;
  /** Adjustments in a row in which there were too few reads to tell. */
  #unread = 0;
  #slowInARow = 0;
  #readP99Ms: number | null = null;

  /** `knownRate`: bytes a second that reads left not long ago, where that was seen. */
  constructor(baselineMs: number | null, knownRate: number | null = null) {
    this.#baselineMs = baselineMs;
    this.#rateAtStart = Math.max(THROTTLE_RATE_MIN, knownRate ?? RATE_AT_START);
    this.#isRateKnown = knownRate !== null;
    this.#concurrency = 1;
    if (baselineMs !== null) this.#rate = this.#rateAtStart;
  }

  setLimits(limits: RebalanceLimits): void {
    this.#limits = limits;
    this.#concurrency = Math.min(this.#concurrency, this.#concurrencyMax);
  }

  /** Bytes a second to be kept up from now on; null: find out what reads leave. */
  hold(bytesPerSecond: number | null): void {
    if (bytesPerSecond === null || this.#held === null) this.#room = 1;
    // What copies made no use of was not found.
    if (bytesPerSecond !== null && this.#held === null) {
      this.#rate = Math.max(THROTTLE_RATE_MIN, Math.min(this.#rate, bytesPerSecond / PACE_OF_FOUND));
    }
    this.#held = bytesPerSecond;
  }

  /** What reads took before; null until it is known. */
  get baselineMs(): number | null {
    return this.#baselineMs;
  }

  /** What reads take now; null when there are too few to tell. */
  get readP99Ms(): number | null {
    return this.#readP99Ms;
  }

  /** Bytes a second that reads leave; null while they leave all there is. */
  get rateBesideReads(): number | null {
    return Number.isFinite(this.#rate) ? this.#rate : null;
  }

  /** It began with what reads left not long ago. */
  get isRateKnown(): boolean {
    return this.#isRateKnown;
  }

  /** Reads have been slow beside it. */
  get hasHeldBack(): boolean {
    return this.#hasHeldBack;
  }

  /** There have been reads lately. */
  get isRead(): boolean {
    return this.#baselineMs !== null && this.#unread < UNREAD_ADJUSTMENTS;
  }

  /** Reads take hardly longer than before. */
  get isCalm(): boolean {
    return this.#readP99Ms !== null && this.#readP99Ms <= this.#usualMs * LATENCY_REST_FACTOR;
  }

  /** Reads take so much longer than before that copies make room for them. */
  get isSlow(): boolean {
    return this.#readP99Ms !== null && this.#readP99Ms > this.#usualMs * LATENCY_FACTOR;
  }

  /** Copies that may be under way now. */
  get concurrency(): number {
    return this.#concurrency;
  }

  /** Chunks that one of them may fetch at a time. */
  get chunksAtOnce(): number {
    return this.#concurrency > 1 ? PULL_CONCURRENCY : 1;
  }

  /** The operator's limit; Infinity: none. */
  get limit(): number {
    return this.#limits.bytesPerSecond ?? Number.POSITIVE_INFINITY;
  }

  /** What all of them may take together; Infinity: no limit. */
  get bytesPerSecond(): number {
    if (this.#held === null) return Math.min(this.limit, this.#rate);
    const least = Math.min(this.#held, THROTTLE_RATE_MIN);
    return Math.min(this.limit, Math.max(least, this.#held * this.#room));
  }

  /** What one of so many may take; undefined: no limit. */
  bytesPerSecondEach(copies: number): number | undefined {
    const rate = this.bytesPerSecond;
    return Number.isFinite(rate) ? rate / Math.max(1, Math.min(this.#concurrency, copies)) : undefined;
  }

  /** Called regularly with what reads take now (null: too few to tell) and how fast was copied lately. */
  adjust(p99Ms: number | null, bytesPerSecond: number): void {
    this.#readP99Ms = p99Ms;
    this.#unread = p99Ms === null ? this.#unread + 1 : 0;
    if (p99Ms === null) {
      if (this.#held === null) this.#letGo(bytesPerSecond, RATE_INCREASE_UNREAD);
      return;
    }
    // Reads that begin only now have no value from before: the first one seen has to do.
    if (this.#baselineMs === null) {
      this.#baselineMs = p99Ms;
      this.#rate = Math.min(this.#rate, this.#rateAtStart);
      this.#concurrency = 1;
    }
    this.#slowInARow = this.isSlow ? this.#slowInARow + 1 : 0;
    if (this.#settling > 0) this.#settling--;
    if (this.#held !== null) this.#keepUp(this.#held, bytesPerSecond);
    else if (this.isCalm) this.#letGo(bytesPerSecond, this.#hasHeldBack ? RATE_INCREASE : RATE_INCREASE_NEW);
    else if (this.#settling === 0 && this.#isLasting) this.#holdBack(bytesPerSecond);
  }

  #holdBack(bytesPerSecond: number): void {
    if (this.#isSevere) {
      this.#hasHeldBack = true;
      this.#concurrency = Math.ceil(this.#concurrency / 2);
    }
    // A limit far above what is copied would be none.
    const current = bytesPerSecond > 0 ? Math.min(this.#rate, bytesPerSecond) : this.#rate;
    const decrease = this.#isSevere ? RATE_DECREASE_SEVERE : RATE_DECREASE;
    if (Number.isFinite(current)) this.#rate = Math.max(THROTTLE_RATE_MIN, current * decrease);
    this.#settling = SETTLE_ADJUSTMENTS;
  }

  /** Whichever of the two is in the way is raised. */
  #letGo(bytesPerSecond: number, increase: number): void {
    const isRateInTheWay = bytesPerSecond > this.#rate * RATE_USED_SHARE;
    if (!isRateInTheWay && this.#concurrency < this.#concurrencyMax) this.#concurrency += 1;
    else this.#rate *= increase;
    // Far above what a copy takes, a limit says nothing.
    if (this.#rate > RATE_MAX) this.#rate = Number.POSITIVE_INFINITY;
  }

  /**
   * Reads that are a little slow cost the held rate a little, since it was found beside them; only those that are
   * slower than they ever may be cost it as much as it takes.
   */
  #keepUp(held: number, bytesPerSecond: number): void {
    if (!this.isSlow) {
      const isShort = bytesPerSecond < this.bytesPerSecond * HELD_USED_SHARE;
      if (isShort && this.#room === 1 && this.#concurrency < this.#concurrencyMax) this.#concurrency += 1;
      this.#room = Math.min(1, this.#room * (this.isCalm ? HELD_INCREASE : HELD_INCREASE_SLOW));
    } else if (this.#settling === 0 && this.#isLasting) {
      this.#settling = SETTLE_ADJUSTMENTS;
      if (this.#isSevere) {
        this.#hasHeldBack = true;
        this.#concurrency = Math.ceil(this.#concurrency / 2);
        this.#room = Math.max(Math.min(1, THROTTLE_RATE_MIN / held), this.#room * HELD_DECREASE_SEVERE);
        // Whoever begins with what was found should not find this again.
        this.#rate = Math.max(THROTTLE_RATE_MIN, Math.min(this.#rate, held / PACE_OF_FOUND) * HELD_DECREASE);
      } else if (this.#room > HELD_ROOM_MIN) {
        this.#room = Math.max(HELD_ROOM_MIN, this.#room * HELD_DECREASE);
      }
    }
  }

  /**
   * Slow reads are more than what a moment left behind in those that are looked at; or so slow that nobody waits for that.
   */
  get #isLasting(): boolean {
    const extreme = this.#usualMs * LATENCY_EXTREME_FACTOR;
    return this.isSlow && (this.#slowInARow > BLIP_ADJUSTMENTS || this.#readP99Ms! > extreme);
  }

  get #isSevere(): boolean {
    return this.#readP99Ms !== null && this.#readP99Ms > this.#usualMs * LATENCY_SEVERE_FACTOR;
  }

  /** What reads are held to, milliseconds. */
  get #usualMs(): number {
    return Math.max(this.#baselineMs ?? 0, LATENCY_FLOOR_MS);
  }

  get #concurrencyMax(): number {
    return this.#limits.concurrency ?? CONCURRENCY_DEFAULT;
  }
}
