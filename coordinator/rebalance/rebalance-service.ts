import { AppError } from '../../lib/errors/app-error.ts';
import type { Layout } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { CLUSTER_CHANNEL, type Cluster, notReady } from '../cluster/cluster.ts';
import { ClusterRepository } from '../cluster/cluster-repository.ts';
import { LayoutRepository } from '../cluster/layout-repository.ts';
import type { NodeProbe } from '../cluster/node-probe.ts';
import { NodeRepository, type OnNodeState, type RegisteredNode } from '../cluster/node-repository.ts';
import { RingRepository } from '../cluster/ring-repository.ts';
import type { RingState } from '../cluster/ring-state.ts';
import type { DatabaseHandle, Transaction } from '../database/database.ts';
import type { NodeState } from '../database/schema.ts';
import type { ErrorCode } from '../errors.ts';
import type { ObjectRepository, RangeUsage } from '../objects/object-repository.ts';
import { LIST_MAX } from './limits.ts';
import {
  applyChanges,
  chooseTarget,
  describePlan,
  listCopies,
  membersOf,
  type Transition,
  transitionTo,
  type WantedNode,
} from './plan.ts';
import type { RebalanceEngine } from './rebalance-engine.ts';
import { reportOf } from './rebalance-report.ts';
import { type NodeBefore, type RebalanceRecord, RebalanceRepository } from './rebalance-repository.ts';
import { checkRoom } from './room-check.ts';
import type { NodeChange, RebalanceLimits, RebalancePlan, RebalanceReport } from './types.ts';

export type { NodeChange, RebalancePlan, RebalanceReport } from './types.ts';

export interface RebalanceServiceOptions {
  readonly database: DatabaseHandle;
  readonly cluster: Cluster;
  readonly probe: Pick<NodeProbe, 'stats'>;
  readonly objects: Pick<ObjectRepository, 'usageByRange'>;
  readonly engine: Pick<RebalanceEngine, 'notify'>;
  readonly logger: Logger;
  /** UUIDv7; never the same twice. */
  readonly createId: () => string;
  readonly onEvent: (kind: string, details: Readonly<Record<string, unknown>>) => void;
  /** Told, in their transactions, of nodes that get another state. */
  readonly onNodeState?: OnNodeState;
}

/** A change worked out to the end: what `plan` shows and `start` commits. */
interface Draft {
  readonly state: RingState;
  readonly nodes: readonly RegisteredNode[];
  readonly wanted: readonly WantedNode[];
  readonly transition: Transition;
  readonly usage: RangeUsage;
  readonly plan: RebalancePlan;
}

/**
 * Changes of who owns what: planned, begun, held, taken back. What is begun is carried out by the engine of whichever
 * coordinator has its lease.
 */
export class RebalanceService {
  readonly #options: RebalanceServiceOptions;
  readonly #rebalances: RebalanceRepository;
  readonly #rings: RingRepository;
  readonly #layouts: LayoutRepository;
  readonly #nodes: NodeRepository;
  readonly #clusters: ClusterRepository;

  constructor(options: RebalanceServiceOptions) {
    const { kysely } = options.database;
    this.#options = options;
    this.#rebalances = new RebalanceRepository(kysely);
    this.#rings = new RingRepository(kysely);
    this.#layouts = new LayoutRepository(kysely);
    this.#nodes = new NodeRepository(kysely, options.onNodeState);
    this.#clusters = new ClusterRepository(kysely);
  }

  /**
   * What the changes would do; nothing is changed. Rejects with `node_not_found`, `conflict`, `too_few_nodes`,
   * `zones_impossible`, `insufficient_room` or `node_unreachable`, which are those of `start`, too.
   */
  async plan(changes: readonly NodeChange[]): Promise<RebalancePlan> {
    const draft = await this.#draft(changes);
    await this.#checkRoom(draft);
    return draft.plan;
  }

