import { type Layout, ownersOfRange, RingError, rangeOf } from '../../lib/hashring/index.ts';
import type { NodeClient } from '../chunks/node-client.ts';
import { WEIGHT_DEFAULT, ZONE_DEFAULT } from '../cluster/limits.ts';
import type { NodeInventory } from '../cluster/node-inventory.ts';
import type { NodeProbe } from '../cluster/node-probe.ts';
import type { StorageNode } from '../cluster/placement.ts';
import type { Database } from '../database/database.ts';
import { objectIdOf, recordPartOf } from '../objects/chunk-id.ts';
import type { RecordCluster } from '../records/video-record.ts';
import { Evidence, type InferredLayout, inferLayout } from './infer-layout.ts';
import { OBJECTS_AT_ONCE, REPORT_CHUNKS_MAX } from './limits.ts';
import { type ReadObject, type ReadRecord, RecordReader } from './record-reader.ts';
import { type ChunkRow, RecoveryRepository } from './recovery-repository.ts';
import { addTo, emptyListing, type RecoveryReport } from './report.ts';
import { type FoundChunk, scanNodes } from './scan-nodes.ts';
import { Stage, type StagedObject } from './stage.ts';

/** A node that the operator names. */
export interface NamedNode {
  readonly url: string;
  readonly zone?: string | undefined;
  readonly weight?: number | undefined;
}

export interface RecoveryOptions {
  readonly database: Database;
  readonly probe: Pick<NodeProbe, 'stats' | 'claim'>;
  readonly inventory: Pick<NodeInventory, 'list'>;
  readonly client: Pick<NodeClient, 'open'>;
  readonly nodes: readonly NamedNode[];
  /** Reports, and writes nothing. */
  readonly dryRun: boolean;
  /** What becomes of videos whose record has fewer copies than a write quorum; undefined: the operator is asked. */
  readonly doubtful?: 'restore' | 'leave-out' | undefined;
  /** What becomes of videos none of whose records can be read; undefined: the operator is asked. */
  readonly damaged?: 'leave-out' | undefined;
  readonly onProgress?: (progress: RecoveryProgress) => void;
  readonly signal: AbortSignal;
}

export interface RecoveryProgress {
  readonly phase: 'listing' | 'records' | 'checking';
  /** 0 to 1; null when nobody knows. */
  readonly share: number | null;
  readonly count: number;
}

/** The recovery cannot be done like this; the message says why, and what to do. Nothing was written. */
export class RecoveryRefused extends Error {
  override readonly name = 'RecoveryRefused';
}

interface KnownNode extends StorageNode {
  readonly weight: number;
  readonly capacityBytes: number;
  readonly fresh: boolean;
}

/** Chunks are counted in the finest ranges that a ring may have; the first record tells how many it has. */
const RANGES_MAX = 65_536;
const POSITIONS = 2 ** 32;

