import { isAppError } from '../../../lib/errors/app-error.ts';
import { rangeOf } from '../../../lib/hashring/index.ts';
import { RingRepository } from '../../cluster/ring-repository.ts';
import { rolesOf } from '../../cluster/ring-state.ts';
import type { DatabaseHandle } from '../../database/database.ts';
import { objectIdOf } from '../../objects/chunk-id.ts';
import type { NodeChange } from '../types.ts';
import type { MemoryNode } from './memory-nodes.ts';
import { Random } from './random.ts';
import { isWhole } from './ring-checker.ts';
import { type Coordinator, mayWrite, PRESENCE_TTL_MS, Simulation } from './simulation.ts';

/** How long the operators and faults of one history go on, and how long the end may take, milliseconds. */
const ACTIVE_MS = 900;
const END_MS = 45_000;

/** What an operator may be told without anything being wrong. */
const REFUSALS = new Set([
  'too_few_nodes',
  'zones_impossible',
  'insufficient_room',
  'nothing_to_do',
  'conflict',
  'node_not_found',
  'node_unreachable',
  'node_in_use',
]);

/** One simulated history of a cluster, from a seed. The choices come from the seed; the timing is the machine's. */
export class History {
  readonly seed: number;
  readonly #random: Random;
  readonly #world: Simulation;
  readonly #database: DatabaseHandle;
  readonly #end = new AbortController();
  /** Which kinds of trouble this history knows. */
  readonly #hasNodeFaults: boolean;
  readonly #hasCoordinatorFaults: boolean;
  #mayLoseDisk: boolean;
  readonly #mayCorrupt: boolean;
  /** Ids of nodes. */
  readonly #lostDisks = new Set<string>();

  private constructor(database: DatabaseHandle, seed: number, random: Random, world: Simulation) {
    this.seed = seed;
    this.#database = database;
    this.#random = random;
    this.#world = world;
    this.#hasNodeFaults = seed % 3 !== 0;
    this.#hasCoordinatorFaults = random.chance(0.7);
    this.#mayLoseDisk = this.#hasNodeFaults && random.chance(0.5);
    this.#mayCorrupt = this.#hasNodeFaults && !this.#mayLoseDisk;
  }

  static async run(database: DatabaseHandle, seed: number): Promise<History> {
    const random = new Random(seed);
    await using world = await Simulation.open({
      database,
      random,
      rangeCount: random.chance(0.5) ? 16 : 32,
      nodes: 4 + random.below(3),
      spares: 2,
      zones: random.chance(0.5) ? 1 : 4,
      latencyMs: 2 + random.below(6),
      windowRanges: random.pick([2, 8, 64])!,
    });
    const history = new History(database, seed, random, world);
    await history.#live();
    return history;
  }

  get violations(): readonly string[] {
    return this.#world.checker.violations;
  }