  /**
   * Begins to move the ring to where the changes put it; a change that is under way is redirected, and goes on where
   * both agree. Rejects with `nothing_to_do` when all is as wanted already, and like `plan`.
   */
  async start(
    changes: readonly NodeChange[],
    { reason, ...limits }: RebalanceLimits & { readonly reason: string },
  ): Promise<RebalanceReport> {
    // Nodes are asked before the transaction, in which nobody else can change anything.
    await this.#checkRoom(await this.#draft(changes));
    const id = this.#options.createId();
    const { database } = this.#options;
    await database.kysely.transaction().execute(async (transaction) => {
      await this.#clusters.lock(transaction);
      const draft = await this.#draft(changes, transaction);
      if (draft.transition.phases.every((phase) => phase === 4) && !this.#changesNodes(draft)) {
        throw new AppError<ErrorCode>('nothing_to_do', 'Everything is as wanted already.');
      }
      await this.#commit(transaction, id, draft, { changes, reason, limits, isCancel: false });
    });
    this.#options.logger.info({ rebalanceId: id, reason, changes }, 'a rebalance begins');
    this.#options.onEvent('rebalance_started', { rebalanceId: id, reason });
    await this.#options.cluster.reload();
    this.#options.engine.notify();
    return this.get(id);
  }

  /** Rejects with `rebalance_not_found`. */
  async get(id: string): Promise<RebalanceReport> {
    return this.#report(await this.#find(id));
  }

  /** The one that has not ended; null when the ring is stable. */
  async current(): Promise<RebalanceReport | null> {
    const record = await this.#rebalances.active();
    return record && this.#report(record);
  }

