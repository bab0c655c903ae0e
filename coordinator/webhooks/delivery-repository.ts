import { type RawBuilder, sql } from 'kysely';
import type { Database, Transaction } from '../database/database.ts';
import {
  type AttemptResult,
  type ClaimedDelivery,
  type Delivery,
  type Disabled,
  deliveryOf,
  type Verdict,
} from './delivery.ts';
import { databaseNow, isEntitled, later, type Now } from './endpoint.ts';
import {
  ATTEMPT_LEASE_MS,
  ATTEMPTS_PER_ENDPOINT,
  ATTEMPTS_PER_FAILING_ENDPOINT,
  FAILING_MS_MAX,
  ROWS_AT_ONCE,
} from './limits.ts';
import type { WebhookDeliveryState } from './schema.ts';

/**
 * What is on its way to endpoints, in the table `webhook_deliveries`. Whoever locks an endpoint and its deliveries locks
 * the endpoint first.
 */
export class DeliveryRepository {
  readonly #database: Database;
  readonly #holder: string;
  readonly #now: Now;

  /** `holder` is unique to this process. */
  constructor(database: Database, holder: string, now: Now = databaseNow) {
    this.#database = database;
    this.#holder = holder;
    this.#now = now;
  }

  /**
   * In how many milliseconds something falls due that is not due now: a delivery, one that another coordinator did not end
   * in time, an endpoint that wanted to be left alone. Null when nothing does.
   */
  async nextDueInMs(): Promise<number | null> {
    const now = this.#now();
    const { rows } = await sql<{ ms: number | null }>`
      select (extract(epoch from least(
        (
          select min(next.due_at) from webhook_endpoints cross join lateral (
            select due_at from webhook_deliveries
            where endpoint_id = webhook_endpoints.id and state = 'pending' and due_at > ${now}
            order by due_at limit 1
          ) next where webhook_endpoints.enabled
        ),
        (select min(lease_expires_at) from webhook_deliveries where lease_expires_at > ${now}),
        (select min(paused_until) from webhook_endpoints where paused_until > ${now})
      ) - ${now}) * 1000)::double precision as ms
    `.execute(this.#database);
    const ms = rows[0]?.ms ?? null;
    return ms === null ? null : Math.max(1, Math.ceil(ms));
  }

  /**
   * Takes at most `limit` of those that are due, those longest due first; from now on they are this holder's, until their
   * leases run out. All coordinators together have no more of one endpoint than its share.
   */
  async claim(limit: number): Promise<ClaimedDelivery[]> {
    const ids = await this.#database.transaction().execute(async (transaction) => {
      const endpoints = await this.#lockDue(transaction, limit);
      return endpoints.length === 0 ? [] : await this.#lease(transaction, endpoints, limit);
    });
    return ids.length === 0 ? [] : await this.#read(ids);
  }

  /**
   * Endpoints that have something due and are not at their share. They are locked, so that nobody else takes of the same one
   * until this transaction ends; those that somebody takes of right now are passed over.
   */
  async #lockDue(transaction: Transaction, limit: number): Promise<{ id: string; share: number }[]> {
    const now = this.#now();
    const share = sql`case when webhook_endpoints.failing_since is null
      then ${ATTEMPTS_PER_ENDPOINT}::integer else ${ATTEMPTS_PER_FAILING_ENDPOINT}::integer end`;
    const { rows } = await sql<{ id: string; share: number }>`
      select webhook_endpoints.id, ${share} as share
      from webhook_endpoints
      cross join lateral (
        select waiting.due_at from webhook_deliveries waiting
        where waiting.endpoint_id = webhook_endpoints.id and ${isClaimable('waiting', now)}
        order by waiting.due_at limit 1
      ) first
      where webhook_endpoints.enabled
        and (webhook_endpoints.paused_until is null or webhook_endpoints.paused_until <= ${now})
        and ${isEntitled()}
        and ${underWay(sql`webhook_endpoints.id`, now)} < ${share}
      order by first.due_at
      limit ${limit}::integer
      for no key update of webhook_endpoints skip locked
    `.execute(transaction);
    return rows;
  }

  /** A statement of its own: what others have taken of these endpoints before they were locked is seen here. */
  async #lease(
    transaction: Transaction,
    endpoints: readonly { readonly id: string; readonly share: number }[],
    limit: number,
  ): Promise<string[]> {
    const now = this.#now();
    const { rows } = await sql<{ id: string }>`
      with chosen as materialized (
        select due.id
        from unnest(
          ${endpoints.map(({ id }) => id)}::uuid[], ${endpoints.map(({ share }) => share)}::integer[]
        ) as endpoint (id, share)
        cross join lateral (
          select waiting.id, waiting.due_at from webhook_deliveries waiting
          where waiting.endpoint_id = endpoint.id and ${isClaimable('waiting', now)}
          order by waiting.due_at
          limit greatest(0, endpoint.share - ${underWay(sql`endpoint.id`, now)})
          for update of waiting skip locked
        ) due
        order by due.due_at
        limit ${limit}::integer
      )
      update webhook_deliveries
      set holder = ${this.#holder}::uuid, lease_expires_at = ${later(this.#now, ATTEMPT_LEASE_MS)},
        attempts = attempts + 1, tries = tries + 1
      from chosen where webhook_deliveries.id = chosen.id
      returning webhook_deliveries.id
    `.execute(transaction);
    return rows.map(({ id }) => id);
  }

  async #read(ids: readonly string[]): Promise<ClaimedDelivery[]> {
    return await this.#database
      .selectFrom('webhook_deliveries')
      .innerJoin('webhook_endpoints', 'webhook_endpoints.id', 'webhook_deliveries.endpoint_id')
      .innerJoin('webhook_events', 'webhook_events.id', 'webhook_deliveries.event_id')
      .select([
        'webhook_deliveries.id',
        'webhook_deliveries.endpoint_id as endpointId',
        'webhook_deliveries.event_id as eventId',
        'webhook_events.type as eventType',
        'webhook_endpoints.url',
        'webhook_events.payload',
        'webhook_deliveries.attempts',
        'webhook_deliveries.tries',
      ])
      .where(sql<boolean>`webhook_deliveries.id = any(${[...ids]}::uuid[])`)
      .where('webhook_deliveries.holder', '=', this.#holder)
      .execute();
  }

  /**
   * Notes what an attempt came to, unless the delivery has gone to somebody else meanwhile, and what that says about the
   * endpoint; tells whether it was disabled for it.
   */
  async finish(
    { id, endpointId, attempts }: Pick<ClaimedDelivery, 'id' | 'endpointId' | 'attempts'>,
    { statusCode, error, response, durationMs }: AttemptResult,
    verdict: Verdict,
  ): Promise<Disabled> {
    return await this.#database.transaction().execute(async (transaction) => {
      const disabled = await this.#judgeEndpoint(transaction, endpointId, verdict);
      const isEnabled = sql`exists (select from webhook_endpoints where id = ${endpointId}::uuid and enabled)`;
      const isPending = verdict.state === 'pending';
      await transaction
        .updateTable('webhook_deliveries')
        .set({
          state: isPending
            ? sql<WebhookDeliveryState>`case when ${isEnabled} then 'pending' else 'held' end`
            : verdict.state,
          ...(isPending && { due_at: later(this.#now, verdict.retryInMs) }),
          attempted_at: later(this.#now, -durationMs),
          ...{ holder: null, lease_expires_at: null },
          ...{ status_code: statusCode, error, response, duration_ms: Math.round(durationMs) },
        })
        .where('id', '=', id)
        .where('holder', '=', this.#holder)
        .where('attempts', '=', attempts)
        .execute();
      return disabled;
    });
  }

  /** The attempt was broken off for no fault of the endpoint's: somebody else is to make it, at once. */
  async release({ id, attempts }: Pick<ClaimedDelivery, 'id' | 'attempts'>): Promise<void> {
    await this.#database
      .updateTable('webhook_deliveries')
      .set((eb) => ({ holder: null, lease_expires_at: null, tries: eb('tries', '-', 1) }))
      .where('id', '=', id)
      .where('holder', '=', this.#holder)
      .where('attempts', '=', attempts)
      .execute();
  }

  async #judgeEndpoint(transaction: Transaction, id: string, verdict: Verdict): Promise<Disabled> {
    const endpoint = transaction.updateTable('webhook_endpoints').where('id', '=', id);
    if (verdict.state === 'delivered') {
      await endpoint
        .set({ failing_since: null, paused_until: null })
        .where((eb) => eb.or([eb('failing_since', 'is not', null), eb('paused_until', 'is not', null)]))
        .execute();
      return null;
    }
    if (verdict.state === 'failed' && verdict.isGone) {
      return (await this.#disable(transaction, id, 'gone')) ? 'gone' : null;
    }
    // One failed test is no trouble that lasts.
    if (verdict.state === 'failed' && verdict.isTest) return null;
    const pause = later(this.#now, verdict.pauseMs);
    await endpoint
      .set({
        failing_since: sql<Date>`coalesce(failing_since, ${this.#now()})`,
        ...(verdict.pauseMs > 0 && { paused_until: sql<Date>`greatest(paused_until, ${pause})` }),
      })
      .execute();
    if (verdict.state !== 'failed') return null;
    const isLong = sql<boolean>`failing_since <= ${later(this.#now, -FAILING_MS_MAX)}`;
    return (await this.#disable(transaction, id, 'failing', isLong)) ? 'failing' : null;
  }

  async #disable(
    transaction: Transaction,
    id: string,
    reason: NonNullable<Disabled>,
    condition: RawBuilder<boolean> = sql`true`,
  ): Promise<boolean> {
    const row = await transaction
      .updateTable('webhook_endpoints')
      .set((eb) => ({
        ...{ enabled: false, disabled_reason: reason },
        ...{ version: eb('version', '+', 1), updated_at: this.#now() },
      }))
      .where('id', '=', id)
      .where('enabled', '=', true)
      .where(condition)
      .returning('id')
      .executeTakeFirst();
    return row !== undefined;
  }

  /**
   * Holds what waits to be sent to an endpoint that is disabled; returns how much of it, at most `ROWS_AT_ONCE`: a change of
   * everything at once would hold up everybody else. What is missed is not sent either, and goes on when it is enabled.
   */
  async hold(endpointId: string): Promise<number> {
    return await this.#change(sql`
      with chosen as materialized (
        select id from webhook_deliveries
        where endpoint_id = ${endpointId}::uuid and state = 'pending' and exists (
          select from webhook_endpoints where webhook_endpoints.id = ${endpointId}::uuid and not enabled
        )
        limit ${ROWS_AT_ONCE}::integer for update skip locked
      )
      update webhook_deliveries set state = 'held' from chosen where webhook_deliveries.id = chosen.id
    `);
  }

  async find(endpointId: string, id: string, within?: Transaction): Promise<Delivery | null> {
    const row = await this.#select(within ?? this.#database, endpointId)
      .where('webhook_deliveries.id', '=', id)
      .executeTakeFirst();
    return row ? deliveryOf(row) : null;
  }

  /** Newest first, from behind `after`. */
  async list(
    endpointId: string,
    page: {
      readonly limit: number;
      readonly after?: string | undefined;
      readonly state?: WebhookDeliveryState | undefined;
    },
    within?: Transaction,
  ): Promise<Delivery[]> {
    const { limit, after, state } = page;
    const rows = await this.#select(within ?? this.#database, endpointId)
      .$if(after !== undefined, (query) => query.where('webhook_deliveries.id', '<', after!))
      .$if(state !== undefined, (query) => query.where('webhook_deliveries.state', '=', state!))
      .orderBy('webhook_deliveries.id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(deliveryOf);
  }

  /** Has it sent again from the beginning of the schedule, unless it is being sent right now. */
  async replay(transaction: Transaction, id: string): Promise<void> {
    await transaction
      .updateTable('webhook_deliveries')
      .set({ state: 'pending', tries: 0, due_at: this.#now() })
      .where('id', '=', id)
      .where((eb) => eb.or([eb('lease_expires_at', 'is', null), eb('lease_expires_at', '<=', this.#now())]))
      .execute();
  }

  /** The same for what did not arrive of events from then on, the oldest first; returns how many, at most `ROWS_AT_ONCE`. */
  async replaySince(transaction: Transaction, endpointId: string, since: Date): Promise<number> {
    return await this.#change(
      sql`
        with chosen as materialized (
          select webhook_deliveries.id from webhook_deliveries
          join webhook_events on webhook_events.id = webhook_deliveries.event_id
          where webhook_deliveries.endpoint_id = ${endpointId}::uuid
            and webhook_deliveries.state in ('failed', 'held') and webhook_events.created_at >= ${since}
          order by webhook_deliveries.id limit ${ROWS_AT_ONCE}::integer
        )
        update webhook_deliveries set state = 'pending', tries = 0, due_at = ${this.#now()}
        from chosen where webhook_deliveries.id = chosen.id
      `,
      transaction,
    );
  }

  /** Removes events that are older, with their deliveries; returns how many, at most `ROWS_AT_ONCE`. */
  async forgetEvents(olderThanMs: number): Promise<number> {
    return await this.#change(sql`
      delete from webhook_events where id in (
        select id from webhook_events where created_at < ${later(this.#now, -olderThanMs)}
        order by created_at limit ${ROWS_AT_ONCE}::integer
      )
    `);
  }

  /** Removes what was on its way to an endpoint that is gone; returns how many, at most `ROWS_AT_ONCE`. */
  async forgetEndpoint(endpointId: string): Promise<number> {
    return await this.#change(sql`
      delete from webhook_deliveries where id in (
        select id from webhook_deliveries where endpoint_id = ${endpointId}::uuid limit ${ROWS_AT_ONCE}::integer
      ) and not exists (select from webhook_endpoints where webhook_endpoints.id = ${endpointId}::uuid)
    `);
  }

  /** Endpoints that have deliveries and are gone, and those that are disabled and have some pending. */
  async untidy(): Promise<{ gone: string[]; disabled: string[] }> {
    // From one endpoint's deliveries to the next one's, past however many there are.
    const gone = await sql<{ id: string }>`
      with recursive known as (
        (select endpoint_id as id from webhook_deliveries order by endpoint_id limit 1)
        union all
        select (select endpoint_id from webhook_deliveries where endpoint_id > known.id order by endpoint_id limit 1)
        from known where known.id is not null
      )
      select id from known where id is not null and not exists (
        select from webhook_endpoints where webhook_endpoints.id = known.id
      )
    `.execute(this.#database);
    const disabled = await sql<{ id: string }>`
      select id from webhook_endpoints where not enabled and exists (
        select from webhook_deliveries where endpoint_id = webhook_endpoints.id and state = 'pending'
      )
    `.execute(this.#database);
    return { gone: gone.rows.map(({ id }) => id), disabled: disabled.rows.map(({ id }) => id) };
  }

  /** Deliveries that are due or wait for another try, on all coordinators; counted up to `max`. */
  async pending(max: number): Promise<number> {
    const { rows } = await sql<{ count: number }>`
      select count(*) as count
      from (select from webhook_deliveries where state = 'pending' limit ${max}::integer) as counted
    `.execute(this.#database);
    return Number(rows[0]!.count);
  }

  /** How many rows it was. */
  async #change(statement: RawBuilder<unknown>, within: Database = this.#database): Promise<number> {
    const { numAffectedRows = 0n } = await statement.execute(within);
    return Number(numAffectedRows);
  }

  #select(database: Database, endpointId: string) {
    return database
      .selectFrom('webhook_deliveries')
      .innerJoin('webhook_events', 'webhook_events.id', 'webhook_deliveries.event_id')
      .selectAll('webhook_deliveries')
      .select('webhook_events.type as event_type')
      .where('webhook_deliveries.endpoint_id', '=', endpointId);
  }
}

/** Due, and nobody has it. */
function isClaimable(alias: string, now: RawBuilder<Date>): RawBuilder<boolean> {
  const row = sql.id(alias);
  return sql`(${row}.state = 'pending' and ${row}.due_at <= ${now}
    and (${row}.lease_expires_at is null or ${row}.lease_expires_at <= ${now}))`;
}

/** How many attempts coordinators have under way to the endpoint. */
function underWay(endpointId: RawBuilder<unknown>, now: RawBuilder<Date>): RawBuilder<number> {
  return sql`(select count(*)::integer from webhook_deliveries leased
    where leased.endpoint_id = ${endpointId} and leased.lease_expires_at > ${now})`;
}
