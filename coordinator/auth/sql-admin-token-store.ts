import type { Database, Transaction } from '../database/database.ts';
import type { AdminTokenStore } from './admin-token.ts';

/** The hash in the one row of the table `cluster`, which must exist. */
export class SqlAdminTokenStore implements AdminTokenStore {
  readonly #database: Database;

  readonly #announce: ((transaction: Transaction) => Promise<void>) | undefined;

  /** `announce` tells all coordinators of another token, within the transaction that stores it. */
  constructor(database: Database, announce?: (transaction: Transaction) => Promise<void>) {
    this.#database = database;
    this.#announce = announce;
  }

  async read(): Promise<Uint8Array | null> {
    const row = await this.#database
      .selectFrom('cluster')
      .select('admin_token_hash')
      .executeTakeFirstOrThrow();
    return row.admin_token_hash;
  }

  async keepFirst(hash: Uint8Array): Promise<Uint8Array> {
    await this.#database
      .updateTable('cluster')
      .set({ admin_token_hash: hash })
      .where('admin_token_hash', 'is', null)
      .execute();
    return (await this.read())!;
  }

  async replace(hash: Uint8Array): Promise<void> {
    await this.#database.transaction().execute(async (transaction) => {
      await transaction.updateTable('cluster').set({ admin_token_hash: hash }).execute();
      await this.#announce?.(transaction);
    });
  }
}
