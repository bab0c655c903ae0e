import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { DOWN_AFTER_MS, HEALTH_INTERVAL_MS, HEALTH_TIMEOUT_MS } from './limits.ts';
import type { NodeProbe } from './node-probe.ts';
import type { NodeHealth, StorageNode } from './placement.ts';

export interface HealthOptions {
  /** The nodes to watch, asked anew in every round. */
  readonly nodes: () => readonly StorageNode[];
  readonly probe: Pick<NodeProbe, 'health'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly intervalMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly downAfterMs?: number | undefined;
}

export interface HealthChange {
  readonly nodeId: string;
  readonly from: NodeHealth;
  readonly to: NodeHealth;
  /** Why the node is not up; null when it is. */
  readonly reason: string | null;
}

interface Entry {
  health: NodeHealth;
  reason: string | null;
  /** Monotonic; a node that never answered counts from when it was first seen here. */
  lastSuccessMs: number;
}

/**
 * How the nodes are, as this coordinator sees them. One failure makes a node suspect, failures alone for
 * `downAfterMs` make it down, one success makes it up; an answer by another node than the registered one makes
 * it down at once. A node that was not asked yet is up.
 */
export class HealthMonitor implements AsyncDisposable {
  readonly #options: HealthOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(change: HealthChange) => void>();
  /** Checks under way by node: one that hangs must not hold up the others' next one. */
  readonly #checks = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  /** Asks all nodes now and then every `intervalMs`, until disposed. */
  start(): void {
    const { clock, intervalMs = HEALTH_INTERVAL_MS } = this.#options;
    const { signal } = this.#stop;
    this.#loop = repeat(clock, intervalMs, signal, async () => void this.runOnce(signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the health monitor is closed'));
    await this.#loop;
    await Promise.all(this.#checks.values());
  }

  /** Asks every node, all at the same time, but none that still owes an answer. Never rejects. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const nodes = this.#options.nodes();
    const known = new Set(nodes.map(({ id }) => id));
    for (const id of this.#entries.keys()) if (!known.has(id)) this.#entries.delete(id);
    await Promise.all(nodes.map((node) => this.#check(node, signal)));
  }

  healthOf(nodeId: string): NodeHealth {
    return this.#entries.get(nodeId)?.health ?? 'up';
  }

  /** Why the node is not up; null when it is. */
  reasonOf(nodeId: string): string | null {
    return this.#entries.get(nodeId)?.reason ?? null;
  }

  /** A request to the node failed in a way that speaks about the node. */
  reportFailure(nodeId: string, reason: string): void {
    const entry = this.#entryOf(nodeId);
    if (entry.health === 'up') this.#set(nodeId, entry, 'suspect', reason);
  }

  /** The listener hears of every change of a node's health, in order. The returned function ends that. */
  onChange(listener: (change: HealthChange) => void): () => void {
    const own = (change: HealthChange) => listener(change);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  #check(node: StorageNode, signal: AbortSignal): Promise<void> {
    const underWay = this.#checks.get(node.id);
    if (underWay !== undefined) return underWay;
    const check = this.#ask(node, signal).finally(() => this.#checks.delete(node.id));
    this.#checks.set(node.id, check);
    return check;
  }

  async #ask(node: StorageNode, signal: AbortSignal): Promise<void> {
    const { probe, clock, timeoutMs = HEALTH_TIMEOUT_MS, downAfterMs = DOWN_AFTER_MS } = this.#options;
    const entry = this.#entryOf(node.id);
    try {
      const { nodeId } = await probe.health(node.url, timeoutMs, signal);
      if (nodeId !== node.id) {
        this.#set(node.id, entry, 'down', 'identity');
        return;
      }
      entry.lastSuccessMs = clock.monotonicMs();
      this.#set(node.id, entry, 'up', null);
    } catch (error) {
      if (signal.aborted) return;
      const silentMs = clock.monotonicMs() - entry.lastSuccessMs;
      const isDown = entry.health === 'down' || silentMs >= downAfterMs;
      this.#set(node.id, entry, isDown ? 'down' : 'suspect', reasonFrom(error));
    }
  }

  #entryOf(nodeId: string): Entry {
    let entry = this.#entries.get(nodeId);
    if (entry === undefined) {
      entry = { health: 'up', reason: null, lastSuccessMs: this.#options.clock.monotonicMs() };
      this.#entries.set(nodeId, entry);
    }
    return entry;
  }

  #set(nodeId: string, entry: Entry, to: NodeHealth, reason: string | null): void {
    const from = entry.health;
    entry.reason = reason;
    if (from === to) return;
    entry.health = to;
    const { logger } = this.#options;
    logger[to === 'up' ? 'info' : 'warn']({ nodeId, from, to, reason }, 'the health of a node changed');
    for (const listener of this.#listeners) {
      try {
        listener({ nodeId, from, to, reason });
      } catch (error) {
        logger.error({ err: error }, 'a health listener failed');
      }
    }
  }
}

function reasonFrom(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
