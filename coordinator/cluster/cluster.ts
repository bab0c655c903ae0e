import { randomUUID } from 'node:crypto';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import { AppError } from '../../lib/errors/app-error.ts';
import { type Layout, rangeOf } from '../../lib/hashring/index.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { DatabaseHandle } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { type ClusterRecord, ClusterRepository } from './cluster-repository.ts';
import { HealthMonitor } from './health.ts';
import { LAST_SEEN_INTERVAL_MS, RELOAD_INTERVAL_MS } from './limits.ts';
import type { NodeProbe } from './node-probe.ts';
import { type NodeReport, reportNodes } from './node-report.ts';
import { NodeRepository, type RegisteredNode } from './node-repository.ts';
import type {
  NodeHealth,
  Placement,
  ReadSources,
  RingPermit,
  StorageNode,
  WriteTargets,
} from './placement.ts';
import { Presence } from './presence.ts';
import { RingRepository } from './ring-repository.ts';
import { isInvolved, type RingState } from './ring-state.ts';
import { RingView } from './ring-view.ts';
import { StepGate } from './step-gate.ts';

/** Tells all coordinators that nodes or the layout changed. */
export const CLUSTER_CHANNEL = 'cluster';

export interface ClusterOptions {
  readonly database: DatabaseHandle;
  readonly probe: NodeProbe;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Used when the cluster starts for the first time; afterwards the stored value holds. */
  readonly replicas: number;
  /** Unique to this process. */
  readonly coordinatorId?: string | undefined;
  /** How long this coordinator's reads took to begin lately, 99th percentile. */
  readonly readP99Ms?: (() => number | null) | undefined;
  readonly presenceTtlMs?: number | undefined;
  /** Like `replicas`. Default: 4096. */
  readonly rangeCount?: number | undefined;
  readonly healthIntervalMs?: number | undefined;
  readonly downAfterMs?: number | undefined;
  readonly reloadIntervalMs?: number | undefined;
}

export interface ClusterSummary {
  readonly clusterId: string;
  /** 0 until the first layout exists. */
  readonly epoch: number;
  /** Steps that the ring has made; it grows while ranges change hands. */
  readonly step: number;
  /** Whether ranges change hands now. */
  readonly rebalancing: boolean;
  readonly ready: boolean;
  readonly replicas: number;
  readonly writeQuorum: number;
  readonly nodes: Readonly<Record<NodeHealth, number>>;
}

const RANGE_COUNT = 4096;

/**
 * The cluster as this coordinator sees it: the latest layout, the registered nodes and their health. Follows
 * the database by notifications, and by looking every 10 s in case one was lost. When the database is down
 * the last view stays in use.
 */
export class Cluster implements Placement, AsyncDisposable {
  readonly #options: ClusterOptions;
  readonly #record: ClusterRecord;
  readonly #rings: RingRepository;
  readonly #nodeRepository: NodeRepository;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  readonly #gate: StepGate;
  readonly health: HealthMonitor;
  #presence: Presence | undefined;
  #acknowledging: Promise<void> = Promise.resolve();
  /** Called whenever another state of the ring, or other nodes, are in use. */
  readonly #listeners = new Set<() => void>();
  #registered: readonly RegisteredNode[] = [];
  #nodes: readonly StorageNode[] = [];
  /** The removed nodes too: an old layout may name them. */
  #known: ReadonlyMap<string, StorageNode> = new Map();
  #view: RingView | null = null;
  #reload: Promise<void> | undefined;
  #reloadAgain = false;

  private constructor(options: ClusterOptions, record: ClusterRecord) {
    const { database, probe, clock, logger } = options;
    this.#options = options;
    this.#record = record;
    this.#rings = new RingRepository(database.kysely);
    this.#gate = new StepGate(clock);
    this.#nodeRepository = new NodeRepository(database.kysely);
    this.health = new HealthMonitor({
      nodes: () => this.#nodes,
      probe,
      clock,
      logger,
      intervalMs: options.healthIntervalMs,
      downAfterMs: options.downAfterMs,
    });
  }

