import type { BenchRun } from './bench-run.ts';
import type { LoadTarget } from './load-plan.ts';

/** A system that runs on this machine and can be put under load. */
export interface BenchSystem extends AsyncDisposable {
  readonly name: string;
  /** What a reader must know of how it was set up. */
  readonly description: string;
  readonly target: LoadTarget;
  /** Every process whose CPU time counts, at this moment. */
  pids(): readonly number[];
}

/** Starts a system with its data in a directory of its own below the run's. */
export type StartSystem = (run: BenchRun) => Promise<BenchSystem>;

/** A peer that is not installed; the benchmark goes on without it. */
export class MissingPeer extends Error {
  override readonly name = 'MissingPeer';
}
