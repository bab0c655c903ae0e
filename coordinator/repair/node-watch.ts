import type { Updateable } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import { isAppError } from '../../lib/errors/app-error.ts';
import { rangeOf } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { NodeStats } from '../../lib/node-api/schema.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { NodeProbe } from '../cluster/node-probe.ts';
import type { RegisteredNode } from '../cluster/node-repository.ts';
import { rolesOf } from '../cluster/ring-state.ts';
import type { Database } from '../database/database.ts';
import type { NodesTable } from '../database/schema.ts';
import { HEALTH_TIMEOUT_MS, NODE_WATCH_INTERVAL_MS, REPLICATE_AFTER_MS, WATCHED_DOWN_MS } from './limits.ts';
import type { QuarantineReader } from './quarantine-reader.ts';
import type { RepairRepository } from './repair-repository.ts';

export interface NodeWatchOptions {
  readonly database: Database;
  readonly cluster: Cluster;
  readonly probe: Pick<NodeProbe, 'health' | 'stats'>;
  readonly quarantine: QuarantineReader;
  readonly repository: RepairRepository;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onEvent: (kind: string, nodeId: string, details: Readonly<Record<string, unknown>>) => void;
  /** Gives the node's ranges to others; rejects when that cannot be done. */
  readonly declareLost: (node: RegisteredNode) => Promise<void>;
  /** 0: never. */
  readonly replicateAfterMs?: number | undefined;
  readonly intervalMs?: number | undefined;
}

