import { type Selectable, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import type { NodeState, NodesTable } from '../database/schema.ts';

/** A storage node as the database knows it. */
export interface RegisteredNode {
  readonly id: string;
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly zone: string;
  readonly weight: number;
  readonly state: NodeState;
  readonly capacityBytes: number;
  /** Which data the node had when it was last looked at; null when it never was. */
  readonly dataId: string | null;
  /** Damaged copies that the node had set aside when it was last looked at. */
  readonly quarantinedCount: number;
  /** When it had last set one aside, as far as it was seen; null when it never had, or did not tell. */
  readonly lastQuarantinedAt: Date | null;
  readonly registeredAt: Date;
  /** When a coordinator last noted that the node answered; up to a minute late. */
  readonly lastSeenAt: Date;
}

export type NewNode = Omit<
  RegisteredNode,
  'state' | 'dataId' | 'quarantinedCount' | 'lastQuarantinedAt' | 'registeredAt' | 'lastSeenAt'
>;

/**
 * Called in the transaction in which a node gets another state (`from` is null for a new one), and to use nothing but that
 * transaction. What it does is committed with the change or not at all; when it rejects, nothing changes.
 */
export type OnNodeState = (
  transaction: Transaction,
  node: Pick<RegisteredNode, 'id' | 'url' | 'zone'>,
  change: { readonly from: NodeState | null; readonly to: NodeState },
) => Promise<void>;

/** Registered nodes. Rows are never deleted, so an old layout's members keep their names. */
export class NodeRepository {
  readonly #database: Database;
  readonly #onState: OnNodeState | undefined;

  constructor(database: Database, onState?: OnNodeState) {
    this.#database = database;
    this.#onState = onState;
  }

  /** Every node, the removed ones included, by time of registration. */
  async list(within?: Transaction): Promise<RegisteredNode[]> {
    const rows = await (within ?? this.#database)
      .selectFrom('nodes')
      .selectAll()
      .orderBy('registered_at')
      .orderBy('id')
      .execute();
    return rows.map(nodeOf);
  }

  async find(id: string, within?: Transaction): Promise<RegisteredNode | null> {
    const row = await (within ?? this.#database)
      .selectFrom('nodes')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? null : nodeOf(row);
  }

  /** The node that is not removed and has this address. */
  async findByUrl(url: string, within?: Transaction): Promise<RegisteredNode | null> {
    const row = await (within ?? this.#database)
      .selectFrom('nodes')
      .selectAll()
      .where('url', '=', url)
      .where('state', '<>', 'removed')
      .executeTakeFirst();
    return row === undefined ? null : nodeOf(row);
  }

  async insert(transaction: Transaction, node: NewNode): Promise<void> {
    const { id, url, zone, weight, capacityBytes } = node;
    await transaction
      .insertInto('nodes')
      .values({ id, url, zone, weight, capacity_bytes: capacityBytes, state: 'joined' })
      .execute();
    await this.#onState?.(transaction, node, { from: null, to: 'joined' });
  }

  /** The node answered just now, and this is what it is. */
  async update(transaction: Transaction, node: NewNode): Promise<void> {
    const { id, url, zone, weight, capacityBytes } = node;
    await transaction
      .updateTable('nodes')
      .set({ url, zone, weight, capacity_bytes: capacityBytes, last_seen_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
  }

  async setPlace(
    transaction: Transaction,
    id: string,
    { zone, weight }: { readonly zone: string; readonly weight: number },
  ): Promise<void> {
    await transaction.updateTable('nodes').set({ zone, weight }).where('id', '=', id).execute();
  }

  async setState(transaction: Transaction, ids: readonly string[], state: NodeState): Promise<void> {
    if (ids.length === 0) return;
    const isAmong = sql<boolean>`id = any(${[...ids]}::uuid[])`;
    const before = this.#onState
      ? await transaction.selectFrom('nodes').selectAll().where(isAmong).orderBy('id').forUpdate().execute()
      : [];
    await transaction.updateTable('nodes').set({ state }).where(isAmong).execute();
    for (const row of before) {
      if (row.state === state) continue;
      await this.#onState!(transaction, nodeOf(row), { from: row.state, to: state });
    }
  }

  /** Notes that the nodes answer now. */
  async touch(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database
      .updateTable('nodes')
      .set({ last_seen_at: sql<Date>`now()` })
      .where('id', '=', sql<string>`any(${[...ids]}::uuid[])`)
      .execute();
  }
}

function nodeOf(row: Selectable<NodesTable>): RegisteredNode {
  return {
    id: row.id,
    url: row.url,
    zone: row.zone,
    weight: row.weight,
    state: row.state,
    capacityBytes: row.capacity_bytes,
    dataId: row.data_id,
    quarantinedCount: row.quarantined_count,
    lastQuarantinedAt: row.last_quarantined_at,
    registeredAt: row.registered_at,
    lastSeenAt: row.last_seen_at,
  };
}
