import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import { assign, RingError } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { NodeStats } from '../../lib/node-api/schema.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import type { NodeState } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import { CLUSTER_CHANNEL, type Cluster } from './cluster.ts';
import { ClusterRepository } from './cluster-repository.ts';
import { LayoutRepository } from './layout-repository.ts';
import { HEALTH_TIMEOUT_MS, REGISTER_RETRY_MS, WEIGHT_DEFAULT, ZONE_DEFAULT } from './limits.ts';
import { foreignCluster, type NodeProbe } from './node-probe.ts';
import { NodeRepository, type OnNodeState, type RegisteredNode } from './node-repository.ts';
import { countRanges } from './range-counts.ts';
import { RingRepository } from './ring-repository.ts';

export interface MembershipOptions {
  readonly database: DatabaseHandle;
  readonly cluster: Cluster;
  readonly probe: NodeProbe;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called for each node that became one of this cluster, or changed, and was not merely registered again. */
  readonly onRegistered?: (node: RegisteredNode) => void;
  /** Told, in their transactions, of nodes that get another state. */
  readonly onNodeState?: OnNodeState;
  /** The first layout is made when this many nodes are registered. */
  readonly bootstrapNodes: number;
}

export interface Registration {
  /** Base URL of the node as every coordinator and every other node reaches it. */
  readonly url: string;
  /** What fails together. Default: what it was, or `default`. */
  readonly zone?: string | undefined;
  /** Share of the data relative to the other nodes. Default: what it was, or 1. */
  readonly weight?: number | undefined;
}