/** What happened to nodes and points to copies that may be gone. Done by whoever has the lease of the repair. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #toldOf = new Map<string, string>();
  /** Since when this process has seen nodes down, monotonic. */
  readonly #downSince = new Map<string, number>();
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
  }

  /** Looks at every node, if the last look was long enough ago. */
  async runOnce(signal: AbortSignal): Promise<void> {
    const { clock, cluster, intervalMs = NODE_WATCH_INTERVAL_MS } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#lastMs < intervalMs) return;
    this.#lastMs = nowMs;
    await this.#buryCoordinators();
    for (const node of cluster.registeredNodes()) {
      signal.throwIfAborted();
      if (cluster.healthOf(node.id) === 'down') await this.#watchDown(node);
      else await this.#watchUp(node, signal);
    }
  }

  /** A node came back, or may have: it missed what was written meanwhile. */
  async suspectNode(nodeId: string, why: string): Promise<void> {
    const { cluster, repository } = this.#options;
    const { state } = cluster;
    if (state === null) return;
    const ranges = Array.from({ length: state.base.rangeCount }, (_, range) => range).filter((range) =>
      rolesOf(state, range).owners.includes(nodeId),
    );
    await repository.suspect(ranges, why);
    await repository.forgetTries();
  }

  /** One that died without a word may have known of chunks that did not reach every owner. */
  async #buryCoordinators(): Promise<void> {
    const { database, cluster, repository, logger } = this.#options;
    const dead = await database
      .selectFrom('coordinators')
      .select('id')
      .where('expires_at', '<', (expression) => expression.fn<Date>('clock_timestamp'))
      .execute();
    if (dead.length === 0) return;
    const { state } = cluster;
    if (state !== null)
      await repository.suspectAll(state.base.rangeCount, 'a coordinator ended without a word');
    logger.warn({ coordinators: dead.map(({ id }) => id) }, 'coordinators ended without a word');
    await database
      .deleteFrom('coordinators')
      .where(
        'id',
        'in',
        dead.map(({ id }) => id),
      )
      .where('expires_at', '<', (expression) => expression.fn<Date>('clock_timestamp'))
      .execute();
  }

  async #watchUp(node: RegisteredNode, signal: AbortSignal): Promise<void> {
    const { probe, logger } = this.#options;
    this.#toldOf.delete(node.id);
    this.#downSince.delete(node.id);
    try {
      const { nodeId, dataId } = await probe.health(node.url, HEALTH_TIMEOUT_MS, signal);
      if (nodeId !== node.id) return;
      if (dataId !== undefined) await this.#compareData(node, dataId);
      const stats = await probe.stats(node.url, signal);
      if (!isQuarantineKnown(node, stats)) {
        await this.#readQuarantine(node, signal);
        await this.#note(node.id, {
          quarantined_count: stats.quarantinedCount,
          last_quarantined_at: stats.lastQuarantinedAt ? new Date(stats.lastQuarantinedAt) : null,
        });
      }
    } catch (error) {
      signal.throwIfAborted();
      logger.debug({ err: error, nodeId: node.id }, 'a node could not be looked at');
    }
  }

  async #compareData(node: RegisteredNode, dataId: string): Promise<void> {
    const { onEvent, logger } = this.#options;
    if (node.dataId === dataId) return;
    if (node.dataId !== null) {
      // First the suspicion, then the new id: the other way round a crash between would leave it unsuspected.
      await this.suspectNode(node.id, `node ${node.id} has lost data`);
      logger.error({ nodeId: node.id }, 'a node has lost data');
      onEvent('node_lost_data', node.id, {});
    }
    await this.#note(node.id, { data_id: dataId });
  }

  /** What the node was seen with; to be noted only after what it gives rise to is stored. */
  async #note(
    id: string,
    seen: Updateable<Pick<NodesTable, 'data_id' | 'quarantined_count' | 'last_quarantined_at'>>,
  ): Promise<void> {
    const { database, cluster } = this.#options;
    await database.updateTable('nodes').set(seen).where('id', '=', id).execute();
    await cluster.reload();
  }

  /** What a node set aside is missing in its ranges. */
  async #readQuarantine(node: RegisteredNode, signal: AbortSignal): Promise<void> {
    const { quarantine, repository, cluster, onEvent } = this.#options;
    const { state } = cluster;
    if (state === null) return;
    const chunks = await quarantine.list(node.url, signal);
    const ranges = chunks.map(({ position }) => rangeOf(position, state.base.rangeCount));
    await repository.suspect(ranges, `node ${node.id} set damaged chunks aside`);
    if (chunks.length > 0) onEvent('chunks_quarantined', node.id, { chunks: chunks.length });
  }

  async #watchDown(node: RegisteredNode): Promise<void> {
    const { clock, replicateAfterMs = REPLICATE_AFTER_MS, declareLost, onEvent, logger } = this.#options;
    if (replicateAfterMs === 0 || (node.state !== 'active' && node.state !== 'draining')) return;
    const nowMs = clock.monotonicMs();
    const sinceMs = this.#downSince.get(node.id) ?? nowMs;
    this.#downSince.set(node.id, sinceMs);
    if (nowMs - sinceMs < Math.min(replicateAfterMs, WATCHED_DOWN_MS)) return;
    // The database's note of when it was last seen survives restarts, and is at most a minute old.
    const silentMs = clock.nowMs() - node.lastSeenAt.getTime();
    if (silentMs < replicateAfterMs) return;
    try {
      await declareLost(node);
      onEvent('node_declared_lost', node.id, { silentSeconds: Math.round(silentMs / 1000) });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (this.#toldOf.get(node.id) === why) return;
      this.#toldOf.set(node.id, why);
      logger.error({ nodeId: node.id, problem: why }, 'the ranges of a lost node cannot be given to others');
      onEvent('node_lost_but_needed', node.id, {
        problem: why,
        ...(isAppError(error) && { code: error.code }),
      });
    }
  }
}

/**
 * Whether all that the node had set aside when it gave these figures has been looked at. Its number is not enough: when
 * one copy was replaced and another one set aside since, it is the same. Older nodes tell nothing else.
 */
export function isQuarantineKnown(
  node: Pick<RegisteredNode, 'quarantinedCount' | 'lastQuarantinedAt'>,
  { quarantinedCount, lastQuarantinedAt }: Pick<NodeStats, 'quarantinedCount' | 'lastQuarantinedAt'>,
): boolean {
  const lastMs = lastQuarantinedAt ? Date.parse(lastQuarantinedAt) : undefined;
  return quarantinedCount === node.quarantinedCount && lastMs === node.lastQuarantinedAt?.getTime();
}