  get story(): string {
    return [`history of seed ${this.seed}`, ...this.#world.history].join('\n');
  }

  get summary(): string {
    const { checker, ledger } = this.#world;
    return `${checker.steps} steps, ${checker.drops} drops, ${ledger.entries.length} chunks, readers ${checker.asked}`;
  }

  async #live(): Promise<void> {
    const { signal } = this.#end;
    const actors = [
      ...Array.from({ length: 4 }, () => this.#repeatedly(8, (by) => this.#world.upload(by, signal))),
      ...Array.from({ length: 3 }, () => this.#repeatedly(3, (by) => this.#read(by))),
      this.#repeatedly(30, (by) => this.#delete(by)),
      this.#repeatedly(200, async ({ sweeper }) => void (await sweeper.runOnce(signal))),
    ];
    const deadline = performance.now() + ACTIVE_MS;
    while (performance.now() < deadline) {
      await pause(this.#random.below(100));
      await this.#disturb();
    }
    await this.#heal();
    await this.#untilStable();
    this.#end.abort(new Error('the history is over'));
    await Promise.all(actors);
    // What was under way when the ring came to rest has arrived.
    await Promise.all(this.#world.writes);
    await Promise.all(this.#world.live.map(({ cluster }) => cluster.reload()));
    await this.#checkEnd();
  }

  async #repeatedly(pauseMs: number, action: (by: Coordinator) => Promise<void>): Promise<void> {
    while (!this.#end.signal.aborted) {
      const by = this.#random.pick(this.#world.live);
      try {
        if (by !== undefined) await action(by);
      } catch {
        // A writer that fails has been told so; nothing was promised.
      }
      await pause(this.#random.below(pauseMs));
    }
  }

  async #read(by: Coordinator): Promise<void> {
    const entry = this.#random.pick(this.#world.ledger.committed);
    if (entry !== undefined) await this.#world.read(by, entry);
  }

  async #delete(by: Coordinator): Promise<void> {
    const entry = this.#random.pick(this.#world.ledger.committed);
    if (entry !== undefined) await this.#world.remove(by, entry.objectId);
  }

  async #disturb(): Promise<void> {
    const roll = this.#random.next();
    if (roll < 0.5) await this.#operate();
    else if (roll < 0.75 && this.#hasNodeFaults) this.#breakNode();
    else if (this.#hasCoordinatorFaults) await this.#breakCoordinator();
  }

  async #operate(): Promise<void> {
    const by = this.#random.pick(this.#world.live.filter(mayWrite));
    if (by === undefined) return;
    try {
      const what = await this.#operation(by);
      if (what !== null) this.#world.tell(`by ${by.process.id}: ${what}`);
    } catch (error) {
      const isRefusal = isAppError(error) && REFUSALS.has(error.code);
      this.#world.tell(`by ${by.process.id}: refused, ${error instanceof Error ? error.message : error}`);
      if (!isRefusal && !by.process.isDead)
        this.#world.checker.report(`an operator was told: ${String(error)}`);
    }
  }

  async #operation(by: Coordinator): Promise<string | null> {
    const random = this.#random;
    const { service, cluster } = by;
    const nodes = cluster.registeredNodes().filter(({ state }) => state !== 'lost');
    const node = random.pick(nodes)!;
    const begin = async (change: NodeChange) => {
      const { id, plan } = await service.start([change], { reason: 'a test' });
      const { ranges } = plan;
      return `${change.state ?? `weight ${change.weight}`} ${change.nodeId}: ${ranges} ranges (${id})`;
    };
    const roll = random.below(10);
    if (roll < 2) {
      const spare = this.#world.spares.shift();
      if (spare === undefined) return begin({ nodeId: node.id, state: 'active' });
      await this.#world.register(by, spare);
      return begin({ nodeId: spare.id, state: 'active' });
    }
    if (roll < 4) return begin({ nodeId: node.id, state: node.state === 'active' ? 'draining' : 'active' });
    if (roll === 4) return begin({ nodeId: node.id, weight: 1 + random.below(4) });
    if (roll === 5 && this.#mayLoseDisk) {
      const restore = this.#loseDisk(this.#world.nodes.at(node.id));
      try {
        return await begin({ nodeId: node.id, state: random.chance(0.5) ? 'lost' : 'removed' });
      } catch (error) {
        // As long as the others cannot do without it, it was only away.
        restore();
        throw error;
      }
    }
    const current = await service.current();
    if (current === null) return null;
    if (roll < 7) {
      await service.cancel(current.id);
      return `cancel ${current.id}`;
    }
    if (roll === 7) {
      await service.pause(current.id);
      return `pause ${current.id}`;
    }
    await service.resume(current.id);
    return `resume ${current.id}`;
  }

  /** The returned function takes it back. */
  #loseDisk(node: MemoryNode): () => void {
    this.#mayLoseDisk = false;
    this.#world.tell(`the disk of ${node.id} is lost`);
    const lost = [...node.chunks.values()];
    for (const { id } of lost) this.#world.ledger.loseCopy(id);
    node.chunks.clear();
    node.fault = 'dead';
    this.#lostDisks.add(node.id);
    return () => {
      this.#lostDisks.delete(node.id);
      this.#mayLoseDisk = true;
      node.fault = 'none';
      for (const chunk of lost) {
        this.#world.ledger.loseCopy(chunk.id, -1);
        node.chunks.set(chunk.id, chunk);
      }
    };
  }

  #breakNode(): void {
    const random = this.#random;
    const { nodes, ledger } = this.#world;
    const alive = nodes.nodes.filter(({ fault }) => fault === 'none');
    const node = random.pick(alive);
    if (node === undefined) return;
    const kind = random.below(6);
    if (kind < 3 && alive.length > 4) {
      node.fault = (['dead', 'hang', 'full'] as const)[kind]!;
      setTimeout(() => {
        if (node.fault !== 'none' && this.#isReturning(node)) node.fault = 'none';
      }, random.below(250));
      this.#world.tell(`${node.id} is ${node.fault}`);
    } else if (kind === 3) {
      const other = random.pick(alive)!;
      nodes.cut(node.id, other.id);
      setTimeout(() => nodes.cuts.clear(), random.below(200));
      this.#world.tell(`${node.id} and ${other.id} cannot reach each other`);
    } else if (kind === 4) {
      if (random.chance(0.5)) node.lies.digests += 1 + random.below(3);
      else node.lies.listings += 1 + random.below(3);
    } else if (this.#mayCorrupt) {
      // At most one copy of a chunk.
      const entry = random.pick(ledger.entries.filter(({ lostCopies }) => lostCopies === 0));
      const id = entry?.ref.id;
      const holder = id === undefined ? undefined : nodes.nodes.find(({ chunks }) => chunks.has(id));
      if (holder === undefined) return;
      ledger.loseCopy(id!);
      holder.corrupt.add(id!);
      this.#world.tell(`the copy of ${id} on ${holder.id} is damaged`);
    }
  }

  /** A node whose disk was lost stays away. */
  #isReturning({ id }: MemoryNode): boolean {
    return !this.#lostDisks.has(id);
  }

