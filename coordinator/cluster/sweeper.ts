import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Leases } from '../database/leases.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { forEachLimited } from './for-each-limited.ts';
import type { HealthMonitor } from './health.ts';
import {
  EXPIRY_INTERVAL_MS,
  SWEEP_DELETES_MAX,
  SWEEP_INTERVAL_MS,
  SWEEP_LEASE_MS,
  SWEEP_MIN_AGE_MS,
  SWEEP_NODES_MAX,
  SWEEP_PAGE_CHUNKS,
} from './limits.ts';
import { type InventoryPage, type ListedChunk, type NodeInventory, WHOLE_RING } from './node-inventory.ts';
import type { Placement, StorageNode } from './placement.ts';

export interface SweeperOptions {
  readonly objects: Pick<ObjectRepository, 'aliveAmong' | 'expireOpen'>;
  readonly placement: Pick<Placement, 'nodes' | 'healthOf' | 'writeTargetsOf' | 'enter'>;
  /** Whether the node has a part in the position's range, so that nothing of it may be taken away. */
  readonly isInvolved: (nodeId: string, position: number) => boolean;
  readonly health: Pick<HealthMonitor, 'onChange'>;
  readonly inventory: Pick<NodeInventory, 'list' | 'delete' | 'has' | 'pullChunk'>;
  readonly leases: Leases;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number | undefined;
  /** A chunk younger than this by its node's clock is left alone; 0 sweeps it whatever its age. */
  readonly minAgeMs?: number | undefined;
  readonly expiryIntervalMs?: number | undefined;
  /** How long after this coordinator's death another one takes the sweep over. */
  readonly leaseMs?: number | undefined;
}

/** What this process did since it started. */
export interface SweepCounts {
  readonly removedChunks: number;
  readonly removedBytes: number;
  readonly expiredObjects: number;
  /** Chunks that lay where they did not belong, and are with their owners now. */
  readonly homedChunks: number;
  /** Nodes swept to the end. */
  readonly sweptNodes: number;
  /** Sweeps of a node that were cut short. */
  readonly failedNodes: number;
}

export const SWEEP_LEASE = 'sweep';

/**
 * Removes the chunks that nobody names: of uploads that were given up, of deleted videos, and of either on a node
 * that was away meanwhile; and brings home those that lie on a node which does not own their range: handoffs, and what
 * a node kept that left the ring. One coordinator at a time does it, by lease; two would only do the same work twice,
 * because a chunk that is dead stays dead (an object is opened before its first chunk is stored, and ids are
 * never used again).
 */