  /** Resolves when the view is loaded and every known node was asked how it is. */
  static async open(options: ClusterOptions): Promise<Cluster> {
    const { database, replicas, rangeCount = RANGE_COUNT, logger } = options;
    const record = await new ClusterRepository(database.kysely).ensure({ replicas, rangeCount });
    if (record.replicas !== replicas) {
      logger.warn(
        { configured: replicas, inUse: record.replicas },
        'the number of replicas cannot be changed',
      );
    }
    const cluster = new Cluster(options, record);
    await using stack = new AsyncDisposableStack();
    stack.use(cluster);
    await cluster.#appear();
    await cluster.#follow();
    await cluster.health.runOnce(cluster.#stop.signal);
    cluster.#startLoops();
    stack.move();
    return cluster;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the cluster view is closed'));
    await this.#stack.disposeAsync();
    await this.#reload?.catch(() => {});
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): ClusterRecord {
    return this.#record;
  }

  /** Null until the first layout exists. */
  get state(): RingState | null {
    return this.#view?.state ?? null;
  }

  /** The layout that is in use, or from which the ring is on its way; null until the first one exists. */
  get layout(): Layout | null {
    return this.#view?.state.base ?? null;
  }

  /** This coordinator among the others. */
  get presence(): Presence {
    return this.#presence!;
  }

  get ready(): boolean {
    return this.#view !== null;
  }

  get replicas(): number {
    return this.#record.replicas;
  }

  get writeQuorum(): number {
    return Math.floor(this.replicas / 2) + 1;
  }

  rangeOf(position: number): number {
    return rangeOf(position, this.#viewOrThrow().state.base.rangeCount);
  }

  writeTargetsOf(position: number): WriteTargets {
    const view = this.#viewOrThrow();
    return view.writeTargetsOf(rangeOf(position, view.state.base.rangeCount));
  }

  readSourcesOf(position: number): ReadSources {
    const view = this.#viewOrThrow();
    return view.readSourcesOf(rangeOf(position, view.state.base.rangeCount));
  }

  /** Whether something of the position's range is in use at the node, or on its way there or from there. */
  isInvolved(nodeId: string, position: number): boolean {
    const { state } = this.#viewOrThrow();
    return isInvolved(state, rangeOf(position, state.base.rangeCount), nodeId);
  }

  enter(): RingPermit {
    return this.#gate.enter();
  }

  /** The listener hears whenever the ring or the nodes changed. The returned function ends that. */
  onChange(listener: () => void): () => void {
    const own = () => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  nodes(): readonly StorageNode[] {
    return this.#nodes;
  }

  /** The node, also when it is removed; undefined when there never was one. */
  nodeById(id: string): StorageNode | undefined {
    return this.#known.get(id);
  }

  /** What the database says of every node that is not removed. */
  registeredNodes(): readonly RegisteredNode[] {
    return this.#registered;
  }

  healthOf(nodeId: string): NodeHealth {
    return this.health.healthOf(nodeId);
  }

  reportFailure(nodeId: string, reason: string): void {
    this.health.reportFailure(nodeId, reason);
  }

  summary(): ClusterSummary {
    const nodes = { up: 0, suspect: 0, down: 0 };
    for (const { id } of this.#nodes) nodes[this.healthOf(id)]++;
    return {
      clusterId: this.id,
      epoch: this.layout?.epoch ?? 0,
      step: this.state?.step ?? 0,
      rebalancing: (this.state?.target ?? null) !== null,
      ready: this.ready,
      replicas: this.replicas,
      writeQuorum: this.writeQuorum,
      nodes,
    };
  }

  /** What an operator sees of the nodes; asks those that are not down. */
  reportNodes(): Promise<NodeReport[]> {
    return reportNodes(this, this.#options.probe, this.#options.clock.nowMs());
  }

  /**
   * Reads layout and nodes again; resolves when what was in the database at the time of the call is in use.
   * Calls that come while one runs share the next one.
   */
  async reload(): Promise<void> {
    if (this.#reload !== undefined) {
      this.#reloadAgain = true;
      return this.#reload;
    }
    this.#reload = this.#loadUntilQuiet();
    return this.#reload;
  }

  async #loadUntilQuiet(): Promise<void> {
    try {
      do {
        this.#reloadAgain = false;
        await this.#load();
      } while (this.#reloadAgain);
    } finally {
      this.#reload = undefined;
    }
  }

  /** Before the ring is read: a barrier that this coordinator does not hold up must not need it. */
  async #appear(): Promise<void> {
    const { database, clock, logger, coordinatorId = randomUUID(), readP99Ms, presenceTtlMs } = this.#options;
    this.#presence = this.#stack.use(
      await Presence.open({
        database,
        gate: this.#gate,
        clock,
        logger,
        id: coordinatorId,
        onBehind: () => void this.#tryReload(),
        ttlMs: presenceTtlMs,
        ...(readP99Ms && { readP99Ms }),
      }),
    );
  }

  async #follow(): Promise<void> {
    const { notifications } = this.#options.database;
    this.#stack.defer(await notifications.subscribe(CLUSTER_CHANNEL, () => void this.#tryReload()));
    this.#stack.defer(notifications.onGap(() => void this.#tryReload()));
    await this.reload();
    await this.#acknowledging;
  }

  #startLoops(): void {
    const { clock, reloadIntervalMs = RELOAD_INTERVAL_MS } = this.#options;
    const { signal } = this.#stop;
    const loops = [
      repeat(clock, reloadIntervalMs, signal, () => this.#tryReload()),
      repeat(clock, LAST_SEEN_INTERVAL_MS, signal, () => this.#noteSeen()),
    ];
    this.#stack.defer(async () => void (await Promise.all(loops)));
    this.health.start();
    this.#stack.use(this.health);
  }

  async #tryReload(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    try {
      await this.reload();
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'the cluster could not be read again; the last view stays');
    }
  }

