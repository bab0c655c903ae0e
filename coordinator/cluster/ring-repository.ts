import { sql } from 'kysely';
import { AppError, assert } from '../../lib/errors/app-error.ts';
import type { Layout } from '../../lib/hashring/index.ts';
import type { Database, Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import { LayoutRepository } from './layout-repository.ts';
import type { RingState } from './ring-state.ts';

/** The ring's state in the database. It changes by compare-and-set alone, one step at a time. */
export class RingRepository {
  readonly #database: Database;
  readonly #layouts: LayoutRepository;
  /** The layouts of the last state read: layouts never change, and most steps keep both. */
  #known: readonly Layout[] = [];

  constructor(database: Database) {
    this.#database = database;
    this.#layouts = new LayoutRepository(database);
  }

  /** 0 when there is no layout yet. */
  async step(within?: Transaction): Promise<number> {
    const row = await (within ?? this.#database).selectFrom('ring').select('step').executeTakeFirst();
    return row?.step ?? 0;
  }

  /** Null when there is no layout yet. */
  async read(within?: Transaction): Promise<RingState | null> {
    const row = await (within ?? this.#database).selectFrom('ring').selectAll().executeTakeFirst();
    if (row === undefined) return null;
    const base = await this.#layout(row.base_epoch, within);
    const target = row.target_epoch === null ? null : await this.#layout(row.target_epoch, within);
    this.#known = target === null ? [base] : [base, target];
    return {
      step: row.step,
      base,
      target,
      // A copy of its own: the driver's may be a view of something larger.
      phases: row.phases === null ? null : Uint8Array.from(row.phases),
      rebalanceId: row.rebalance_id,
    };
  }

  /** Stores the first state, whose layout has been appended. Rejects with `conflict` when there is one. */
  async begin(transaction: Transaction, base: Layout): Promise<void> {
    const { rows } = await sql`
      insert into ring (step, base_epoch) values (1, ${base.epoch}::integer)
      on conflict (singleton) do nothing returning step
    `.execute(transaction);
    if (rows.length === 0) throw conflict(1);
  }

  /**
   * Compare-and-set: stores the state if its step follows the stored one. Of several that try the same step exactly
   * one succeeds; the others get `conflict` and must look again. The layouts have to be in the log already.
   */
  async advance(state: RingState, within?: Transaction): Promise<void> {
    assert((state.target === null) === (state.phases === null), 'phases go with a target');
    const row = await (within ?? this.#database)
      .updateTable('ring')
      .set({
        step: state.step,
        base_epoch: state.base.epoch,
        target_epoch: state.target?.epoch ?? null,
        phases: state.phases,
        rebalance_id: state.rebalanceId,
        changed_at: sql<Date>`clock_timestamp()`,
      })
      .where('step', '=', state.step - 1)
      .returning('step')
      .executeTakeFirst();
    if (row === undefined) throw conflict(state.step);
  }

  async #layout(epoch: number, within?: Transaction): Promise<Layout> {
    const known = this.#known.find((layout) => layout.epoch === epoch);
    if (known !== undefined) return known;
    const layout = await this.#layouts.byEpoch(epoch, within);
    assert(layout !== null, `the ring names layout ${epoch}, which is not in the log`);
    return layout;
  }
}

function conflict(step: number): AppError {
  return new AppError<ErrorCode>('conflict', `Step ${step} does not follow the ring's latest one.`, {
    retryable: true,
  });
}
