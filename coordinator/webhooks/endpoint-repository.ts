import { sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import { databaseNow, type Endpoint, endpointOf, later, type Now } from './endpoint.ts';
import { FORMER_SECRETS_MAX } from './limits.ts';
import type { WebhookScope } from './schema.ts';

/** What is stored of a secret, and until when it signs: null for the current one. */
export interface StoredSecret {
  readonly id: string;
  readonly sealed: Uint8Array;
  readonly expiresAt: Date | null;
}

export type NewEndpoint = Pick<
  Endpoint,
  'id' | 'ownerId' | 'scope' | 'url' | 'description' | 'eventTypes' | 'enabled'
>;
export type EndpointChanges = Partial<Pick<Endpoint, 'url' | 'description' | 'eventTypes' | 'enabled'>>;

/** Endpoints and their secrets, in the tables `webhook_endpoints` and `webhook_secrets`. */
export class EndpointRepository {
  readonly #database: Database;
  readonly #now: Now;

  constructor(database: Database, now: Now = databaseNow) {
    this.#database = database;
    this.#now = now;
  }

  /** How many of the owner's there are; those that make endpoints at the same time take turns until they commit. */
  async count(
    transaction: Transaction,
    { ownerId, scope }: { readonly ownerId: string | null; readonly scope: WebhookScope },
  ): Promise<{ ofOwner: number; ofScope: number }> {
    // The one row that always exists is what they take turns by.
    await transaction.selectFrom('cluster').select('id').forUpdate().execute();
    const { ofOwner, ofScope } = await transaction
      .selectFrom('webhook_endpoints')
      .select(({ fn }) => [
        fn
          .countAll<number>()
          .filterWhere(sql<boolean>`owner_id is not distinct from ${ownerId}::uuid`)
          .as('ofOwner'),
        fn.countAll<number>().filterWhere('scope', '=', scope).as('ofScope'),
      ])
      .executeTakeFirstOrThrow();
    return { ofOwner: Number(ofOwner), ofScope: Number(ofScope) };
  }

  async insert(transaction: Transaction, endpoint: NewEndpoint): Promise<Endpoint> {
    const { id, ownerId, scope, url, description, eventTypes, enabled } = endpoint;
    const row = await transaction
      .insertInto('webhook_endpoints')
      .values({
        ...{ id, owner_id: ownerId, scope, url, description, enabled },
        event_types: eventTypes && [...eventTypes],
        disabled_reason: enabled ? null : 'switchedOff',
        ...{ failing_since: null, paused_until: null, created_at: this.#now(), updated_at: this.#now() },
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return endpointOf(row);
  }

  async find(id: string): Promise<Endpoint | null> {
    const row = await this.#database
      .selectFrom('webhook_endpoints')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row ? endpointOf(row) : null;
  }

  /** The endpoint, which stays as it is until the transaction ends. */
  async lock(transaction: Transaction, id: string): Promise<Endpoint | null> {
    const row = await transaction
      .selectFrom('webhook_endpoints')
      .selectAll()
      .where('id', '=', id)
      .forUpdate()
      .executeTakeFirst();
    return row ? endpointOf(row) : null;
  }

  /** Newest first, from behind `after`; only those of the owner when there is one. */
  async list(page: {
    readonly limit: number;
    readonly after?: string | undefined;
    readonly ownerId?: string | undefined;
  }): Promise<Endpoint[]> {
    const { limit, after, ownerId } = page;
    const rows = await this.#database
      .selectFrom('webhook_endpoints')
      .selectAll()
      .$if(after !== undefined, (query) => query.where('id', '<', after!))
      .$if(ownerId !== undefined, (query) => query.where('owner_id', '=', ownerId!))
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(endpointOf);
  }

  /** What is wrong with an address is forgotten with another address, and with an endpoint that is enabled again. */
  async update(transaction: Transaction, id: string, changes: EndpointChanges): Promise<Endpoint> {
    const { url, description, eventTypes, enabled } = changes;
    const begins = url !== undefined || enabled === true;
    const row = await transaction
      .updateTable('webhook_endpoints')
      .set((eb) => ({
        ...(url !== undefined && { url }),
        ...(description !== undefined && { description }),
        ...(eventTypes !== undefined && { event_types: eventTypes && [...eventTypes] }),
        ...(enabled !== undefined && { enabled, disabled_reason: enabled ? null : ('switchedOff' as const) }),
        ...(begins && { failing_since: null, paused_until: null }),
        version: eb('version', '+', 1),
        updated_at: this.#now(),
      }))
      .where('id', '=', id)
      .returningAll()
      .executeTakeFirstOrThrow();
    return endpointOf(row);
  }

  /** With its secrets. Its deliveries, which may be many, are no longer there for anybody. */
  async delete(transaction: Transaction, id: string): Promise<void> {
    await transaction.deleteFrom('webhook_endpoints').where('id', '=', id).execute();
  }

  /** Takes the place of the current secret; that one and those before sign for `overlapMs` more at most. */
  async replaceSecret(
    transaction: Transaction,
    endpointId: string,
    { id, sealed, overlapMs }: Pick<StoredSecret, 'id' | 'sealed'> & { readonly overlapMs: number },
  ): Promise<void> {
    const last = later(this.#now, overlapMs);
    await transaction
      .updateTable('webhook_secrets')
      .set({ expires_at: sql<Date>`least(expires_at, ${last})` })
      .where('endpoint_id', '=', endpointId)
      .execute();
    await transaction
      .deleteFrom('webhook_secrets')
      .where('endpoint_id', '=', endpointId)
      .where((eb) =>
        eb.or([
          eb('expires_at', '<=', this.#now()),
          eb('id', 'in', (select) =>
            select
              .selectFrom('webhook_secrets')
              .select('id')
              .where('endpoint_id', '=', endpointId)
              .orderBy('id', 'desc')
              .offset(FORMER_SECRETS_MAX),
          ),
        ]),
      )
      .execute();
    await transaction
      .insertInto('webhook_secrets')
      .values({ id, endpoint_id: endpointId, sealed, expires_at: null, created_at: this.#now() })
      .execute();
  }

  /** What signs now, by endpoint, the current one first. */
  async secretsOf(endpointIds: readonly string[]): Promise<Map<string, StoredSecret[]>> {
    const rows = await this.#database
      .selectFrom('webhook_secrets')
      .selectAll()
      .where(sql<boolean>`endpoint_id = any(${[...endpointIds]}::uuid[])`)
      .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', this.#now())]))
      .orderBy('id', 'desc')
      .execute();
    const found = Map.groupBy(rows, (row) => row.endpoint_id);
    return new Map(
      [...found].map(([endpointId, all]) => [
        endpointId,
        all.map(({ id, sealed, expires_at }) => ({ id, sealed, expiresAt: expires_at })),
      ]),
    );
  }

  /** Removes secrets that sign no more. */
  async forgetSecrets(): Promise<void> {
    await this.#database.deleteFrom('webhook_secrets').where('expires_at', '<=', this.#now()).execute();
  }
}
