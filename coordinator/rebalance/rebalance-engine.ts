import { RingRepository } from '../cluster/ring-repository.ts';
import type { Leases } from '../database/leases.ts';
import { ENGINE_PACE, KNOWN_RATE_MAX_AGE_MS, REBALANCE_LEASE, REBALANCE_LEASE_MS } from './limits.ts';
import { RebalanceRepository } from './rebalance-repository.ts';
import { RebalanceRun, type RebalanceRunOptions } from './rebalance-run.ts';

export interface RebalanceEngineOptions extends RebalanceRunOptions {
  readonly leases: Leases;
  readonly leaseMs?: number | undefined;
}

/**
 * Moves the ring from its base to its target, one step after the other; see `ring-state.ts` for the phases. One
 * coordinator at a time does it, by lease, and compare-and-set on the ring's step guards against two. Everything that
 * matters is in the database, so whoever takes over goes on where the last one was; copies that were under way are
 * asked for again, and nodes fetch only what they lack.
 */
export class RebalanceEngine implements AsyncDisposable {
  readonly #options: RebalanceEngineOptions;
  readonly #rings: RingRepository;
  readonly #rebalances: RebalanceRepository;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  #wake: () => void = () => {};

  constructor(options: RebalanceEngineOptions) {
    this.#options = options;
    this.#rings = new RingRepository(options.database.kysely);
    this.#rebalances = new RebalanceRepository(options.database.kysely);
  }

  /** Works until disposed. */
  start(): void {
    this.#stack.defer(this.#options.cluster.onChange(() => this.#wake()));
    const loop = this.#run(this.#stop.signal);
    this.#stack.defer(() => loop);
  }

  /** Ends what is under way; the nodes are told by their connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the rebalance engine is closed'));
    this.#wake();
    await this.#stack.disposeAsync();
  }

  /** Something changed that the engine does not hear of by itself: limits, a pause. */
  notify(): void {
    this.#wake();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { leases, leaseMs = REBALANCE_LEASE_MS, logger, cluster } = this.#options;
    while (!signal.aborted) {
      try {
        const isMoving = (cluster.state?.target ?? null) !== null;
        if (isMoving && (await leases.acquire(REBALANCE_LEASE, leaseMs))) await this.#lead(signal);
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'the rebalance was interrupted and will go on');
      }
      await this.#pause((this.#options.pace ?? ENGINE_PACE).pollMs, signal);
    }
    await leases.release(REBALANCE_LEASE).catch(() => {});
  }

  /** Runs rebalances while this coordinator has the lease. */
  async #lead(outer: AbortSignal): Promise<void> {
    const { leases, leaseMs = REBALANCE_LEASE_MS, clock, logger } = this.#options;
    const ended = new AbortController();
    const signal = AbortSignal.any([outer, ended.signal]);
    const renewals = (async () => {
      while (!signal.aborted) {
        await clock.sleep(leaseMs / 4, signal).catch(() => {});
        if (signal.aborted) return;
        const isHeld = await leases.renew(REBALANCE_LEASE, leaseMs).catch(() => false);
        if (!isHeld) ended.abort(new Error('the lease of the rebalance was lost'));
      }
    })();
    try {
      for (;;) {
        signal.throwIfAborted();
        const state = await this.#rings.read();
        if (state === null || state.target === null || state.rebalanceId === null) return;
        const rebalance = await this.#rebalances.find(state.rebalanceId);
        if (rebalance === null) throw new Error(`the ring names the unknown rebalance ${state.rebalanceId}`);
        logger.info({ rebalanceId: rebalance.id, step: state.step }, 'ranges change hands');
        const rateBesideReads = await this.#rebalances.rateBesideReads(KNOWN_RATE_MAX_AGE_MS);
        const onWake = (wake: () => void) => {
          this.#wake = wake;
        };
        await new RebalanceRun(
          this.#options,
          this.#rings,
          this.#rebalances,
          rebalance,
          rateBesideReads,
          onWake,
        ).run(signal);
      }
    } finally {
      this.#wake = () => {};
      ended.abort(new Error('the rebalance ended'));
      await renewals;
    }
  }

  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
