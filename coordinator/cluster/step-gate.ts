import type { Clock } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import type { ErrorCode } from '../errors.ts';
import type { RingPermit } from './placement.ts';

/**
 * Counts what is under way under each step of the ring, and refuses to begin anything once this coordinator's own
 * lease may have run out: then the others no longer wait for it.
 */
export class StepGate {
  readonly #clock: Clock;
  #step = 0;
  #validUntilMs = Number.NEGATIVE_INFINITY;
  /** Grows whenever the lease was lost: permits from before never count again. */
  #term = 0;
  readonly #underWay = new Map<number, number>();
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get step(): number {
    return this.#step;
  }

  get isOpen(): boolean {
    return this.#clock.monotonicMs() < this.#validUntilMs;
  }

  /** From now on permits are for this step. */
  moveTo(step: number): void {
    this.#step = step;
  }

  /** The lease lasts until then, in monotonic time. After a gap earlier permits stay worthless. */
  extendTo(untilMs: number): void {
    if (!this.isOpen) this.#term += 1;
    this.#validUntilMs = Math.max(this.#validUntilMs, untilMs);
  }

  /** The lease is gone, at once. */
  close(): void {
    this.#validUntilMs = Number.NEGATIVE_INFINITY;
  }

  enter(): RingPermit {
    if (!this.isOpen) {
      throw new AppError<ErrorCode>(
        'cluster_not_ready',
        'This coordinator has lost touch with the database and does not write until it is back.',
        { retryable: true },
      );
    }
    const step = this.#step;
    const term = this.#term;
    this.#underWay.set(step, (this.#underWay.get(step) ?? 0) + 1);
    let hasLeft = false;
    return {
      isValid: (forMs = 0) => this.#clock.monotonicMs() + forMs < this.#validUntilMs && this.#term === term,
      leave: () => {
        if (hasLeft) return;
        hasLeft = true;
        this.#leave(step);
      },
    };
  }

  /** Resolves when nothing is under way any more that began before the step. */
  async emptiedBefore(step: number): Promise<void> {
    while ([...this.#underWay.keys()].some((other) => other < step)) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  #leave(step: number): void {
    const left = this.#underWay.get(step)! - 1;
    if (left > 0) {
      this.#underWay.set(step, left);
      return;
    }
    this.#underWay.delete(step);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