export class Sweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  readonly #leaseMs: number;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  /** Nodes that came back and were not swept since. */
  readonly #returned = new Set<string>();
  #isAsked = false;
  #wake: () => void = () => {};
  #lastSweepMs = Number.NEGATIVE_INFINITY;
  #counts = {
    removedChunks: 0,
    removedBytes: 0,
    expiredObjects: 0,
    homedChunks: 0,
    sweptNodes: 0,
    failedNodes: 0,
  };

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? SWEEP_LEASE_MS;
  }

  get counts(): SweepCounts {
    return { ...this.#counts };
  }

  /** Sweeps everything at the next opportunity. */
  sweepSoon(): void {
    this.#lastSweepMs = Number.NEGATIVE_INFINITY;
    this.#isAsked = true;
    this.#wake();
  }

  /** Works until disposed: every interval, when a node comes back, and when open objects expired. */
  start(): void {
    const { health, clock } = this.#options;
    this.#lastSweepMs = clock.monotonicMs();
    const unsubscribe = health.onChange(({ nodeId, from, to }) => {
      if (from !== 'down' || to !== 'up') return;
      this.#returned.add(nodeId);
      this.#wake();
    });
    const loop = this.#run(this.#stop.signal);
    this.#stack.defer(() => loop);
    this.#stack.defer(unsubscribe);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the sweeper is closed'));
    await this.#stack.disposeAsync();
  }

  /**
   * Expires open objects and sweeps every node that is up, if no other coordinator has the lease; tells whether
   * that was so. A node that fails does not stop the others. Rejects when the database fails before the sweep.
   */
  async runOnce(signal: AbortSignal): Promise<boolean> {
    if (!(await this.#options.leases.acquire(SWEEP_LEASE, this.#leaseMs))) return false;
    await this.#expire();
    await this.#sweep(this.#upNodes(), signal);
    return true;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { leases, logger, expiryIntervalMs = EXPIRY_INTERVAL_MS } = this.#options;
    while (!signal.aborted) {
      await this.#tick(signal).catch((error: unknown) => {
        if (!signal.aborted) logger.warn({ err: error }, 'the sweep could not run');
      });
      await this.#pause(expiryIntervalMs, signal);
    }
    // Another coordinator need not wait for the lease to run out.
    await leases.release(SWEEP_LEASE).catch(() => {});
  }

  async #tick(signal: AbortSignal): Promise<void> {
    const { clock, leases, intervalMs = SWEEP_INTERVAL_MS } = this.#options;
    this.#isAsked = false;
    const returned = new Set(this.#returned);
    this.#returned.clear();
    // Whoever has the lease sees for itself which nodes come back.
    if (!(await leases.acquire(SWEEP_LEASE, this.#leaseMs))) return;
    const expired = await this.#expire();
    const isDue = clock.monotonicMs() - this.#lastSweepMs >= intervalMs;
    const up = this.#upNodes();
    if (isDue || expired > 0) await this.#sweep(up, signal);
    else if (returned.size > 0) {
      const back = up.filter(({ id }) => returned.has(id));
      await this.#sweep(back, signal);
    }
    if (isDue) this.#lastSweepMs = clock.monotonicMs();
  }

  /** Returns after the delay, at the abort, or when a node came back. */
  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    if (this.#returned.size > 0 || this.#isAsked || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel();
        signal.removeEventListener('abort', done);
        this.#wake = () => {};
        resolve();
      };
      const cancel = this.#options.clock.after(delayMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  async #expire(): Promise<number> {
    const expired = await this.#options.objects.expireOpen();
    this.#counts.expiredObjects += expired;
    if (expired > 0) this.#options.logger.info({ expired }, 'open objects whose lease ran out were removed');
    return expired;
  }

  #upNodes(): readonly StorageNode[] {
    const { placement } = this.#options;
    return placement.nodes().filter(({ id }) => placement.healthOf(id) === 'up');
  }

  async #sweep(nodes: readonly StorageNode[], outer: AbortSignal): Promise<void> {
    const { clock, leases } = this.#options;
    const ended = new AbortController();
    const signal = AbortSignal.any([outer, ended.signal]);
    const renewals = repeat(clock, this.#leaseMs / 3, signal, async () => {
      const isHeld = await leases.renew(SWEEP_LEASE, this.#leaseMs).catch(() => false);
      if (!isHeld) ended.abort(new Error('the lease was lost'));
    });
    try {
      await forEachLimited(nodes, SWEEP_NODES_MAX, (node) => this.#sweepNode(node, signal));
    } finally {
      ended.abort(new Error('the sweep ended'));
      await renewals;
    }
  }

  /** Never rejects. */
  async #sweepNode(node: StorageNode, signal: AbortSignal): Promise<void> {
    const { inventory, logger } = this.#options;
    const before = this.#counts.removedChunks;
    try {
      let after: string | null = null;
      do {
        signal.throwIfAborted();
        const page: InventoryPage = await inventory.list(
          node,
          WHOLE_RING,
          { after, limit: SWEEP_PAGE_CHUNKS },
          signal,
        );
        await this.#sweepPage(node, page.chunks, signal);
        if (page.nextCursor !== null && page.nextCursor === after)
          throw new Error('the listing does not end');
        after = page.nextCursor;
      } while (after !== null);
      this.#counts.sweptNodes += 1;
    } catch (error) {
      if (signal.aborted) return;
      this.#counts.failedNodes += 1;
      logger.warn({ err: error, nodeId: node.id }, 'the sweep of a node was cut short');
    }
    const removed = this.#counts.removedChunks - before;
    if (removed > 0) logger.info({ nodeId: node.id, removed }, 'chunks that nobody names were removed');
  }

  async #sweepPage(node: StorageNode, listed: readonly ListedChunk[], signal: AbortSignal): Promise<void> {
    const { objects, inventory, clock, minAgeMs = SWEEP_MIN_AGE_MS } = this.#options;
    const nowMs = clock.nowMs();
    const old = listed.filter(({ createdAtMs }) => minAgeMs === 0 || nowMs - createdAtMs >= minAgeMs);
    if (old.length === 0) return;
    // Asked after the listing was read: what it names and the database does not is dead for good.
    const alive = await objects.aliveAmong(old.map(({ id }) => id));
    const dead = old.filter(({ id }) => !alive.has(id));
    await forEachLimited(dead, SWEEP_DELETES_MAX, async (chunk) => {
      await inventory.delete(node, chunk, signal);
      this.#counts.removedChunks += 1;
      this.#counts.removedBytes += chunk.length;
    });
    const { isInvolved } = this.#options;
    const strays = old.filter(({ id, position }) => alive.has(id) && !isInvolved(node.id, position));
    await forEachLimited(strays, SWEEP_DELETES_MAX, (chunk) => this.#bringHome(node, chunk, signal));
  }

  /**
   * Gives the chunk to the owners that lack it, and takes it from the node only when all of them have it on disk. What
   * stands in the way is left to the next sweep.
   */
  async #bringHome(node: StorageNode, chunk: ListedChunk, signal: AbortSignal): Promise<void> {
    const { inventory, placement, isInvolved, logger } = this.#options;
    const { owners } = placement.writeTargetsOf(chunk.position);
    if (owners.some(({ id }) => placement.healthOf(id) !== 'up')) return;
    try {
      for (const owner of owners) {
        if (!(await inventory.has(owner, chunk, signal))) {
          await inventory.pullChunk(owner, chunk, node, signal);
        }
      }
      // No step of the ring begins anywhere while the permit is out: the node cannot become an owner before it ends.
      const permit = placement.enter();
      try {
        const now = placement.writeTargetsOf(chunk.position).owners;
        const haveIt = now.every(({ id }) => owners.some((owner) => owner.id === id));
        if (!haveIt || isInvolved(node.id, chunk.position) || !permit.isValid()) return;
        await inventory.delete(node, chunk, signal);
        this.#counts.homedChunks += 1;
      } finally {
        permit.leave();
      }
    } catch (error) {
      if (signal.aborted) throw error;
      logger.debug(
        { err: error, nodeId: node.id, chunkId: chunk.id },
        'a chunk could not be brought home yet',
      );
    }
  }
}
