import { recordPartOf } from '../../coordinator/objects/chunk-id.ts';
import { rangeBounds } from '../../lib/hashring/index.ts';
import type { ChunkEntryLine } from '../../lib/node-api/schema.ts';
import type { AdminClient } from './admin-client.ts';
import type { AdminNode } from './admin-schema.ts';
import { type DirectNodes, type Interval, WHOLE_RING } from './direct-nodes.ts';
import { RingMap } from './ring-map.ts';
import type { StoredVideo } from './video-ledger.ts';

const PROBLEMS_KEPT = 20;
const LOOKS_MAX = 4;

export type ProblemKind =
  /** Fewer than a write quorum of a base in use has the chunk (I1, I2). */
  | 'below-quorum'
  /** A node lost a copy while it belonged to a base in use (I4). */
  | 'dropped-early'
  /** Not all chunks of an acknowledged video lie on any node. */
  | 'incomplete-video'
  /** On a stable ring: an owner lacks its copy, a node that is none has one, a node has what no video is made of. */
  | 'missing-copy'
  | 'extra-copy'
  | 'stranger';

export interface PlacementProblem {
  readonly kind: ProblemKind;
  readonly detail: string;
}

export interface PlacementReport {
  readonly videos: number;
  readonly chunks: number;
  readonly copies: number;
  readonly bytes: number;
  readonly step: number;
  readonly isStable: boolean;
  readonly counts: Readonly<Record<ProblemKind, number>>;
  /** The first few of each check. */
  readonly problems: readonly PlacementProblem[];
  /** Chunks whose range changed hands so fast that nothing could be said. */
  readonly undecided: number;
  /** Nodes that did not answer; they are taken to hold what they held. */
  readonly silentNodes: readonly string[];
}

export interface CheckOptions {
  /** Also: every chunk on its R owners, nowhere else, and nothing beside. The ring has to be stable. */
  readonly settled?: boolean;
  /** Copies on nodes that are no owners count too: owners were away when the chunk came. */
  readonly countsHandoffs?: boolean;
}

/** Tells which videos there must be, as of the moment it is asked: acknowledged, and nobody began to delete them. */
export type ListVideos = () => Promise<readonly StoredVideo[]>;

interface Snapshot {
  readonly before: RingMap;
  readonly after: RingMap;
  /** For each chunk the ids of the nodes that have it. */
  readonly holders: Map<string, Set<string>>;
  readonly entries: Map<string, ChunkEntryLine>;
  readonly silent: Set<string>;
}

interface KnownObject {
  readonly prefix: string;
  readonly chunkIds: readonly string[];
}

const OBJECT_PREFIX_LENGTH = 33;

/**
 * Reads every node directly, between two looks at the ring, and says whether what was acknowledged lies where it
 * must. What changed in the ring between the looks is looked at again, since nothing can be said of it.
 */
export class PlacementChecker {
  readonly #admin: AdminClient;
  readonly #nodes: DirectNodes;
  readonly #listVideos: ListVideos;
  /** Which chunks an acknowledged video consists of, once they were found. */
  readonly #objects = new Map<string, KnownObject>();
  /** Copies of acknowledged videos at the check before. */
  #seen = new Map<string, Set<string>>();
  readonly #lengths = new Map<string, number>();
  /** Nodes that are gone for good. */
  readonly #lost = new Set<string>();
  checks = 0;

  constructor(admin: AdminClient, nodes: DirectNodes, listVideos: ListVideos) {
    this.#admin = admin;
    this.#nodes = nodes;
    this.#listVideos = listVideos;
  }

  /** The node will not come back: what it held is lost, and whoever misses it may say so. */
  giveUp(nodeId: string): void {
    this.#lost.add(nodeId);
    this.forget(nodeId);
  }

