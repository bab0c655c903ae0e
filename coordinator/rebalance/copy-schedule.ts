import {
  FIND_MS,
  FIND_SHARE,
  FIND_TIMEOUT_MS,
  PACE_BEHIND_MAX,
  PACE_DOUBT,
  PACE_LATE_MS,
  PACE_LEAD_MAX,
  PACE_MARGIN,
  PACE_OF_DONE,
  PACE_OF_FELT,
  PACE_OF_FOUND,
  PACE_OF_LIMIT,
  PACE_REGAINED,
  REFIND_AFTER_MS,
  REFIND_MS,
  TAIL_MS,
} from './limits.ts';

/** What the schedule is told once a second, of copying beside reads. */
export interface CopyingNow {
  /** Planned bytes that are left, and those that are done as a share of all, 0 to 1. */
  readonly leftBytes: number;
  readonly doneShare: number;
  /** Planned bytes a second that reads leave, as far as is known. */
  readonly foundRate: number;
  /** The operator's limit, planned bytes a second; Infinity: none. */
  readonly limit: number;
  /** Planned bytes a second that were really done lately; null before that can be told. */
  readonly doneRate: number | null;
  /** How much of what copies were allowed since it is being found out they made use of, 0 to 1. */
  readonly usedShare: number;
  /** It was found not long ago, by the last rebalance. */
  readonly isRateKnown: boolean;
  /** Reads have been slow when it was found, so it is near to what they bear. */
  readonly hasHeldBack: boolean;
  /** Reads take no longer than before. */
  readonly isCalm: boolean;
  /** They take longer than they should. */
  readonly isSlow: boolean;
}

/** What is kept of a schedule for whoever goes on with the rebalance. */
export interface KeptSchedule {
  readonly paceBytesPerSecond: number;
  readonly secondsLeft: number;
}

/**
 * When copying beside reads will be over, made true by keeping to it. What reads will leave nobody can foretell, so
 *
 * 1. for the first part of the work the throttle finds out what they leave now;
 * 2. then copying commits to a pace a little below that, and so to an end;
 * 3. from then on it copies what is left in the time that is left: slower when it is early, faster when reads have held
 *    it up, both within bounds;
 * 4. only when that can not be kept, or the work or the reads have changed for good, it commits to something else.
 */
export class CopySchedule {
  /** Bytes a second; null while it is being found out. */
  #pace: number | null = null;
  #remainingMs = 0;
  #findingMs = 0;
  /** It has committed before. */
  #hasCommitted = false;
  #lateMs = 0;
  #calmMs = 0;

  constructor(kept: KeptSchedule | null = null) {
    if (kept === null) return;
    this.#pace = kept.paceBytesPerSecond;
    this.#remainingMs = Math.max(0, kept.secondsLeft * 1000 - TAIL_MS);
    this.#hasCommitted = true;
  }

  /** Bytes a second that it has committed to; null while it has not. */
  get pace(): number | null {
    return this.#pace;
  }

  /** What was found no longer counts: the operator's limits changed, or reads came or ceased. */
  findAgain(): void {
    this.#pace = null;
    this.#findingMs = 0;
  }

  /** Called regularly while copying goes on, with the time since the last call. */
  update(elapsedMs: number, now: CopyingNow): void {
    if (this.#pace === null) this.#find(elapsedMs, now);
    else this.#keep(elapsedMs, this.#pace, now);
  }

  /** Planned bytes a second that copying should have now; null while it is being found out. */
  wantedRate(leftBytes: number): number | null {
    if (this.#pace === null) return null;
    // A little early, because what comes between makes it late.
    const needed = this.#neededRate(leftBytes) * PACE_MARGIN;
    return Math.min(this.#pace * PACE_BEHIND_MAX, Math.max(this.#pace * PACE_LEAD_MAX, needed));
  }

  /** Seconds until everything is over. */
  secondsLeft(now: CopyingNow): number {
    return now.leftBytes / this.#expectedRate(now) + TAIL_MS / 1000;
  }

  #expectedRate(now: CopyingNow): number {
    const pace = this.#pace;
    if (pace === null) return paceFor(now);
    const needed = Math.min(pace * PACE_BEHIND_MAX, this.#neededRate(now.leftBytes));
    if (needed <= pace || now.doneRate === null) return Math.max(pace * PACE_LEAD_MAX, needed);
    // Late, it can not be trusted to make up for more than what it has shown lately, and a little.
    return Math.min(needed, Math.max(pace * PACE_DOUBT, now.doneRate * PACE_REGAINED));
  }

  #find(elapsedMs: number, now: CopyingNow): void {
    this.#findingMs += elapsedMs;
    // Where the operator allows less than reads do there is nothing to be found.
    if (now.limit <= now.foundRate) {
      this.#commit(paceFor(now), now);
      return;
    }
    const isLongEnough = this.#hasCommitted
      ? this.#findingMs >= REFIND_MS
      : now.doneShare >= FIND_SHARE && (now.isRateKnown || this.#findingMs >= FIND_MS);
    const isFound = isLongEnough && !now.isSlow;
    if (isFound || this.#findingMs >= FIND_TIMEOUT_MS) this.#commit(paceFor(now), now);
  }

  #keep(elapsedMs: number, pace: number, now: CopyingNow): void {
    this.#remainingMs -= elapsedMs;
    this.#calmMs = now.isCalm ? this.#calmMs + elapsedMs : 0;
    const needed = this.#neededRate(now.leftBytes);
    // What is left has become less by itself.
    if (needed < pace * PACE_LEAD_MAX) this.#commit(pace, now);
    this.#lateMs = needed > pace * PACE_BEHIND_MAX ? this.#lateMs + elapsedMs : 0;
    if (this.#lateMs >= PACE_LATE_MS) {
      this.#commit(Math.min(pace, Math.max((now.doneRate ?? pace) * PACE_OF_DONE, pace / 4)), now);
    }
    // Reads have long not minded: they may leave more by now, and there is enough to do for that to matter.
    if (this.#calmMs >= REFIND_AFTER_MS && this.#remainingMs >= REFIND_AFTER_MS) this.findAgain();
  }

  #commit(pace: number, { leftBytes }: CopyingNow): void {
    this.#pace = pace;
    this.#remainingMs = (leftBytes / pace) * 1000;
    this.#hasCommitted = true;
    this.#lateMs = 0;
    this.#calmMs = 0;
  }

  /** With which what is left takes the time that is left. */
  #neededRate(leftBytes: number): number {
    return this.#remainingMs > 0 ? (leftBytes / this.#remainingMs) * 1000 : Number.POSITIVE_INFINITY;
  }
}

/** What can be kept up: less than what reads leave now, and no more than copies have shown to need. */
function paceFor({ foundRate, limit, usedShare, hasHeldBack }: CopyingNow): number {
  const found = Math.min(foundRate * (hasHeldBack ? PACE_OF_FELT : PACE_OF_FOUND), limit * PACE_OF_LIMIT);
  return Math.max(1, Math.min(found, Math.min(foundRate, limit) * usedShare));
}