/** Who belongs to the cluster. Several coordinators may register nodes at once; the database orders them. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #clusters: ClusterRepository;
  readonly #nodes: NodeRepository;
  readonly #layouts: LayoutRepository;
  readonly #rings: RingRepository;

  constructor(options: MembershipOptions) {
    const { kysely } = options.database;
    this.#options = options;
    this.#clusters = new ClusterRepository(kysely);
    this.#nodes = new NodeRepository(kysely, options.onNodeState);
    this.#layouts = new LayoutRepository(kysely);
    this.#rings = new RingRepository(kysely);
  }

  /**
   * Makes the node at the URL one of this cluster, or brings what is known of it up to date: repeating it is
   * harmless. Rejects with `node_unreachable`, `node_foreign_cluster`, `node_identity_mismatch` (an active node
   * with another identity has this address) or `node_already_registered` (the same node answers at another
   * address too).
   */
  async register(registration: Registration): Promise<RegisteredNode> {
    const { cluster, probe, database, logger } = this.#options;
    const wanted = { ...registration, url: normalizeUrl(registration.url) };
    // 1. Who is it?
    const stats = await probe.stats(wanted.url);
    if (stats.clusterId !== null && stats.clusterId !== cluster.id) throw foreignCluster(wanted.url);
    // 2. Refuse what cannot be before the node is told that it belongs here.
    await this.#refuseTaken(wanted.url, stats.nodeId);
    await this.#refuseTwin(wanted.url, stats.nodeId);
    await probe.claim(wanted.url, cluster.id);
    // 3. Store it, one registration at a time.
    const { before, node } = await database.kysely.transaction().execute(async (transaction) => {
      await this.#clusters.lock(transaction);
      const before = await this.#nodes.find(stats.nodeId, transaction);
      await this.#refuseTaken(wanted.url, stats.nodeId, transaction);
      await this.#store(transaction, wanted, stats);
      await database.notifications.publish(CLUSTER_CHANNEL, 'nodes', transaction);
      return { before, node: (await this.#nodes.find(stats.nodeId, transaction))! };
    });
    logger.info({ nodeId: stats.nodeId, url: wanted.url, state: node.state }, 'node registered');
    if (before?.url !== node.url || before.state !== node.state) this.#options.onRegistered?.(node);
    // 4. Perhaps it was the last one that the first layout waited for.
    await this.bootstrap();
    await cluster.reload();
    return (await this.#nodes.find(stats.nodeId))!;
  }

  /**
   * Changes zone or weight of a node that owns nothing; what owns ranges changes with a rebalance instead
   * (`node_in_use`). Rejects with `node_not_found`.
   */
  async edit(
    id: string,
    wanted: { readonly zone?: string | undefined; readonly weight?: number | undefined },
  ): Promise<RegisteredNode> {
    return this.#changeIdle(id, async (transaction, node) => {
      const { zone = node.zone, weight = node.weight } = wanted;
      await this.#nodes.setPlace(transaction, id, { zone, weight });
    });
  }

  /** Removes a node that owns nothing (`node_in_use` otherwise): it may go away. Rejects with `node_not_found`. */
  async remove(id: string): Promise<RegisteredNode> {
    return this.#changeIdle(id, async (transaction) => {
      await this.#nodes.setState(transaction, [id], 'removed');
    });
  }

  /** The node, unless it is removed; `node_not_found`. */
  async find(id: string): Promise<RegisteredNode> {
    const node = await this.#nodes.find(id);
    if (node === null || node.state === 'removed') throw unknownNode(id);
    return node;
  }

  async #changeIdle(
    id: string,
    change: (transaction: Transaction, node: RegisteredNode) => Promise<void>,
  ): Promise<RegisteredNode> {
    const { database, cluster } = this.#options;
    const changed = await database.kysely.transaction().execute(async (transaction) => {
      await this.#clusters.lock(transaction);
      const node = await this.#nodes.find(id, transaction);
      if (node === null || node.state === 'removed') throw unknownNode(id);
      if (OWNING_STATES.has(node.state) || (await this.#isMember(id, transaction))) throw inUse(node);
      await change(transaction, node);
      await database.notifications.publish(CLUSTER_CHANNEL, 'nodes', transaction);
      return await this.#nodes.find(id, transaction);
    });
    await cluster.reload();
    return changed!;
  }

  /** Whether the ring, or where it is on its way to or from, names the node as an owner. */
  async #isMember(id: string, transaction: Transaction): Promise<boolean> {
    const state = await this.#rings.read(transaction);
    if (state === null) return false;
    return [state.base, state.target].some(
      (layout) => layout !== null && (countRanges(layout).get(id)?.ranges ?? 0) > 0,
    );
  }

  /**
   * Registers every node of a list, trying those that cannot be registered yet again until the signal aborts.
   * Also makes the first layout if that is all that is missing. Never rejects.
   */
  async registerAll(urls: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    const told = new Map<string, string>();
    let waiting: readonly string[] = urls;
    await this.bootstrap().catch((error) => logger.warn({ err: error }, 'could not make the first layout'));
    while (waiting.length > 0 && !signal.aborted) {
      const results = await Promise.allSettled(waiting.map((url) => this.register({ url })));
      waiting = waiting.filter((url, index) => {
        const result = results[index]!;
        if (result.status === 'fulfilled' || isSettled(result.reason)) return false;
        const problem = String(result.reason);
        // The same problem is worth one line, not one a second.
        if (told.get(url) !== problem) logger.warn({ url, problem }, 'could not register a node yet');
        told.set(url, problem);
        return true;
      });
      if (waiting.length > 0) await clock.sleep(REGISTER_RETRY_MS, signal).catch(() => {});
    }
  }

  /**
   * Commits the first layout when there is none and enough nodes are registered; every registered node becomes
   * active. Nothing happens otherwise, or when another coordinator is faster.
   */
  async bootstrap(): Promise<void> {
    const { cluster, database, logger } = this.#options;
    if (cluster.ready || (await this.#layouts.latestEpoch()) > 0) return;
    try {
      await database.kysely.transaction().execute((transaction) => this.#commitFirstLayout(transaction));
    } catch (error) {
      if (error instanceof RingError) {
        logger.error({ err: error }, 'the registered nodes cannot form a cluster');
      } else if (!(isAppError(error) && error.code === 'conflict')) {
        throw error;
      }
    }
    await cluster.reload();
  }

  async #commitFirstLayout(transaction: Transaction): Promise<void> {
    const { cluster, database, bootstrapNodes } = this.#options;
    await this.#clusters.lock(transaction);
    const nodes = (await this.#nodes.list(transaction)).filter(({ state }) => state !== 'removed');
    if (nodes.length < bootstrapNodes) return;
    const { replicas, rangeCount } = cluster.record;
    const layout = assign(null, nodes, { epoch: 1, replicas, rangeCount });
    await this.#layouts.append(layout, transaction);
    await this.#rings.begin(transaction, layout);
    const ids = nodes.map(({ id }) => id);
    await this.#nodes.setState(transaction, ids, 'active');
    await database.notifications.publish(CLUSTER_CHANNEL, 'layout', transaction);
  }

  async #store(transaction: Transaction, wanted: Registration, stats: NodeStats): Promise<void> {
    const { nodeId: id, capacityBytes } = stats;
    const atUrl = await this.#nodes.findByUrl(wanted.url, transaction);
    // The one that had this address owns nothing, and is gone.
    if (atUrl !== null && atUrl.id !== id) await this.#nodes.setState(transaction, [atUrl.id], 'removed');
    const known = await this.#nodes.find(id, transaction);
    const node = {
      id,
      capacityBytes,
      url: wanted.url,
      zone: wanted.zone ?? known?.zone ?? ZONE_DEFAULT,
      weight: wanted.weight ?? known?.weight ?? WEIGHT_DEFAULT,
      // What decides over ranges changes with the ranges, and not because a node was started again.
      ...(known !== null && OWNING_STATES.has(known.state) && { zone: known.zone, weight: known.weight }),
    };
    if (known === null) await this.#nodes.insert(transaction, node);
    else await this.#nodes.update(transaction, node);
    if (known?.state === 'removed' || known?.state === 'lost')
      await this.#nodes.setState(transaction, [id], 'joined');
  }

  /** An active node owns data: its address cannot pass to another before an operator has removed it. */
  async #refuseTaken(url: string, nodeId: string, within?: Transaction): Promise<void> {
    const atUrl = await this.#nodes.findByUrl(url, within);
    if (atUrl === null || atUrl.id === nodeId || !OWNING_STATES.has(atUrl.state)) return;
    throw new AppError<ErrorCode>(
      'node_identity_mismatch',
      `At ${url} answers node ${nodeId}, but the active node ${atUrl.id} is registered there. If its data is lost, remove it first.`,
      { details: { registeredNodeId: atUrl.id, nodeId } },
    );
  }

  /** A node that moved is gone from its old address; one that still answers there is a copy, or has two names. */
  async #refuseTwin(url: string, nodeId: string): Promise<void> {
    const known = await this.#nodes.find(nodeId);
    if (known === null || known.state === 'removed' || known.url === url) return;
    const atOldUrl = await this.#options.probe.health(known.url, HEALTH_TIMEOUT_MS).catch(() => null);
    if (atOldUrl?.nodeId !== nodeId) return;
    throw new AppError<ErrorCode>(
      'node_already_registered',
      `Node ${nodeId} is registered at ${known.url} and still answers there.`,
      { details: { nodeId, registeredUrl: known.url } },
    );
  }
}

function unknownNode(id: string): AppError {
  return new AppError<ErrorCode>('node_not_found', `No storage node ${id} is registered.`);
}

function inUse({ id, state }: RegisteredNode): AppError {
  return new AppError<ErrorCode>(
    'node_in_use',
    `Node ${id} is ${state} and owns ranges of the ring. Drain it first; if it is lost for good, remove it once it is down.`,
    { details: { nodeId: id, state } },
  );
}

/** Nodes in these states have data that is nowhere else, or may have. */
const OWNING_STATES: ReadonlySet<NodeState> = new Set(['active', 'draining']);

/** The URL without a trailing slash; `invalid_request` when it is more than scheme, host and port. */
export function normalizeUrl(text: string): string {
  const url = URL.parse(text);
  const isBase =
    url?.protocol === 'http:' && url.pathname === '/' && url.search + url.hash + url.username === '';
  if (isBase) return url.origin;
  throw new AppError<ErrorCode>('invalid_request', `url: expected http://host:port, got "${text}".`, {
    details: { field: 'url' },
  });
}

/** Trying again would not help, or need not: the node is registered under another address. */
function isSettled(error: unknown): boolean {
  return isAppError(error) && error.code === 'node_already_registered';
}
