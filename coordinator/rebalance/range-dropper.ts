import type { Clock } from '../../lib/clock/clock.ts';
import { type Interval, type NodeInventory, nodeCodeOf } from '../cluster/node-inventory.ts';
import type { RingPermit, StorageNode } from '../cluster/placement.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import type { ObjectRepository } from '../objects/object-repository.ts';
import { DROP_LIFETIME_S } from './limits.ts';
import { listNode, missingFrom } from './listing.ts';

export interface RangeDropperOptions {
  readonly inventory: NodeInventory;
  readonly objects: Pick<ObjectRepository, 'aliveAmong'>;
  /** Asks for a permit of the ring. */
  readonly enter: () => RingPermit;
  readonly clock: Clock;
  /** How long a node may take to begin a drop after it was asked. */
  readonly lifetimeS?: number | undefined;
}

export interface RangeDrop {
  readonly interval: Interval;
  readonly from: StorageNode;
  /** All owners of the range now. */
  readonly owners: readonly StorageNode[];
  /** Whether the node is still none of the owners, by what this coordinator knows of the ring. */
  readonly mayDrop: () => boolean;
}

const ALIVE_PAGE = 1000;

/**
 * Takes a range from a node that does not own it any more. What it drops are exactly the chunks of which it has just
 * seen that every owner holds them, or that nobody needs; so not even a mistake elsewhere makes it drop the last copy.
 */
export class RangeDropper {
  readonly #options: RangeDropperOptions;

  constructor(options: RangeDropperOptions) {
    this.#options = options;
  }

  /**
   * Resolves with whether the range is gone from the node; false when it was written to meanwhile, or when this may not
   * be any more: then look at the ring again. Rejects when a node does not answer.
   */
  async drop({ interval, from, owners, mayDrop }: RangeDrop, signal: AbortSignal): Promise<boolean> {
    const { inventory, enter, clock, lifetimeS = DROP_LIFETIME_S } = this.#options;
    const held = await inventory.digest(from, interval, signal);
    if (held.count === 0) return true;
    const digests = await Promise.all(owners.map((owner) => inventory.digest(owner, interval, signal)));
    for (const [index, owner] of owners.entries()) {
      if (digests[index]!.digest !== held.digest) await this.#complete(owner, from, interval, signal);
    }
    signal.throwIfAborted();
    const permit = enter();
    // Before the permit is looked at: however long this process stands still afterwards, the drop lives no longer.
    const expiresAtMs = clock.nowMs() + lifetimeS * 1000;
    try {
      // No step begins anywhere while the permit is out, so the node cannot become an owner again before this ends. And
      // if nobody waits for this coordinator any more, the node has begun by then, or never will.
      if (!mayDrop() || !permit.isValid(lifetimeS * 1000)) return false;
      return await this.#send(from, interval, { digest: held.digest, expiresAtMs }, signal);
    } finally {
      permit.leave();
    }
  }

  /**
   * Ends only when the node has answered, or can begin no more: a request that is given up may be on its way still, or
   * be carried out by a node that does not notice.
   */
  async #send(
    from: StorageNode,
    interval: Interval,
    options: { readonly digest: string; readonly expiresAtMs: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { inventory, clock, lifetimeS = DROP_LIFETIME_S } = this.#options;
    const over = Promise.withResolvers<void>();
    let isOver = false;
    const givenUp = new AbortController();
    const giveUp = () => {
      if (signal.aborted && isOver) givenUp.abort(signal.reason);
    };
    const cancel = clock.after(lifetimeS * 1000, () => {
      isOver = true;
      over.resolve();
      giveUp();
    });
    signal.addEventListener('abort', giveUp);
    try {
      return await inventory.drop(from, interval, options, givenUp.signal);
    } catch (error) {
      if (nodeCodeOf(error) === undefined) await over.promise;
      throw error;
    } finally {
      cancel();
      signal.removeEventListener('abort', giveUp);
    }
  }

  /** Gives the owner whatever it lacks of what the node holds and somebody needs. */
  async #complete(
    owner: StorageNode,
    from: StorageNode,
    interval: Interval,
    signal: AbortSignal,
  ): Promise<void> {
    const { inventory, objects } = this.#options;
    const missing = missingFrom(
      listNode(inventory, from, interval, signal),
      listNode(inventory, owner, interval, signal),
    );
    let page: ChunkRef[] = [];
    const give = async () => {
      const alive = await objects.aliveAmong(page.map(({ id }) => id));
      for (const chunk of page)
        if (alive.has(chunk.id)) await inventory.pullChunk(owner, chunk, from, signal);
      page = [];
    };
    for await (const chunk of missing) {
      page.push(chunk);
      if (page.length === ALIVE_PAGE) await give();
    }
    if (page.length > 0) await give();
  }
}
