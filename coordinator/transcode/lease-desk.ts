import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { TaskKind } from '../../lib/worker-api/tasks.ts';
import type { LeasedTask, Worker } from './task-repository.ts';

export interface LeaseDeskOptions {
  /** The next task of these kinds, or of any, for this worker; null when none is due. */
  readonly claim: (worker: Worker, kinds: readonly TaskKind[] | null) => Promise<LeasedTask | null>;
  /** For a task whose worker has gone while it was claimed. */
  readonly giveBack: (task: LeasedTask) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly waitingMax: number;
}

export interface Wish {
  readonly worker: Worker;
  /** Null: any. */
  readonly kinds: readonly TaskKind[] | null;
  readonly waitMs: number;
  /** Aborted when the worker has gone. */
  readonly signal: AbortSignal;
}

interface Waiter {
  readonly wish: Wish;
  /** A task is being claimed for it. */
  isServed: boolean;
  hasWaited: boolean;
  readonly resolve: (task: LeasedTask | null) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Workers that wait for a task here, first come first served. While there is none, nothing is asked of the database: whoever
 * queues a task, on whatever coordinator, says so. One look at a time, so that many who wait do not look for one task.
 */
export class LeaseDesk {
  readonly #options: LeaseDeskOptions;
  readonly #waiting = new Set<Waiter>();
  #isLooking = false;
  #shallLook = false;
  #isClosed = false;

  constructor(options: LeaseDeskOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves with null when there is no task in time, or at once when too many wait; rejects when none can be had. */
  async take(wish: Wish): Promise<LeasedTask | null> {
    const { claim, clock, waitingMax } = this.#options;
    const { worker, kinds, waitMs, signal } = wish;
    if (this.#isClosed) return null;
    if (waitMs === 0 || this.#waiting.size >= waitingMax) return await claim(worker, kinds);
    const { promise, resolve, reject } = Promise.withResolvers<LeasedTask | null>();
    const waiter: Waiter = { wish, isServed: false, hasWaited: false, resolve, reject };
    const leave = () => this.#leave(waiter);
    const cancelTimer = clock.after(waitMs, leave);
    signal.addEventListener('abort', leave, { once: true });
    this.#waiting.add(waiter);
    if (signal.aborted) leave();
    this.wake();
    try {
      return await promise;
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', leave);
    }
  }

  /** There may be a task now. */
  wake(): void {
    this.#shallLook = true;
    if (!this.#isLooking) void this.#look();
  }

  /** Sends everybody home, for good. */
  close(): void {
    this.#isClosed = true;
    for (const waiter of [...this.#waiting]) this.#leave(waiter);
  }

  #leave(waiter: Waiter): void {
    waiter.hasWaited = true;
    // One that is being served gets what is found.
    if (waiter.isServed) return;
    this.#waiting.delete(waiter);
    waiter.resolve(null);
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#shallLook) {
      this.#shallLook = false;
      // What nobody needs to ask for once more in this round.
      const exhausted = new Set<string>();
      for (let next = this.#next(exhausted); next !== undefined; next = this.#next(exhausted)) {
        if (!(await this.#serve(next))) exhausted.add(keyOf(next.wish));
      }
    }
    this.#isLooking = false;
  }

  /** Whoever takes some kinds only goes first: the others can take the rest. */
  #next(exhausted: ReadonlySet<string>): Waiter | undefined {
    const open = [...this.#waiting].filter(({ wish }) => !exhausted.has(keyOf(wish)));
    return open.find(({ wish }) => wish.kinds !== null) ?? open[0];
  }

  /** False when there is no task for it. */
  async #serve(waiter: Waiter): Promise<boolean> {
    const { worker, kinds, signal } = waiter.wish;
    waiter.isServed = true;
    let task: LeasedTask | null = null;
    try {
      task = await this.#options.claim(worker, kinds);
    } catch (error) {
      this.#waiting.delete(waiter);
      waiter.reject(error);
      return true;
    }
    waiter.isServed = false;
    if (task === null) {
      if (waiter.hasWaited) this.#leave(waiter);
      return false;
    }
    this.#waiting.delete(waiter);
    waiter.resolve(signal.aborted ? null : task);
    if (signal.aborted) await this.#giveBack(task);
    return true;
  }

  async #giveBack(task: LeasedTask): Promise<void> {
    try {
      await this.#options.giveBack(task);
    } catch (error) {
      // Its lease runs out.
      this.#options.logger.warn({ err: error, taskId: task.id }, 'a task could not be given back');
    }
  }
}

function keyOf({ kinds }: Wish): string {
  return kinds === null ? '' : kinds.join();
}
