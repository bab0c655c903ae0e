import { sql } from 'kysely';
import type { Layout } from '../../lib/hashring/index.ts';
import { LayoutRepository } from '../cluster/layout-repository.ts';
import { type NewNode, NodeRepository } from '../cluster/node-repository.ts';
import { RingRepository } from '../cluster/ring-repository.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ChunkRef } from '../objects/manifest.ts';
import { ROWS_AT_ONCE } from './limits.ts';
import type { ReadRecord } from './record-reader.ts';

export interface ChunkRow extends ChunkRef {
  readonly objectId: string;
}

/** The rows of a recovery, all in one transaction: the database stays empty until it commits. */
export class RecoveryRepository {
  readonly #database: Database;
  readonly #transaction: Transaction;

  constructor(database: Database, transaction: Transaction) {
    this.#database = database;
    this.#transaction = transaction;
  }

  /** Why the database cannot take a recovery; undefined when it can. Nobody changes that until the transaction ends. */
  async obstacle(): Promise<string | undefined> {
    const tables = ['objects', 'videos', 'nodes', 'layouts', 'ring', 'coordinators'] as const;
    await sql`lock table objects, videos, nodes, layouts, ring, coordinators, cluster in exclusive mode`.execute(
      this.#transaction,
    );
    for (const table of tables) {
      let query = this.#transaction.selectFrom(table).select(({ fn }) => fn.countAll<number>().as('count'));
      // Coordinators that stopped in order leave no row; others leave one that runs out.
      if (table === 'coordinators') query = query.where(sql<boolean>`expires_at > now()`);
      const { count } = await query.executeTakeFirstOrThrow();
      if (count === 0) continue;
      return table === 'coordinators'
        ? 'A coordinator uses this database. Stop every coordinator first.'
        : `This database is not empty: its table "${table}" has rows. A recovery needs a new one; move this one away, or name another.`;
    }
    return undefined;
  }

  /** A cluster that a coordinator made on its first start with the empty database gives way; its admin token stays. */
  async insertCluster(cluster: { id: string; replicas: number; rangeCount: number }): Promise<void> {
    const row = { id: cluster.id, replicas: cluster.replicas, range_count: cluster.rangeCount };
    await this.#transaction
      .insertInto('cluster')
      .values(row)
      .onConflict((conflict) => conflict.column('singleton').doUpdateSet(row))
      .execute();
  }

