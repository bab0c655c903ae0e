import { ownersOfRange, rangeOf } from '../../../lib/hashring/index.ts';
import type { WriteOutcome } from '../../chunks/chunk-writer.ts';
import { CLUSTER_CHANNEL } from '../../cluster/cluster.ts';
import type { RingRepository } from '../../cluster/ring-repository.ts';
import { PHASE, phaseOf, type RingState, rolesOf } from '../../cluster/ring-state.ts';
import type { Notifications } from '../../database/notifications.ts';
import type { ChunkRef } from '../../objects/manifest.ts';
import type { MemoryNode, MemoryNodes } from './memory-nodes.ts';

const WRITE_QUORUM = 2;

/** A chunk that was acknowledged. */
export interface Entry {
  readonly objectId: string;
  readonly ref: ChunkRef;
  readonly acknowledgedMs: number;
  /** What became of all copies; undefined until then, or when the writer died before. */
  outcome: WriteOutcome | undefined;
  /** Copies that lay on disks which were lost, or that were damaged. */
  lostCopies: number;
  isCommitted: boolean;
}

/** Whether all of its copies went to owners. Handoffs count for a quorum, and may lie anywhere. */
function isOnOwners({ outcome }: Entry): boolean {
  return outcome !== undefined && outcome.missing === outcome.lacking.length;
}

/** Whether every owner of then had it in the end. */
export function isWhole(entry: Entry): boolean {
  return isOnOwners(entry) && entry.outcome!.missing === 0 && entry.lostCopies === 0;
}

/** What clients were promised. */
export class Ledger {
  readonly #entries = new Map<string, Entry>();
  /** Objects that the database has deleted. */
  readonly deleted = new Set<string>();
  readonly #outcomes = new Map<string, WriteOutcome>();
  /** Also of chunks that are still being written. */
  readonly #lost = new Map<string, number>();