/**
 * Makes the database again from the storage nodes alone.
 *
 * 1. Who are the nodes? All have to belong to one cluster.
 * 2. List them all: records are told by their ids, and who holds what shows who owned which range.
 * 3. Read the newest record of each object, and store video, manifest and record.
 * 4. Infer the ring.
 * 5. List the nodes once more, beside the stored chunks: which are missing, which does nobody name?
 * 6. Write the ring and commit.
 *
 * Steps 3 to 6 are one transaction: whatever ends it before leaves the database empty, and the next run begins anew.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #listings = {
    incompleteVideos: emptyListing<RecoveryReport['incompleteVideos']['items'][number]>(),
    damagedRecords: emptyListing<RecoveryReport['damagedRecords']['items'][number]>(),
    doubtful: emptyListing<RecoveryReport['doubtful']['items'][number]>(),
  };
  readonly #videos = { recovered: 0, bytes: 0 };
  readonly #chunks = { complete: 0, short: 0, missing: 0 };
  readonly #strays = { chunks: 0, copies: 0, bytes: 0, objects: 0 };
  readonly #place = { copiesInPlace: 0, copiesWanted: 0 };
  #supersededRecords = 0;
  #lostObjects = 0;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /** Rejects with RecoveryRefused, or with the error of a node or the database; then nothing was written. */
  async run(): Promise<RecoveryReport> {
    const { database } = this.#options;
    const refusal = await database
      .transaction()
      .execute((transaction) => new RecoveryRepository(database, transaction).obstacle());
    if (refusal !== undefined) throw new RecoveryRefused(refusal);
    const { clusterId, nodes } = await this.#identify();
    await using stage = await Stage.open();
    const { evidence, counts } = await this.#list(nodes, stage);
    let report: RecoveryReport | undefined;
    try {
      await database.transaction().execute(async (transaction) => {
        const rows = new RecoveryRepository(database, transaction);
        const obstacle = await rows.obstacle();
        if (obstacle !== undefined) throw new RecoveryRefused(obstacle);
        const cluster = await this.#restoreVideos(clusterId, nodes, stage, rows);
        const ring = this.#inferRing(evidence, nodes, cluster);
        await this.#check(nodes, ring.layout, stage, rows);
        const undecided = this.#undecided();
        const written = undecided.length === 0 && !this.#options.dryRun;
        report = this.#report(cluster, nodes, counts, ring, undecided, written);
        if (!written) throw new NothingWritten();
        await this.#write(cluster, nodes, ring.layout, rows);
      });
    } catch (error) {
      if (!(error instanceof NothingWritten)) throw error;
    }
    return report!;
  }

  async #identify(): Promise<{ clusterId: string; nodes: KnownNode[] }> {
    const { probe, signal } = this.#options;
    const nodes = await Promise.all(
      this.#options.nodes.map(async ({ url, zone = ZONE_DEFAULT, weight = WEIGHT_DEFAULT }) => {
        const { nodeId: id, clusterId, capacityBytes, chunkCount } = await probe.stats(url, signal);
        return { id, url, zone, weight, capacityBytes, clusterId, chunkCount, fresh: clusterId === null };
      }),
    );
    const ids = [...new Set(nodes.map(({ clusterId }) => clusterId).filter((id) => id !== null))];
    const [clusterId] = ids;
    if (clusterId === undefined) {
      throw new RecoveryRefused(
        'None of these storage nodes belongs to a cluster: there is nothing to recover.',
      );
    }
    if (ids.length > 1) {
      const lines = nodes.map(({ url, clusterId }) => `  ${url} belongs to ${clusterId ?? 'no cluster'}`);
      throw new RecoveryRefused(
        ['These storage nodes belong to different clusters. Name those of one:', ...lines].join('\n'),
      );
    }
    for (const node of nodes) {
      const twin = nodes.find((other) => other !== node && other.id === node.id);
      if (twin) throw new RecoveryRefused(`${node.url} and ${twin.url} are the same storage node.`);
      if (node.fresh && node.chunkCount > 0) {
        throw new RecoveryRefused(`The storage node at ${node.url} belongs to no cluster but has chunks.`);
      }
    }
    return { clusterId, nodes };
  }

  /** Every chunk of every node once: records are kept, all are counted. */
  async #list(nodes: readonly KnownNode[], stage: Stage): Promise<{ evidence: Evidence; counts: number[] }> {
    const { inventory, signal } = this.#options;
    const evidence = new Evidence(RANGES_MAX, nodes.length);
    const counts = nodes.map(() => 0);
    let count = 0;
    for await (const { chunks, last } of scanNodes(nodes, inventory, signal)) {
      for (const { position, copies } of chunks.values()) {
        count += copies.length;
        for (const { node } of copies) {
          counts[node]! += 1;
          evidence.add(rangeOf(position, RANGES_MAX), node);
        }
      }
      const records = [...chunks].filter(([id]) => recordPartOf(id) !== undefined);
      await stage.addRecordChunks(records.map(([id, { position, copies }]) => ({ id, position, copies })));
      this.#progress('listing', (last + 1) / POSITIONS, count);
    }
    return { evidence, counts };
  }

  async #restoreVideos(
    clusterId: string,
    nodes: readonly KnownNode[],
    stage: Stage,
    rows: RecoveryRepository,
  ): Promise<RecordCluster> {
    const reader = new RecordReader(this.#options.client, nodes, this.#options.signal);
    let cluster: RecordCluster | undefined;
    let done = 0;
    for await (const objects of inBatches(stage.objects(), OBJECTS_AT_ONCE)) {
      const read = await Promise.all(objects.map((object) => reader.read(object)));
      const restored: ReadRecord[] = [];
      for (const [index, object] of objects.entries()) {
        const record = this.#judge(clusterId, object, read[index]!);
        if (record === undefined) continue;
        cluster ??= record.cluster;
        restored.push(record);
      }
      for (const { objectId, video } of await rows.insertVideos(restored)) {
        const reason = `video ${video.id} was recovered from another object already`;
        addTo(this.#listings.damagedRecords, { objectId, version: video.version, reason, usedVersion: null });
        this.#lostObjects += 1;
        restored.splice(
          restored.findIndex((record) => record.objectId === objectId),
          1,
        );
      }
      for (const { size } of restored) {
        this.#videos.recovered += 1;
        this.#videos.bytes += size;
      }
      done += objects.length;
      this.#progress('records', null, done);
    }
    if (cluster === undefined) {
      const [first] = this.#listings.damagedRecords.items;
      const why = first ? ` The first failed because: ${first.reason}.` : '';
      throw new RecoveryRefused(
        `No record of a video can be read from these storage nodes, so there is nothing to recover.${why}`,
      );
    }
    return cluster;
  }

  /** What is to be stored of an object, if anything. */
  #judge(clusterId: string, { objectId, records }: StagedObject, read: ReadObject): ReadRecord | undefined {
    const { newest, damage, others } = read;
    const isOurs = newest === undefined || newest.cluster.id === clusterId;
    if (damage !== undefined || newest === undefined || !isOurs) {
      const reason = isOurs ? damage!.reason : `the record is of cluster ${newest.cluster.id}`;
      const version = damage?.version ?? records[0]!.version;
      const usedVersion = isOurs ? (newest?.video.version ?? null) : null;
      addTo(this.#listings.damagedRecords, { objectId, version, reason, usedVersion });
      if (usedVersion === null) {
        this.#lostObjects += 1;
        return undefined;
      }
    }
    this.#supersededRecords += others;
    const { cluster, copies, video } = newest!;
    if (copies >= Math.floor(cluster.replicas / 2) + 1) return newest;
    const restored = this.#options.doubtful === 'restore';
    const { id: videoId, title } = video;
    addTo(this.#listings.doubtful, { objectId, videoId, title, copies, restored });
    // For a report everything counts that might be restored.
    return this.#options.doubtful === 'leave-out' ? undefined : newest;
  }

  #inferRing(fine: Evidence, nodes: readonly KnownNode[], cluster: RecordCluster): InferredLayout {
    const { replicas, ranges } = cluster;
    const evidence = fine.merged(ranges);
    const members = nodes.map(({ id, weight, zone }) => ({ id, weight, zone }));
    const known = members.map((member, index) => (nodes[index]!.fresh ? undefined : member));
    const options = { replicas, epoch: 1 };
    try {
      return inferLayout(evidence, known, options);
    } catch (error) {
      if (!(error instanceof RingError)) throw error;
    }
    try {
      return inferLayout(evidence, members, options);
    } catch (error) {
      if (!(error instanceof RingError)) throw error;
      throw new RecoveryRefused(
        `These storage nodes cannot hold ${replicas} copies of each chunk (${error.message}). Start empty storage nodes in place of those that are lost, and name them too.`,
      );
    }
  }

  /** Every chunk of every node once more, beside what is to be there. */
  async #check(
    nodes: readonly KnownNode[],
    layout: Layout,
    stage: Stage,
    rows: RecoveryRepository,
  ): Promise<void> {
    const { inventory, signal } = this.#options;
    let count = 0;
    for await (const { first, last, chunks } of scanNodes(nodes, inventory, signal)) {
      const unnamed = new Map(chunks);
      for await (const page of rows.chunksBetween(first, last)) {
        const missing = page.filter((row) => this.#checkChunk(row, chunks.get(row.id), nodes, layout) === 0);
        for (const { id } of page) unnamed.delete(id);
        await stage.addMissing(missing);
        count += page.length;
      }
      for (const { copies } of unnamed.values()) {
        this.#strays.chunks += 1;
        this.#strays.copies += copies.length;
        this.#strays.bytes += copies.reduce((sum, { length }) => sum + length, 0);
      }
      await stage.addStrays(new Set([...unnamed.keys()].flatMap((id) => objectIdOf(id) ?? [])));
      this.#progress('checking', (last + 1) / POSITIONS, count);
    }
    this.#strays.objects = await stage.countStrayObjects();
    for await (const { objectId, chunkIds } of stage.missing()) {
      const { id: videoId, title } = await rows.videoOf(objectId);
      const listed = chunkIds.slice(0, REPORT_CHUNKS_MAX);
      addTo(this.#listings.incompleteVideos, {
        objectId,
        videoId,
        title,
        missing: chunkIds.length,
        chunkIds: listed,
      });
    }
  }

  /** Returns the number of good copies. */
  #checkChunk(
    row: ChunkRow,
    found: FoundChunk | undefined,
    nodes: readonly KnownNode[],
    layout: Layout,
  ): number {
    const good = (found?.copies ?? []).filter(
      ({ length, checksum }) => length === row.length && checksum === row.checksum,
    );
    if (good.length === 0) this.#chunks.missing += 1;
    else if (good.length < layout.replicas) this.#chunks.short += 1;
    else this.#chunks.complete += 1;
    const owners = ownersOfRange(layout, rangeOf(row.position, layout.rangeCount));
    this.#place.copiesWanted += owners.length;
    this.#place.copiesInPlace += good.filter(({ node }) =>
      owners.some(({ id }) => id === nodes[node]!.id),
    ).length;
    return good.length;
  }

  #undecided(): string[] {
    const { doubtful, damaged } = this.#options;
    const questions: string[] = [];
    if (this.#listings.doubtful.total > 0 && doubtful === undefined) {
      questions.push(
        `${this.#listings.doubtful.total} videos have a record with fewer copies than any finished upload leaves. If every storage node is named and none has lost its data, they were deleted while a node was away: --doubtful leave-out. If nodes are missing or have lost data: --doubtful restore. What is left out is removed from the nodes for good.`,
      );
    }
    if (this.#lostObjects > 0 && damaged === undefined) {
      questions.push(
        `${this.#lostObjects} videos have no record that can be read. If a storage node that is missing may have a good copy, bring it back first. Otherwise: --damaged leave-out. What is left out is removed from the nodes for good.`,
      );
    }
    return questions;
  }

  async #write(
    cluster: RecordCluster,
    nodes: readonly KnownNode[],
    layout: Layout,
    rows: RecoveryRepository,
  ): Promise<void> {
    const { id, replicas, ranges } = cluster;
    for (const { url, fresh } of nodes) if (fresh) await this.#options.probe.claim(url, id);
    await rows.insertCluster({ id, replicas, rangeCount: ranges });
    const members = new Set(layout.members.map((member) => member.id));
    await rows.insertNodes(nodes.map((node) => ({ ...node, isMember: members.has(node.id) })));
    await rows.insertRing(layout);
  }

  #report(
    cluster: RecordCluster,
    nodes: readonly KnownNode[],
    counts: readonly number[],
    ring: InferredLayout,
    undecided: readonly string[],
    written: boolean,
  ): RecoveryReport {
    return {
      clusterId: cluster.id,
      replicas: cluster.replicas,
      nodes: nodes.map(({ id, url, fresh }, index) => ({ id, url, chunks: counts[index]!, fresh })),
      videos: this.#videos,
      chunks: this.#chunks,
      ...this.#listings,
      supersededRecords: this.#supersededRecords,
      strays: this.#strays,
      ring: {
        ranges: ring.layout.rangeCount,
        inferredSlots: ring.inferredSlots,
        movedSlots: ring.movedSlots,
        ...this.#place,
      },
      undecided,
      written,
    };
  }

  #progress(phase: RecoveryProgress['phase'], share: number | null, count: number): void {
    this.#options.onProgress?.({ phase, share, count });
  }
}

/** Rolls the transaction back. */
class NothingWritten extends Error {}

async function* inBatches<Item>(items: AsyncIterable<Item>, length: number): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  for await (const item of items) {
    batch.push(item);
    if (batch.length < length) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
