import { randomBytes, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { isAppError } from '../../../lib/errors/app-error.ts';
import { ChunkWriter } from '../../chunks/chunk-writer.ts';
import { Cluster } from '../../cluster/cluster.ts';
import { Membership } from '../../cluster/membership.ts';
import { RingRepository } from '../../cluster/ring-repository.ts';
import { Sweeper } from '../../cluster/sweeper.ts';
import type { DatabaseHandle } from '../../database/database.ts';
import { silentLogger } from '../../database/test-support/silent-logger.ts';
import { createChunkId } from '../../objects/chunk-id.ts';
import { withCommitted } from '../../objects/commit-object.ts';
import { SqlObjectRepository } from '../../objects/sql-object-repository.ts';
import type { EnginePace } from '../limits.ts';
import { RebalanceEngine } from '../rebalance-engine.ts';
import { RebalanceService } from '../rebalance-service.ts';
import { chunkOf, type MemoryNode, MemoryNodes } from './memory-nodes.ts';
import type { Random } from './random.ts';
import { type Entry, Ledger, RingChecker } from './ring-checker.ts';
import { SimulatedProcess } from './simulated-process.ts';

const PACE: EnginePace = { pollMs: 30, coalesceMs: 2, progressMs: 15, retryMinMs: 5, retryMaxMs: 40 };
const LEASE_MS = 300;
export const PRESENCE_TTL_MS = 300;
const HOUR_MS = 3_600_000;

/** One coordinator: everything of it that moves the ring or writes chunks. */
export interface Coordinator {
  readonly process: SimulatedProcess;
  readonly cluster: Cluster;
  readonly engine: RebalanceEngine;
  readonly service: RebalanceService;
  readonly writer: ChunkWriter;
  readonly sweeper: Sweeper;
  readonly objects: SqlObjectRepository;
  readonly database: DatabaseHandle;
}

export interface SimulationOptions {
  readonly database: DatabaseHandle;
  readonly random: Random;
  readonly rangeCount: number;
  readonly nodes: number;
  readonly spares: number;
  readonly zones: number;
  /** Longest time that a message to a node is on its way. */
  readonly latencyMs: number;
  readonly windowRanges: number;
}

/** Coordinators on one database with storage nodes in memory, and what they were asked to keep. */
export class Simulation implements AsyncDisposable {
  readonly nodes: MemoryNodes;
  readonly ledger = new Ledger();
  readonly checker: RingChecker;
  readonly coordinators: Coordinator[] = [];
  /** Registered nodes are in front; the others have never been heard of. */
  readonly spares: MemoryNode[] = [];
  readonly history: string[] = [];
  /** Each resolves when no copy of a chunk is under way any more. */
  readonly writes: Promise<void>[] = [];
  readonly #options: SimulationOptions;
  readonly #stack = new AsyncDisposableStack();
  #started = 0;
  #coordinatorsStarted = 0;

  private constructor(options: SimulationOptions) {
    const { random, latencyMs, database } = options;
    this.#options = options;
    this.nodes = new MemoryNodes({
      // Most messages take no time; a few take very long.
      latencyMs: () => (random.chance(0.7) ? 0 : random.below(latencyMs) * (random.chance(0.05) ? 10 : 1)),
      storeDelayMs: () => (random.chance(0.88) ? 0 : random.below(random.chance(0.15) ? 700 : 80)),
      timeoutMs: 30,
    });
    this.checker = new RingChecker({
      nodes: this.nodes,
      ledger: this.ledger,
      rings: new RingRepository(database.kysely),
      views: () => this.live.filter(mayWrite).map(({ cluster }) => cluster.state!),
    });
  }

  static async open(options: SimulationOptions): Promise<Simulation> {
    const simulation = new Simulation(options);
    await using stack = new AsyncDisposableStack();
    stack.use(simulation);
    await simulation.#begin();
    stack.move();
    return simulation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { process } of this.coordinators) process.resume();
    await this.#stack.disposeAsync();
  }

  /** Coordinators that are not dead. */
  get live(): Coordinator[] {
    return this.coordinators.filter(({ process }) => !process.isDead);
  }

  /** The process is gone at once. What it had asked nodes to do may still happen. */
  kill({ process, cluster, engine }: Coordinator): void {
    process.kill();
    void engine[Symbol.asyncDispose]().catch(() => {});
    void cluster[Symbol.asyncDispose]().catch(() => {});
  }

  tell(what: string): void {
    this.history.push(`${Math.round(performance.now() - this.#started)} ms: ${what}`);
  }

  /** Another coordinator, as if a process had been started. */
  async addCoordinator(): Promise<Coordinator> {
    const { database: handle, windowRanges } = this.#options;
    // Several may be starting at a time, and two of one name would acknowledge steps for each other.
    const process = new SimulatedProcess(`c${++this.#coordinatorsStarted}`);
    const database = process.reach(handle);
    const nodes = process.wrap(this.nodes);
    const { clock } = process;
    const stack = new AsyncDisposableStack();
    const cluster = stack.use(
      await Cluster.open({
        database,
        probe: nodes,
        clock,
        logger: silentLogger,
        replicas: 3,
        rangeCount: this.#options.rangeCount,
        coordinatorId: process.id,
        presenceTtlMs: PRESENCE_TTL_MS,
        healthIntervalMs: 20,
        downAfterMs: 60,
        reloadIntervalMs: 100,
      }),
    );
    const objects = new SqlObjectRepository(database.kysely);
    const engine = stack.use(
      new RebalanceEngine({
        database,
        cluster,
        objects,
        inventory: nodes,
        leases: process.leases(handle),
        clock,
        logger: silentLogger,
        onEvent: (kind, details, isProgress) => {
          if (!isProgress) this.tell(`${process.id}: ${kind} ${JSON.stringify(details)}`);
          if (kind === 'chunks_lost') this.checker.report(`${process.id} believes that chunks are lost`);
        },
        leaseMs: LEASE_MS,
        windowRanges,
        pace: PACE,
        dropLifetimeS: 0.05,
      }),
    );
    const service = new RebalanceService({
      database,
      cluster,
      probe: nodes,
      objects,
      engine,
      logger: silentLogger,
      createId: randomUUID,
      onEvent: () => {},
    });
    const writer = new ChunkWriter({
      clock,
      placement: cluster,
      client: nodes,
      copyTimeoutMs: 1000,
      stragglerTimeoutMs: 800,
    });
    const sweeper = new Sweeper({
      objects,
      placement: cluster,
      isInvolved: (nodeId, position) => cluster.isInvolved(nodeId, position),
      health: cluster.health,
      inventory: nodes,
      leases: process.leases(handle),
      clock,
      logger: silentLogger,
      minAgeMs: 0,
      leaseMs: LEASE_MS,
    });
    engine.start();
    const coordinator = { process, cluster, engine, service, writer, sweeper, objects, database };
    this.coordinators.push(coordinator);
    this.#stack.use(stack);
    return coordinator;
  }

  /** Stores an object of a few chunks through the coordinator, and commits it or leaves it open. */
  async upload(by: Coordinator, signal: AbortSignal): Promise<void> {
    const { random } = this.#options;
    const objectId = randomUUID();
    await by.objects.open(objectId, HOUR_MS);
    const count = 1 + random.below(3);
    const refs = [];
    for (let sequence = 0; sequence < count; sequence++) {
      const ref = chunkOf(createChunkId(objectId, sequence, randomBytes(4)), 100 + random.below(1000));
      const write = by.writer.store({ ref, pages: [Buffer.alloc(0)], sourceUrl: '' }, signal);
      this.writes.push(write.settled.then((outcome) => this.ledger.settle(ref.id, outcome)));
      await write.acknowledged;
      if (by.process.isDead) return;
      this.ledger.acknowledge(objectId, ref);
      refs.push(ref);
    }
    if (random.chance(0.15)) return;
    if (random.chance(0.3)) await by.process.clock.sleep(random.below(60), signal);
    const size = refs.reduce((sum, { length }) => sum + length, 0);
    await sql`
      ${withCommitted(objectId, { size, sha256: Buffer.alloc(32), chunks: refs, record: [] })} select id from committed
    `.execute(by.database.kysely);
    this.ledger.commit(objectId);
  }

  async remove(by: Coordinator, objectId: string): Promise<void> {
    this.ledger.forget(objectId);
    await by.database.kysely.transaction().execute((transaction) => by.objects.delete(transaction, objectId));
  }

  /** Looks for a chunk as a reader does, one node after the other. */
  async read(by: Coordinator, entry: Entry): Promise<void> {
    const { id: chunkId, position } = entry.ref;
    const { owners, others } = by.cluster.readSourcesOf(position);
    const { step } = by.cluster.state!;
    const asked: string[] = [];
    let isSlow = false;
    for (const [index, { id }] of [...owners, ...others].entries()) {
      asked.push(id);
      if (this.nodes.at(id).chunks.has(chunkId)) {
        this.checker.noteRead(entry, index, isSlow || index < owners.length);
        return;
      }
      if (this.#options.random.chance(0.3)) {
        isSlow = true;
        await by.process.clock.sleep(this.#options.random.below(10));
      }
      if (!this.ledger.isAlive(chunkId)) return;
    }
    const holders = this.nodes.holdersOf(chunkId);
    this.checker.report(
      `a reader of ${by.process.id} at step ${step} asked ${asked} for ${chunkId}; it is on ${holders}`,
    );
  }

  async #begin(): Promise<void> {
    const { nodes, spares, zones, random, database } = this.#options;
    this.#started = performance.now();
    for (let index = 0; index < nodes + spares; index++) {
      const node = this.nodes.add(randomUUID(), { zone: `zone-${index % zones}` });
      if (index >= nodes) this.spares.push(node);
    }
    const first = await this.addCoordinator();
    await this.register(first, ...this.nodes.nodes.slice(0, nodes));
    for (let count = 1 + random.below(2); count > 0; count--) await this.addCoordinator();
    await this.checker.start(database.notifications);
    this.#stack.use(this.checker);
  }

  /** Makes nodes known. The first ones become the ring. */
  async register(
    { process, cluster, database }: Coordinator,
    ...nodes: readonly MemoryNode[]
  ): Promise<void> {
    const membership = new Membership({
      database,
      cluster,
      probe: process.wrap(this.nodes),
      clock: process.clock,
      logger: silentLogger,
      bootstrapNodes: this.#options.nodes,
    });
    for (const { url, zone } of nodes) await membership.register({ url, zone });
  }
}

/** Whether what the coordinator writes now may still be acknowledged. */
export function mayWrite({ cluster }: Coordinator): boolean {
  try {
    cluster.enter().leave();
    return cluster.ready;
  } catch (error) {
    if (isAppError(error)) return false;
    throw error;
  }
}
