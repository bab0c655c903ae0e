import type { Database, Transaction } from '../database/database.ts';

/** What is fixed for a cluster from its first start on. */
export interface ClusterRecord {
  readonly id: string;
  readonly createdAt: Date;
  readonly replicas: number;
  readonly rangeCount: number;
}

/** The one row about the cluster itself. */
export class ClusterRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** The cluster's record; made of these values on the first start, which later ones do not change. */
  async ensure(first: { replicas: number; rangeCount: number }): Promise<ClusterRecord> {
    await this.#database
      .insertInto('cluster')
      .values({ replicas: first.replicas, range_count: first.rangeCount, admin_token_hash: null })
      .onConflict((conflict) => conflict.column('singleton').doNothing())
      .execute();
    const row = await this.#database.selectFrom('cluster').selectAll().executeTakeFirstOrThrow();
    return {
      id: row.id,
      createdAt: row.created_at,
      replicas: row.replicas,
      rangeCount: row.range_count,
    };
  }

  /** Until the transaction ends, no other changes the membership. */
  async lock(transaction: Transaction): Promise<void> {
    await transaction.selectFrom('cluster').select('id').forUpdate().executeTakeFirstOrThrow();
  }
}