  async #breakCoordinator(): Promise<void> {
    const random = this.#random;
    const { live } = this.#world;
    const by = random.pick(live)!;
    const { process } = by;
    const kind = random.below(4);
    if (kind === 0 || live.length === 1) {
      process.lagMs = random.below(80);
      return;
    }
    if (kind === 1) {
      this.#world.tell(`${process.id} stands still`);
      process.pause();
      setTimeout(() => process.resume(), random.below(PRESENCE_TTL_MS * 3));
      return;
    }
    const leader = await this.#leader();
    const victim = live.find((candidate) => candidate.process.id === leader) ?? by;
    this.#world.tell(`${victim.process.id} dies`);
    this.#world.kill(victim);
    setTimeout(() => {
      if (!this.#end.signal.aborted) void this.#world.addCoordinator().catch(() => {});
    }, random.below(200));
  }

  async #leader(): Promise<string | undefined> {
    const row = await this.#database.kysely.selectFrom('leases').select('holder').executeTakeFirst();
    return row?.holder;
  }

  async #heal(): Promise<void> {
    const { nodes, live } = this.#world;
    this.#world.tell('everything is well again');
    nodes.cuts.clear();
    for (const node of nodes.nodes) {
      node.lies = { digests: 0, listings: 0 };
      if (this.#isReturning(node)) node.fault = 'none';
    }
    for (const { process } of live) {
      process.resume();
      process.lagMs = 0;
    }
  }

  /** The engine brings the ring to rest by itself. */
  async #untilStable(): Promise<void> {
    const rings = new RingRepository(this.#database.kysely);
    const deadline = performance.now() + END_MS;
    for (;;) {
      const [by] = this.#world.live;
      const current = await by!.service.current();
      if (current?.state === 'paused') await by!.service.resume(current.id).catch(() => {});
      if ((await rings.read())?.target === null) return;
      if (performance.now() > deadline) {
        this.#world.checker.report(`the ring does not come to rest: ${JSON.stringify(current)}`);
        return;
      }
      await pause(20);
    }
  }

  /** At rest every chunk whose copies were all made is on all its owners, and every manifest's chunk somewhere. */
  async #checkEnd(): Promise<void> {
    const { checker, nodes, ledger } = this.#world;
    await checker.check();
    const state = (await new RingRepository(this.#database.kysely).read())!;
    for (const entry of ledger.entries) {
      const { ref, isCommitted } = entry;
      const holders = nodes.holdersOf(ref.id);
      if (holders.length === 0) checker.report(`chunk ${ref.id} is lost`);
      if (!isWhole(entry)) continue;
      const { owners } = rolesOf(state, rangeOf(ref.position, state.base.rangeCount));
      const lacking = owners.filter((id) => !holders.includes(id));
      if (lacking.length > 0) {
        checker.report(`at the end ${lacking} lack chunk ${ref.id} (${isCommitted ? 'committed' : 'open'})`);
      }
    }
    // I6: what was deleted is named by nothing.
    const stored = nodes.nodes.flatMap(({ chunks }) => [...chunks.keys()]);
    const asked = [...new Set([...stored, ...ledger.entries.map(({ ref }) => ref.id)])];
    const alive = await this.#world.live[0]!.objects.aliveAmong(asked);
    for (const id of alive) {
      if (ledger.deleted.has(objectIdOf(id)!)) checker.report(`I6: chunk ${id} is alive again`);
    }
    const missing = ledger.entries.filter(({ ref }) => !alive.has(ref.id));
    for (const { ref } of missing) checker.report(`chunk ${ref.id} is not alive any more`);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