  async insertNodes(nodes: readonly (NewNode & { readonly isMember: boolean })[]): Promise<void> {
    const repository = new NodeRepository(this.#database);
    for (const node of nodes) await repository.insert(this.#transaction, node);
    const members = nodes.filter(({ isMember }) => isMember).map(({ id }) => id);
    await repository.setState(this.#transaction, members, 'active');
  }

  /** Returns the records whose video id is taken by another object: they are left out. */
  async insertVideos(records: readonly ReadRecord[]): Promise<ReadRecord[]> {
    const ids = records.map(({ video }) => video.id);
    const rows = await this.#transaction
      .selectFrom('videos')
      .select('id')
      .where('id', '=', sql<string>`any(${ids}::uuid[])`)
      .execute();
    const taken = new Set(rows.map(({ id }) => id));
    const fresh = records.filter(({ video }) => {
      if (taken.has(video.id)) return false;
      taken.add(video.id);
      return true;
    });
    if (fresh.length > 0) await this.#insertFresh(fresh);
    return records.filter((record) => !fresh.includes(record));
  }

  async #insertFresh(records: readonly ReadRecord[]): Promise<void> {
    await this.#transaction
      .insertInto('objects')
      .values(
        records.map(({ objectId, size, sha256, video }) => ({
          id: objectId,
          state: 'committed' as const,
          size,
          sha256,
          lease_expires_at: null,
          created_at: video.createdAt,
        })),
      )
      .execute();
    await this.#transaction
      .insertInto('videos')
      .values(
        records.map(({ objectId, size, sha256, video }) => ({
          id: video.id,
          object_id: objectId,
          owner_id: video.ownerId,
          visibility: video.visibility,
          title: video.title,
          description: video.description,
          filename: video.filename,
          content_type: video.contentType,
          size,
          sha256,
          version: video.version,
          created_at: video.createdAt,
          updated_at: video.updatedAt,
        })),
      )
      .execute();
    await this.#insertAttachments(records);
    const rows = records.flatMap(({ objectId, chunks, record, attachments }) => [
      ...attachments.flatMap((attachment) =>
        attachment.chunks.map((chunk, index) => ({ objectId: attachment.objectId, index, ...chunk })),
      ),
      ...chunks.map((chunk, index) => ({ objectId, index, ...chunk })),
      ...record.map((chunk, part) => ({ objectId, index: -1 - part, ...chunk })),
    ]);
    for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
      const slice = rows.slice(start, start + ROWS_AT_ONCE);
      await sql`
        insert into chunks (object_id, index, id, position, length, checksum)
        select * from unnest(
          ${slice.map((row) => row.objectId)}::uuid[], ${slice.map((row) => row.index)}::integer[],
          ${slice.map((row) => row.id)}::text[], ${slice.map((row) => row.position)}::bigint[],
          ${slice.map((row) => row.length)}::integer[], ${slice.map((row) => row.checksum)}::bigint[]
        )
      `.execute(this.#transaction);
    }
  }

  async #insertAttachments(records: readonly ReadRecord[]): Promise<void> {
    const all = records.flatMap(({ video, attachments }) =>
      attachments.map((attachment) => ({ video, attachment })),
    );
    if (all.length === 0) return;
    await this.#transaction
      .insertInto('objects')
      .values(
        all.map(({ attachment: { objectId, size, sha256, createdAt } }) => ({
          ...{ id: objectId, state: 'committed' as const, size, sha256 },
          ...{ lease_expires_at: null, created_at: createdAt },
        })),
      )
      .execute();
    await this.#transaction
      .insertInto('attachments')
      .values(
        all.map(({ video, attachment: { objectId, name, kind, language, label, contentType, ...rest } }) => ({
          ...{
            object_id: objectId,
            video_id: video.id,
            owner_id: video.ownerId,
            name,
            kind,
            language,
            label,
          },
          ...{ content_type: contentType, size: rest.size, sha256: rest.sha256, created_at: rest.createdAt },
        })),
      )
      .execute();
  }

  /** Every chunk that a manifest or record names between two positions, both inclusive, page by page. */
  async *chunksBetween(first: number, last: number): AsyncGenerator<ChunkRow[]> {
    let after = { position: -1, id: '' };
    for (;;) {
      const rows = await this.#transaction
        .selectFrom('chunks')
        .select(['object_id as objectId', 'id', 'position', 'length', 'checksum'])
        .where('position', '>=', first)
        .where('position', '<=', last)
        .where((eb) => eb(eb.refTuple('position', 'id'), '>', eb.tuple(after.position, after.id)))
        .orderBy('position')
        .orderBy('id')
        .limit(ROWS_AT_ONCE)
        .execute();
      if (rows.length > 0) yield rows;
      if (rows.length < ROWS_AT_ONCE) return;
      after = rows.at(-1)!;
    }
  }

  /** The video that the object belongs to, as its bytes or as an attachment. */
  async videoOf(objectId: string): Promise<{ id: string; title: string }> {
    return await this.#transaction
      .selectFrom('videos')
      .leftJoin('attachments', 'attachments.video_id', 'videos.id')
      .select(['videos.id', 'videos.title'])
      .where((eb) =>
        eb.or([eb('videos.object_id', '=', objectId), eb('attachments.object_id', '=', objectId)]),
      )
      .limit(1)
      .executeTakeFirstOrThrow();
  }

  async insertRing(layout: Layout): Promise<void> {
    await new LayoutRepository(this.#database).append(layout, this.#transaction);
    await new RingRepository(this.#database).begin(this.#transaction, layout);
  }
}