  acknowledge(objectId: string, ref: ChunkRef): void {
    this.#entries.set(ref.id, {
      objectId,
      ref,
      acknowledgedMs: performance.now(),
      outcome: this.#outcomes.get(ref.id),
      lostCopies: this.#lost.get(ref.id) ?? 0,
      isCommitted: false,
    });
  }

  settle(chunkId: string, outcome: WriteOutcome): void {
    this.#outcomes.set(chunkId, outcome);
    const entry = this.#entries.get(chunkId);
    if (entry !== undefined) entry.outcome = outcome;
  }

  commit(objectId: string): void {
    for (const entry of this.#entries.values()) if (entry.objectId === objectId) entry.isCommitted = true;
  }

  /** The object is being deleted: nothing is promised any more. */
  forget(objectId: string): void {
    for (const [id, entry] of this.#entries) if (entry.objectId === objectId) this.#entries.delete(id);
  }

  isAlive(chunkId: string): boolean {
    return this.#entries.has(chunkId);
  }

  /** The copy is gone for good, by no fault of the coordinators; or, with -1, it was not after all. */
  loseCopy(chunkId: string, count = 1): void {
    const lost = (this.#lost.get(chunkId) ?? 0) + count;
    this.#lost.set(chunkId, lost);
    const entry = this.#entries.get(chunkId);
    if (entry !== undefined) entry.lostCopies = lost;
  }

  get entries(): Entry[] {
    return [...this.#entries.values()];
  }

  get committed(): Entry[] {
    return this.entries.filter(({ isCommitted }) => isCommitted);
  }
}

export interface RingCheckerOptions {
  readonly nodes: MemoryNodes;
  readonly ledger: Ledger;
  readonly rings: RingRepository;
  /** The states of the ring that coordinators which may write use now. */
  readonly views: () => readonly RingState[];
}

/** Looks at the nodes directly, whenever the ring has made a step, for anything that must never be. */
export class RingChecker implements AsyncDisposable {
  readonly violations: string[] = [];
  /** How many readers had to ask how many nodes. */
  readonly asked: number[] = [];
  steps = 0;
  drops = 0;
  readonly #options: RingCheckerOptions;
  #last: RingState | null = null;
  /** When each range was first seen in phase `dual` on its way to its present target. */
  readonly #dualSinceMs = new Map<number, number>();
  #work: Promise<void> = Promise.resolve();
  readonly #stack = new AsyncDisposableStack();

  constructor(options: RingCheckerOptions) {
    this.#options = options;
    options.nodes.onDrop = (node, chunks) => this.#checkDrop(node, chunks);
  }

  async start(notifications: Notifications): Promise<void> {
    const check = () => void this.check();
    this.#stack.defer(await notifications.subscribe(CLUSTER_CHANNEL, check));
    const timer = setInterval(check, 20);
    this.#stack.defer(() => clearInterval(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    await this.#work;
  }

  report(violation: string): void {
    if (this.violations.length < 20) this.violations.push(violation);
  }

  /**
   * A reader found the chunk at the node with that index. `isFirst`: among those that are said to hold all of the range,
   * or so late that they may have given it away since.
   */
  noteRead(entry: Entry, index: number, isFirst: boolean): void {
    this.asked[index] = (this.asked[index] ?? 0) + 1;
    if (!isFirst && isWhole(entry)) this.report(`a reader found ${entry.ref.id} on no owner`);
  }

  check(): Promise<void> {
    this.#work = this.#work.then(() => this.#check()).catch((error) => this.report(String(error)));
    return this.#work;
  }

  async #check(): Promise<void> {
    const { rings, views } = this.#options;
    const state = await rings.read();
    if (state === null) return;
    if (state.step !== this.#last?.step) this.#follow(state);
    // The nodes are looked at in one instant, while this state or the next one is in force.
    const inUse = [state, ...views()];
    for (const entry of this.#options.ledger.entries) this.#checkEntry(entry, inUse);
  }

  /** I1 and I2: enough copies anywhere; and, if every copy went to an owner, on those that reads ask first. */
  #checkEntry(entry: Entry, inUse: readonly RingState[]): void {
    const { nodes } = this.#options;
    const { ref, lostCopies } = entry;
    const holders = nodes.holdersOf(ref.id);
    const wanted = WRITE_QUORUM - lostCopies;
    if (holders.length < wanted) {
      this.report(`I1: chunk ${ref.id} is on ${holders.length} nodes only, not on ${wanted}`);
    }
    if (!isOnOwners(entry)) return;
    for (const state of inUse) {
      const range = rangeOf(ref.position, state.base.rangeCount);
      const { readFirst } = rolesOf(state, range);
      const onOwners = readFirst.filter((id) => holders.includes(id)).length;
      if (onOwners >= wanted) continue;
      this.report(
        `I2: chunk ${ref.id} is on ${onOwners} owners of range ${range} in phase ${phaseOf(state, range)} of step ${state.step}`,
      );
    }
  }

  /** I3 and I4: who holds a range in any view that counts keeps it. */
  #checkDrop(node: MemoryNode, chunks: readonly ChunkRef[]): void {
    this.drops++;
    const { rings, views, ledger } = this.#options;
    const isOwner = (state: RingState) =>
      chunks.some(({ position }) =>
        rolesOf(state, rangeOf(position, state.base.rangeCount)).owners.includes(node.id),
      );
    for (const state of views()) {
      if (isOwner(state)) this.report(`I4: ${node.id} dropped a range that it owns in step ${state.step}`);
    }
    for (const { id } of chunks) {
      const others = this.#options.nodes.holdersOf(id).filter((holder) => holder !== node.id);
      if (others.length === 0 && ledger.isAlive(id))
        this.report(`I4: ${node.id} dropped the last copy of ${id}`);
    }
    const check = rings.read().then((state) => {
      if (state !== null && isOwner(state)) {
        this.report(`I4: ${node.id} dropped a range that it owns in the ring's step ${state.step}`);
      }
    });
    this.#work = Promise.all([this.#work, check]).then(() => {});
  }

  /** I5 and I7, for what changed since the last look. */
  #follow(state: RingState): void {
    const last = this.#last;
    this.steps++;
    this.#last = state;
    if (last !== null && state.step < last.step) this.report(`I7: step ${state.step} followed ${last.step}`);
    if (state.target === null || state.rebalanceId !== last?.rebalanceId) this.#dualSinceMs.clear();
    state.phases?.forEach((phase, range) => {
      const before = last?.rebalanceId === state.rebalanceId ? phaseOf(last, range) : PHASE.before;
      if (phase === PHASE.dual && !this.#dualSinceMs.has(range)) {
        this.#dualSinceMs.set(range, performance.now());
      }
      if (last?.rebalanceId === state.rebalanceId && phase < before) {
        this.report(`I7: range ${range} went from phase ${before} to ${phase}`);
      }
      if (phase === PHASE.readNew && before === PHASE.dual) this.#checkComplete(state, range);
    });
  }

  /** I5: nodes that have just been said to have copied the range have it. */
  #checkComplete(state: RingState, range: number): void {
    const since = this.#dualSinceMs.get(range);
    if (since === undefined) return;
    const before = ownersOfRange(state.base, range).map(({ id }) => id);
    const after = ownersOfRange(state.target!, range).map(({ id }) => id);
    const gained = after.filter((id) => !before.includes(id));
    for (const entry of this.#options.ledger.entries) {
      const { ref, acknowledgedMs, isCommitted, lostCopies } = entry;
      if (rangeOf(ref.position, state.base.rangeCount) !== range || acknowledgedMs > since) continue;
      if (!isCommitted && !isOnOwners(entry)) continue;
      const lacking = gained.filter((id) => !this.#options.nodes.at(id).chunks.has(ref.id));
      if (lacking.length === 0 || lostCopies > 0) continue;
      this.report(`I5: ${lacking} became owners of range ${range} without chunk ${ref.id}`);
    }
  }
}