  /** What the node held need not be there any more: its disk was emptied or damaged on purpose. */
  forget(nodeId: string): void {
    for (const holders of this.#seen.values()) holders.delete(nodeId);
  }

  /** Which chunks a video consists of, by the checks so far. */
  chunksOf(videoId: string): readonly string[] | undefined {
    return this.#objects.get(videoId)?.chunkIds;
  }

  /** Who held what at the latest check, by chunk id. */
  get copies(): ReadonlyMap<string, ReadonlySet<string>> {
    return this.#seen;
  }

  /** Length of a chunk that a check came across. */
  lengthOf(chunkId: string): number {
    return this.#lengths.get(chunkId) ?? 0;
  }

  async check(options: CheckOptions = {}): Promise<PlacementReport> {
    // Acknowledged before the first look; what is deleted meanwhile is left out below.
    const videos = await this.#listVideos();
    const nodes = (await this.#admin.nodes()).filter(
      ({ id, state }) => state !== 'removed' && !this.#lost.has(id),
    );
    const problems = new ProblemList();
    const snapshot = await this.#look(nodes, WHOLE_RING);
    const left = new Set((await this.#listVideos()).map(({ id }) => id));
    const present = videos.filter(({ id }) => left.has(id));
    const chunkIds = this.#findChunks(present, snapshot, problems);
    this.checks++;

    const undecided = await this.#checkBases(nodes, snapshot, chunkIds, options, problems);
    this.#checkDrops(snapshot, chunkIds, problems);
    const isStable = snapshot.before.isStable && snapshot.before.step === snapshot.after.step;
    if (options.settled && isStable) this.#checkSettled(nodes, snapshot, chunkIds, problems);

    this.#seen = new Map([...chunkIds].map((id) => [id, snapshot.holders.get(id) ?? new Set()]));
    let copies = 0;
    let bytes = 0;
    for (const id of chunkIds) {
      const holders = snapshot.holders.get(id)?.size ?? 0;
      const length = snapshot.entries.get(id)?.length ?? 0;
      this.#lengths.set(id, length);
      copies += holders;
      bytes += holders * length;
    }
    return {
      videos: present.length,
      chunks: chunkIds.size,
      copies,
      bytes,
      step: snapshot.after.step,
      isStable,
      counts: problems.counts,
      problems: problems.kept,
      undecided,
      silentNodes: [...snapshot.silent],
    };
  }

  /** Looks at the ring, at the nodes, and at the ring again. */
  async #look(nodes: readonly AdminNode[], interval: Interval): Promise<Snapshot> {
    const before = new RingMap(await this.#admin.ring());
    const holders = new Map<string, Set<string>>();
    const entries = new Map<string, ChunkEntryLine>();
    const silent = new Set<string>();
    await Promise.all(
      nodes.map(async ({ id: nodeId, url, health }) => {
        const list = await this.#nodes.list(url, interval).catch((error: unknown) => {
          if (health === 'up' && !isGone(error)) throw error;
          return undefined;
        });
        if (list === undefined) {
          silent.add(nodeId);
          return;
        }
        for (const entry of list) {
          entries.set(entry.id, entry);
          addTo(holders, entry.id, nodeId);
        }
      }),
    );
    for (const [chunkId, nodeIds] of this.#seen) {
      for (const nodeId of nodeIds) if (silent.has(nodeId)) addTo(holders, chunkId, nodeId);
    }
    const after = new RingMap(await this.#admin.ring());
    return { before, after, holders, entries, silent };
  }

  /** The chunks of the videos. A video is traced to its object by the first chunk, whose bytes are known. */
  #findChunks(videos: readonly StoredVideo[], { entries }: Snapshot, problems: ProblemList): Set<string> {
    const byFirstChunk = new Map<string, string[]>();
    const byPrefix = new Map<string, ChunkEntryLine[]>();
    for (const entry of entries.values()) {
      const prefix = entry.id.slice(0, OBJECT_PREFIX_LENGTH);
      push(byPrefix, prefix, entry);
      if (!isRecord(entry)) push(byFirstChunk, `${entry.length}:${entry.checksum}`, prefix);
    }
    const chunkIds = new Set<string>();
    for (const { id, slice, firstChunk } of videos) {
      let object = this.#objects.get(id);
      if (object === undefined) {
        const prefix = byFirstChunk.get(firstChunk)?.find((candidate) => {
          const own = byPrefix.get(candidate)!.filter((entry) => !isRecord(entry));
          return sumOf(own.map(({ length }) => length)) === slice.size;
        });
        if (prefix === undefined) {
          problems.add('incomplete-video', `video ${id} of ${slice.size} bytes is not whole on any nodes`);
          continue;
        }
        object = { prefix, chunkIds: byPrefix.get(prefix)!.map((entry) => entry.id) };
        this.#objects.set(id, object);
      }
      for (const chunkId of object.chunkIds) chunkIds.add(chunkId);
    }
    return chunkIds;
  }

  /** I1 and I2. Resolves with how many chunks could not be decided. */
  async #checkBases(
    nodes: readonly AdminNode[],
    whole: Snapshot,
    chunkIds: ReadonlySet<string>,
    options: CheckOptions,
    problems: ProblemList,
  ): Promise<number> {
    let left = [...chunkIds];
    let snapshot = whole;
    for (let look = 1; left.length > 0; look++) {
      const undecided = left.filter((id) => !this.#checkBase(snapshot, id, options, problems));
      if (undecided.length === 0 || look === LOOKS_MAX) return undecided.length;
      const ranges = undecided.map((id) => snapshot.after.rangeOfChunk(id));
      const { rangeCount } = snapshot.after;
      snapshot = await this.#look(nodes, {
        first: rangeBounds(Math.min(...ranges), rangeCount).first,
        last: rangeBounds(Math.max(...ranges), rangeCount).last,
      });
      // What is gone because its video was deleted since says nothing.
      const alive = await this.#aliveChunks();
      left = undecided.filter((id) => alive.has(id));
    }
    return 0;
  }

  async #aliveChunks(): Promise<Set<string>> {
    const videos = await this.#listVideos();
    return new Set(videos.flatMap(({ id }) => this.#objects.get(id)?.chunkIds ?? []));
  }

  /** Whether anything could be said of the chunk. */
  #checkBase(
    { before, after, holders }: Snapshot,
    chunkId: string,
    { countsHandoffs = false }: CheckOptions,
    problems: ProblemList,
  ): boolean {
    const range = before.rangeOfChunk(chunkId);
    const bases = before.commonBases(after, range);
    if (bases.length === 0) return false;
    const has = holders.get(chunkId) ?? new Set();
    for (const base of bases) {
      const lost = base.filter((id) => this.#lost.has(id)).length;
      const needed = Math.max(1, before.writeQuorum - lost);
      const counted = countsHandoffs ? has.size : base.filter((id) => has.has(id)).length;
      if (counted >= needed) continue;
      problems.add(
        'below-quorum',
        `chunk ${chunkId} of range ${range} lies on ${counted} of the base ${base.map(short)}, ${needed} needed; ` +
          `it is on ${[...has].map(short)} (steps ${before.step} to ${after.step})`,
      );
    }
    return true;
  }

  /** I4: a copy that was there at the check before is there still, unless its node is in no base in use. */
  #checkDrops(
    { before, after, holders }: Snapshot,
    chunkIds: ReadonlySet<string>,
    problems: ProblemList,
  ): void {
    for (const [chunkId, nodeIds] of this.#seen) {
      if (!chunkIds.has(chunkId)) continue;
      const range = before.rangeOfChunk(chunkId);
      const inUse = new Set(before.commonBases(after, range).flat());
      for (const nodeId of nodeIds) {
        if (!inUse.has(nodeId) || this.#lost.has(nodeId) || holders.get(chunkId)?.has(nodeId)) continue;
        problems.add(
          'dropped-early',
          `chunk ${chunkId} of range ${range} is gone from ${short(nodeId)}, which is in use`,
        );
      }
    }
  }

  #checkSettled(
    nodes: readonly AdminNode[],
    { after, holders, silent }: Snapshot,
    chunkIds: ReadonlySet<string>,
    problems: ProblemList,
  ): void {
    for (const chunkId of chunkIds) {
      const range = after.rangeOfChunk(chunkId);
      const owners = after.ownersOf(range);
      const has = holders.get(chunkId) ?? new Set();
      const what = `chunk ${chunkId} of range ${range}`;
      for (const id of owners)
        if (!has.has(id) || silent.has(id)) problems.add('missing-copy', `${what} on ${short(id)}`);
      for (const id of has) if (!owners.includes(id)) problems.add('extra-copy', `${what} on ${short(id)}`);
    }
    const known = new Set(nodes.map(({ id }) => id));
    for (const [chunkId, nodeIds] of holders) {
      if (chunkIds.has(chunkId)) continue;
      const where = [...nodeIds].filter((id) => known.has(id)).map(short);
      problems.add('stranger', `chunk ${chunkId} of no video lies on ${where}`);
    }
  }
}

