import { type Selectable, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import type { RebalanceState, RebalancesTable } from '../database/schema.ts';
import type { PlannedCopy } from './plan.ts';
import type { NodeChange, RebalancePlan } from './types.ts';

/** A node as it was before a rebalance, so that a cancel can make it so again. */
export interface NodeBefore {
  readonly nodeId: string;
  readonly state: string;
  readonly weight: number;
  readonly zone: string;
}

export interface RebalanceProgress {
  /** Of copies that are under way. */
  readonly partialChunks: number;
  readonly partialBytes: number;
  readonly bytesPerSecond: number | null;
  readonly secondsLeft: number | null;
  /** What reads took before the copying began, milliseconds. */
  readonly baselineMs: number | null;
  /** Bytes a second that reads left for copies; null while they left all there is. */
  readonly rateBesideReads: number | null;
  /** Planned bytes a second that copying has committed to; null while it has not. */
  readonly paceBytesPerSecond: number | null;
}

export interface RebalanceRecord {
  readonly id: string;
  readonly state: RebalanceState;
  readonly reason: string;
  readonly changes: readonly NodeChange[];
  readonly nodesBefore: readonly NodeBefore[];
  readonly plan: RebalancePlan;
  readonly beforeEpoch: number;
  readonly baseEpoch: number;
  readonly targetEpoch: number;
  readonly bytesPerSecond: number | null;
  readonly concurrency: number | null;
  readonly progress: RebalanceProgress | null;
  readonly error: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export type NewRebalance = Omit<RebalanceRecord, 'progress' | 'error' | 'createdAt' | 'finishedAt'>;

/** The copies of a rebalance, summed up by node. */
export interface CopySums {
  readonly nodeId: string;
  readonly copies: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly doneCopies: number;
  readonly doneChunks: number;
  readonly doneBytes: number;
  /** What was really copied for those that are done. */
  readonly copiedBytes: number;
}

const ACTIVE: readonly RebalanceState[] = ['running', 'paused', 'cancelling'];

/** Rebalances, and what each of them has to copy. */
export class RebalanceRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async insert(
    transaction: Transaction,
    rebalance: NewRebalance,
    copies: readonly PlannedCopy[],
  ): Promise<void> {
    await transaction
      .insertInto('rebalances')
      .values({
        id: rebalance.id,
        state: rebalance.state,
        reason: rebalance.reason,
        changes: JSON.stringify({ changes: rebalance.changes, nodesBefore: rebalance.nodesBefore }),
        plan: JSON.stringify(rebalance.plan),
        before_epoch: rebalance.beforeEpoch,
        base_epoch: rebalance.baseEpoch,
        target_epoch: rebalance.targetEpoch,
        bytes_per_second: rebalance.bytesPerSecond,
        concurrency: rebalance.concurrency,
        progress: null,
        error: null,
        finished_at: null,
      })
      .execute();
    if (copies.length === 0) return;
    await sql`
      insert into rebalance_copies (rebalance_id, first_range, last_range, node_id, chunks, bytes)
      select ${rebalance.id}::uuid, copy.range, copy.range, copy.node_id, copy.chunks, copy.bytes
      from unnest(
        ${copies.map(({ range }) => range)}::integer[], ${copies.map(({ nodeId }) => nodeId)}::uuid[],
        ${copies.map(({ chunks }) => chunks)}::bigint[], ${copies.map(({ bytes }) => bytes)}::bigint[]
      ) as copy (range, node_id, chunks, bytes)
    `.execute(transaction);
  }

  async find(id: string, within?: Transaction): Promise<RebalanceRecord | null> {
    const row = await (within ?? this.#database)
      .selectFrom('rebalances')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row === undefined ? null : recordOf(row);
  }

  /** The one that has not ended; null when there is none. */
  async active(within?: Transaction): Promise<RebalanceRecord | null> {
    const row = await (within ?? this.#database)
      .selectFrom('rebalances')
      .selectAll()
      .where('state', 'in', [...ACTIVE])
      .executeTakeFirst();
    return row === undefined ? null : recordOf(row);
  }

  /** Newest first, from behind the cursor; at most `limit`. */
  async list(page: {
    readonly before: { at: Date; id: string } | null;
    readonly limit: number;
  }): Promise<RebalanceRecord[]> {
    const { before, limit } = page;
    let query = this.#database
      .selectFrom('rebalances')
      .selectAll()
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit);
    if (before !== null) {
      query = query.where(
        sql<boolean>`(created_at, id) < (${before.at.toISOString()}::timestamptz, ${before.id}::uuid)`,
      );
    }
    return (await query.execute()).map(recordOf);
  }

  /** Bytes a second of the last rebalance that copied at least a little; null when there was none. */
  async lastRate(within?: Transaction): Promise<number | null> {
    const { rows } = await sql<{ rate: number | null }>`
      select (select sum(copied_bytes) from rebalance_copies where rebalance_id = rebalances.id)
        / extract(epoch from finished_at - created_at) as rate
      from rebalances
      where state = 'finished' and finished_at > created_at
        and (select sum(copied_bytes) from rebalance_copies where rebalance_id = rebalances.id) > 1048576
      order by finished_at desc limit 1
    `.execute(within ?? this.#database);
    const rate = rows[0]?.rate;
    return rate === undefined || rate === null ? null : Number(rate);
  }

  /** Bytes a second that reads lately left for copies: in the rebalance that told last, if that is not long ago. */
  async rateBesideReads(maxAgeMs: number): Promise<number | null> {
    const row = await this.#database
      .selectFrom('rebalances')
      .select('progress')
      .where('progress', 'is not', null)
      .where(
        sql<boolean>`(finished_at is null or finished_at > clock_timestamp() - ${maxAgeMs} * interval '1 millisecond')`,
      )
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : ((fromJson(row.progress) as RebalanceProgress).rateBesideReads ?? null);
  }

  async setState(id: string, state: RebalanceState, within?: Transaction): Promise<void> {
    const hasEnded = !ACTIVE.includes(state);
    await (within ?? this.#database)
      .updateTable('rebalances')
      .set({ state, ...(hasEnded && { finished_at: sql<Date>`clock_timestamp()`, error: null }) })
      .where('id', '=', id)
      .execute();
  }

  async setLimits(
    id: string,
    limits: { readonly bytesPerSecond?: number | null; readonly concurrency?: number | null },
  ): Promise<void> {
    const { bytesPerSecond, concurrency } = limits;
    if (bytesPerSecond === undefined && concurrency === undefined) return;
    await this.#database
      .updateTable('rebalances')
      .set({
        ...(bytesPerSecond !== undefined && { bytes_per_second: bytesPerSecond }),
        ...(concurrency !== undefined && { concurrency }),
      })
      .where('id', '=', id)
      .execute();
  }

  /** How it goes; nothing happens once it has ended. */
  async note(id: string, progress: RebalanceProgress, error: string | null): Promise<void> {
    await this.#database
      .updateTable('rebalances')
      .set({ progress: JSON.stringify(progress), error })
      .where('id', '=', id)
      .where('state', 'in', [...ACTIVE])
      .execute();
  }

  /** These ranges have reached all the nodes that gain them; `copied` says what that took, where it is known. */
  async markDone(
    transaction: Transaction,
    id: string,
    ranges: readonly number[],
    copied: readonly { range: number; nodeId: string; chunks: number; bytes: number }[],
  ): Promise<void> {
    if (ranges.length === 0) return;
    await sql`
      update rebalance_copies set done = true
      where rebalance_id = ${id}::uuid and first_range = any(${[...ranges]}::integer[])
    `.execute(transaction);
    if (copied.length === 0) return;
    await sql`
      update rebalance_copies set copied_chunks = copy.chunks, copied_bytes = copy.bytes
      from unnest(
        ${copied.map(({ range }) => range)}::integer[], ${copied.map(({ nodeId }) => nodeId)}::uuid[],
        ${copied.map(({ chunks }) => chunks)}::bigint[], ${copied.map(({ bytes }) => bytes)}::bigint[]
      ) as copy (range, node_id, chunks, bytes)
      where rebalance_id = ${id}::uuid and first_range = copy.range and rebalance_copies.node_id = copy.node_id
    `.execute(transaction);
  }

  async sums(id: string): Promise<CopySums[]> {
    const { rows } = await sql<Record<string, number | string>>`
      select node_id, count(*) as copies, sum(chunks)::bigint as chunks, sum(bytes)::bigint as bytes,
        count(*) filter (where done) as done_copies,
        coalesce(sum(chunks) filter (where done), 0)::bigint as done_chunks,
        coalesce(sum(bytes) filter (where done), 0)::bigint as done_bytes,
        sum(copied_bytes)::bigint as copied_bytes
      from rebalance_copies where rebalance_id = ${id}::uuid group by node_id order by node_id
    `.execute(this.#database);
    return rows.map((row) => ({
      nodeId: String(row.node_id),
      copies: Number(row.copies),
      chunks: Number(row.chunks),
      bytes: Number(row.bytes),
      doneCopies: Number(row.done_copies),
      doneChunks: Number(row.done_chunks),
      doneBytes: Number(row.done_bytes),
      copiedBytes: Number(row.copied_bytes),
    }));
  }

  /** What was planned for each copy that is not done. */
  async openCopies(id: string): Promise<PlannedCopy[]> {
    const rows = await this.#database
      .selectFrom('rebalance_copies')
      .select(['first_range', 'node_id', 'chunks', 'bytes'])
      .where('rebalance_id', '=', id)
      .where('done', '=', false)
      .execute();
    return rows.map((row) => ({
      range: row.first_range,
      nodeId: row.node_id,
      chunks: Number(row.chunks),
      bytes: Number(row.bytes),
    }));
  }
}

function recordOf(row: Selectable<RebalancesTable>): RebalanceRecord {
  const { changes, nodesBefore } = fromJson(row.changes) as {
    changes: NodeChange[];
    nodesBefore: NodeBefore[];
  };
  return {
    id: row.id,
    state: row.state,
    reason: row.reason,
    changes,
    nodesBefore,
    plan: fromJson(row.plan) as RebalancePlan,
    beforeEpoch: row.before_epoch,
    baseEpoch: row.base_epoch,
    targetEpoch: row.target_epoch,
    bytesPerSecond: row.bytes_per_second === null ? null : Number(row.bytes_per_second),
    concurrency: row.concurrency,
    progress: row.progress === null ? null : (fromJson(row.progress) as RebalanceProgress),
    error: row.error,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
  };
}

/** Both drivers parse JSON by themselves. */
function fromJson(value: unknown): unknown {
  return typeof value === 'string' ? JSON.parse(value) : value;
}