  /** Newest first. */
  async list(page: {
    readonly limit: number;
    readonly cursor?: string | undefined;
  }): Promise<{ items: RebalanceReport[]; nextCursor: string | null }> {
    const limit = Math.min(page.limit, LIST_MAX);
    const before = page.cursor === undefined ? null : decodeCursor(page.cursor);
    const records = await this.#rebalances.list({ before, limit: limit + 1 });
    const items = await Promise.all(records.slice(0, limit).map((record) => this.#report(record)));
    const last = records[limit - 1];
    const nextCursor = records.length > limit ? `${last!.createdAt.getTime()}.${last!.id}` : null;
    return { items, nextCursor };
  }

  /** Copies nothing more until resumed; ranges that are copied already pass to their new owners. */
  async pause(id: string): Promise<RebalanceReport> {
    return this.#switch(id, 'running', 'paused');
  }

  async resume(id: string): Promise<RebalanceReport> {
    return this.#switch(id, 'paused', 'running');
  }

  async setLimits(id: string, limits: RebalanceLimits): Promise<RebalanceReport> {
    await this.#findActive(id);
    await this.#rebalances.setLimits(id, withoutUndefined(limits));
    this.#options.engine.notify();
    return this.get(id);
  }

  /**
   * Turns a rebalance round, back to the layout before it, nodes and all. Rejects with `conflict` when it has ended, or
   * when an owner of then is gone.
   */
  async cancel(id: string): Promise<RebalanceReport> {
    const { database, createId } = this.#options;
    const newId = createId();
    await database.kysely.transaction().execute(async (transaction) => {
      await this.#clusters.lock(transaction);
      const record = await this.#findActive(id, transaction);
      if (record.state === 'cancelling') {
        throw new AppError<ErrorCode>('conflict', 'The rebalance is on its way back already.');
      }
      await this.#turnRound(transaction, newId, record);
    });
    this.#options.logger.info({ rebalanceId: newId, cancels: id }, 'a rebalance is taken back');
    this.#options.onEvent('rebalance_cancelling', { rebalanceId: newId, cancels: id });
    await this.#options.cluster.reload();
    this.#options.engine.notify();
    return this.get(newId);
  }

  async #turnRound(transaction: Transaction, newId: string, record: RebalanceRecord): Promise<void> {
    const target = await this.#layouts.byEpoch(record.beforeEpoch, transaction);
    const nodes = await this.#nodes.list(transaction);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const gone = target!.members.find(({ id }) =>
      ['lost', 'removed'].includes(byId.get(id)?.state ?? 'removed'),
    );
    if (gone !== undefined) {
      throw new AppError<ErrorCode>(
        'conflict',
        `Node ${gone.id} owned ranges then and is gone, so there is no way back. Start another rebalance instead.`,
      );
    }
    // Nodes become what they were; one that had joined keeps what it has until that is with the others again.
    const wanted = nodes.map((node): WantedNode => {
      const before = record.nodesBefore.find(({ nodeId }) => nodeId === node.id);
      if (before === undefined) return node;
      const { weight, zone } = before;
      const state = before.state === 'active' ? 'active' : 'draining';
      return { id: node.id, weight, zone, state };
    });
    const state = (await this.#rings.read(transaction))!;
    const draft = await this.#complete(state, nodes, wanted, target!, transaction);
    await this.#commit(transaction, newId, draft, {
      changes: record.nodesBefore.map(({ nodeId, state: before }) => ({
        nodeId,
        state: before === 'active' ? 'active' : 'draining',
      })),
      reason: `back from: ${record.reason}`,
      limits: { bytesPerSecond: record.bytesPerSecond, concurrency: record.concurrency },
      isCancel: true,
      nodesBefore: record.nodesBefore,
    });
  }

  /** Works a change out, by what is in the database now. */
  async #draft(changes: readonly NodeChange[], within?: Transaction): Promise<Draft> {
    const state = await this.#rings.read(within);
    if (state === null) throw notReady();
    const nodes = await this.#nodes.list(within);
    const wanted = applyChanges(nodes, changes);
    const epoch = (await this.#layouts.latestEpoch(within)) + 2;
    const target = chooseTarget(state, membersOf(wanted), epoch);
    return this.#complete(state, nodes, wanted, target, within);
  }

  async #complete(
    state: RingState,
    nodes: readonly RegisteredNode[],
    wanted: readonly WantedNode[],
    target: Layout,
    within: Transaction | undefined,
  ): Promise<Draft> {
    const { objects } = this.#options;
    const mixEpoch = (await this.#layouts.latestEpoch(within)) + 1;
    const transition = transitionTo(state, target, mixEpoch);
    const usage = await objects.usageByRange(state.base.rangeCount, within);
    const lastRate = await this.#rebalances.lastRate(within);
    const plan = describePlan(state, transition, usage, { before: nodes, after: wanted }, lastRate);
    return { state, nodes, wanted, transition, usage, plan };
  }

  async #commit(
    transaction: Transaction,
    id: string,
    { state, nodes, wanted, transition, usage, plan }: Draft,
    what: {
      readonly changes: readonly NodeChange[];
      readonly reason: string;
      readonly limits: RebalanceLimits;
      readonly isCancel: boolean;
      readonly nodesBefore?: readonly NodeBefore[];
    },
  ): Promise<void> {
    const { database } = this.#options;
    // 1. The layouts, each under its own epoch. Going back, the target is one that is there already.
    const latest = await this.#layouts.latestEpoch(transaction);
    let { base, target } = transition;
    if (base !== state.base) await this.#layouts.append(base, transaction);
    if (target.epoch > latest) {
      const epoch = (await this.#layouts.latestEpoch(transaction)) + 1;
      target = { ...layoutFields(target), epoch };
      await this.#layouts.append(target, transaction);
    }
    // 2. The nodes.
    const before = new Map(nodes.map((node) => [node.id, node]));
    for (const node of wanted) {
      const old = before.get(node.id)!;
      if (old.weight !== node.weight || old.zone !== node.zone) {
        await this.#nodes.setPlace(transaction, node.id, node);
      }
      if (old.state !== node.state) await this.#nodes.setState(transaction, [node.id], node.state);
    }
    // 3. The rebalance, in place of one that is under way.
    if (state.rebalanceId !== null) {
      const running = await this.#rebalances.find(state.rebalanceId, transaction);
      const ended = what.isCancel || running?.state === 'cancelling' ? 'cancelled' : 'superseded';
      await this.#rebalances.setState(state.rebalanceId, ended, transaction);
    }
    const changed = what.changes.map(({ nodeId }) => before.get(nodeId)!);
    await this.#rebalances.insert(
      transaction,
      {
        id,
        state: what.isCancel ? 'cancelling' : 'running',
        reason: what.reason,
        changes: what.changes,
        nodesBefore:
          what.nodesBefore ??
          changed.map(({ id: nodeId, state: nodeState, weight, zone }) => ({
            nodeId,
            state: nodeState,
            weight,
            zone,
          })),
        plan,
        beforeEpoch: (state.target ?? state.base).epoch,
        baseEpoch: base.epoch,
        targetEpoch: target.epoch,
        bytesPerSecond: what.limits.bytesPerSecond ?? null,
        concurrency: what.limits.concurrency ?? null,
      },
      listCopies(transition, usage),
    );
    // 4. The ring.
    base = transition.base;
    await this.#rings.advance(
      { step: state.step + 1, base, target, phases: transition.phases, rebalanceId: id },
      transaction,
    );
    await database.notifications.publish(CLUSTER_CHANNEL, 'ring', transaction);
  }

  async #checkRoom({ plan, nodes }: Draft): Promise<void> {
    await checkRoom(plan, nodes, this.#options.probe);
  }

  #changesNodes({ nodes, wanted }: Draft): boolean {
    const before = new Map<string, { state: NodeState; weight: number; zone: string }>(
      nodes.map((node) => [node.id, node]),
    );
    return wanted.some((node) => {
      const old = before.get(node.id)!;
      return old.state !== node.state || old.weight !== node.weight || old.zone !== node.zone;
    });
  }

  async #switch(id: string, from: 'running' | 'paused', to: 'running' | 'paused'): Promise<RebalanceReport> {
    const record = await this.#findActive(id);
    if (record.state !== from && record.state !== to) {
      throw new AppError<ErrorCode>('conflict', `The rebalance is ${record.state}.`);
    }
    if (record.state === from) {
      await this.#rebalances.setState(id, to);
      this.#options.onEvent(to === 'paused' ? 'rebalance_paused' : 'rebalance_resumed', { rebalanceId: id });
      this.#options.engine.notify();
    }
    return this.get(id);
  }

  async #find(id: string, within?: Transaction): Promise<RebalanceRecord> {
    const record = await this.#rebalances.find(id, within);
    if (record !== null) return record;
    throw new AppError<ErrorCode>('rebalance_not_found', `There is no rebalance ${id}.`);
  }

  async #findActive(id: string, within?: Transaction): Promise<RebalanceRecord> {
    const record = await this.#find(id, within);
    if (record.finishedAt === null) return record;
    throw new AppError<ErrorCode>('conflict', `The rebalance has ended: it is ${record.state}.`);
  }

  async #report(record: RebalanceRecord): Promise<RebalanceReport> {
    const { cluster } = this.#options;
    const sums = await this.#rebalances.sums(record.id);
    // Whoever hears that it has ended asks for the nodes next, and shall not be told of the ring before.
    if (record.finishedAt !== null && cluster.state?.rebalanceId === record.id) await cluster.reload();
    return reportOf(record, sums, cluster.state);
  }
}

function layoutFields({ rangeCount, replicas, members, table, epoch }: Layout): Layout {
  return { rangeCount, replicas, members, table, epoch };
}

function withoutUndefined(limits: RebalanceLimits): {
  bytesPerSecond?: number | null;
  concurrency?: number | null;
} {
  const { bytesPerSecond, concurrency } = limits;
  return {
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
    ...(concurrency !== undefined && { concurrency }),
  };
}

function decodeCursor(cursor: string): { at: Date; id: string } {
  const match = /^(\d{1,15})\.([0-9a-f-]{36})$/.exec(cursor);
  if (match !== null) return { at: new Date(Number(match[1])), id: match[2]! };
  throw new AppError<ErrorCode>('invalid_request', 'cursor: not a cursor of this list');
}