/** A copy of what the database says of the video; no part of its bytes. */
function isRecord({ id }: ChunkEntryLine): boolean {
  return recordPartOf(id) !== undefined;
}

class ProblemList {
  readonly counts: Record<ProblemKind, number> = {
    'below-quorum': 0,
    'dropped-early': 0,
    'incomplete-video': 0,
    'missing-copy': 0,
    'extra-copy': 0,
    stranger: 0,
  };
  readonly kept: PlacementProblem[] = [];

  add(kind: ProblemKind, detail: string): void {
    this.counts[kind]++;
    if (this.kept.length < PROBLEMS_KEPT) this.kept.push({ kind, detail });
  }
}

/** Whether nothing that must always hold was broken; on a ring under way copies may well be missing. */
export function isSound({ counts }: PlacementReport): boolean {
  return counts['below-quorum'] + counts['dropped-early'] + counts['incomplete-video'] === 0;
}

/** Whether every chunk lies on its owners, and nowhere else. */
export function isSettled(report: PlacementReport): boolean {
  return report.isStable && Object.values(report.counts).every((count) => count === 0);
}

export function describePlacement(report: PlacementReport): string {
  const wrong = Object.entries(report.counts)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`);
  return (
    `${report.chunks} chunks of ${report.videos} videos in ${report.copies} copies, step ${report.step}` +
    `${report.isStable ? '' : ' (moving)'}: ${wrong.length === 0 ? 'as it must be' : wrong.join(', ')}` +
    `${report.undecided > 0 ? `, ${report.undecided} undecided` : ''}` +
    `${report.silentNodes.length > 0 ? `, ${report.silentNodes.length} nodes silent` : ''}`
  );
}

/** A node that was killed has no connections, or cuts the one it has. */
function isGone(error: unknown): boolean {
  return error instanceof TypeError;
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

function push<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function short(nodeId: string): string {
  return nodeId.slice(-6);
}