  async #load(): Promise<void> {
    // A layout names only nodes that were registered before it, so it has to be read first.
    const current = this.#view?.state ?? null;
    const step = await this.#rings.step();
    const state = step === (current?.step ?? 0) ? current : await this.#rings.read();
    const all = await this.#nodeRepository.list();
    const known = new Map(
      all.map(({ id, url, zone }): [string, StorageNode] => {
        const before = this.#known.get(id);
        // The same node stays the same object, which lets others compare by identity.
        const isSame = before?.url === url && before.zone === zone;
        return [id, isSame ? before : Object.freeze({ id, url, zone })];
      }),
    );
    this.#known = known;
    this.#registered = all.filter(({ state }) => state !== 'removed');
    const nodes = this.#registered.map(({ id }) => known.get(id)!);
    this.#nodes = nodes;
    if (state !== null) this.#use(state, known, nodes);
    for (const listener of this.#listeners) listener();
  }

  #use(state: RingState, known: ReadonlyMap<string, StorageNode>, nodes: readonly StorageNode[]): void {
    const current = this.#view;
    if (state === current?.state && current.isMadeOf(known, nodes)) return;
    this.#view = new RingView(state, known, nodes);
    if (state === current?.state) return;
    this.#gate.moveTo(state.step);
    this.#acknowledging = this.presence.acknowledge(state.step);
    if (state.base !== current?.state.base || state.target !== current.state.target) {
      const { base, target, step } = state;
      this.#options.logger.info(
        { step, epoch: base.epoch, target: target?.epoch, members: (target ?? base).members.length },
        'layout in use',
      );
    }
  }

  async #noteSeen(): Promise<void> {
    const seen = this.#nodes.filter(({ id }) => this.healthOf(id) === 'up').map(({ id }) => id);
    await this.#nodeRepository.touch(seen).catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'could not note which nodes were seen');
    });
  }

  #viewOrThrow(): RingView {
    if (this.#view !== null) return this.#view;
    throw notReady();
  }
}

/** There is no layout yet. */
export function notReady(): AppError {
  return new AppError<ErrorCode>(
    'cluster_not_ready',
    'Too few storage nodes have registered yet to store anything.',
    { retryable: true },
  );
}
