import type { Clock } from '../../lib/clock/clock.ts';
import { AppError, isAppError } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { Transaction } from '../database/database.ts';
import type { ErrorCode } from '../errors.ts';
import type { AddressGuard } from '../imports/address-guard.ts';
import { invalidRequest } from '../parse-fields.ts';
import type { Delivery } from './delivery.ts';
import type { DeliveryRepository } from './delivery-repository.ts';
import type { Endpoint } from './endpoint.ts';
import type { EndpointRepository } from './endpoint-repository.ts';
import type { EventRecorder } from './event-recorder.ts';
import { NODE_EVENT_TYPES, TEST_EVENT_TYPE } from './event-schema.ts';
import {
  ENDPOINTS_FOR_ALL_MAX,
  ENDPOINTS_PER_OWNER_MAX,
  LOOKUP_TIMEOUT_MS,
  REPLAYED_AT_ONCE,
  TESTS_WAITING_MAX,
} from './limits.ts';
import type { NewWebhook, WebhookChanges, WebhookDeliveryState, WebhookScope } from './schema.ts';
import type { SecretBox } from './secret-box.ts';
import { inPortions } from './upkeep.ts';

export interface WebhookServiceOptions {
  readonly endpoints: EndpointRepository;
  readonly deliveries: DeliveryRepository;
  readonly events: Pick<EventRecorder, 'recordFor'>;
  readonly secrets: Pick<SecretBox, 'make'>;
  readonly guard: Pick<AddressGuard, 'check' | 'lookup'>;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** Tells all coordinators, once the transaction commits, that there may be something to deliver. */
  readonly announce: (transaction: Transaction) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUIDv7; never the same twice. */
  readonly createId: () => string;
}

/** Who asks. */
export interface Caller {
  /** Null: the operator. */
  readonly userId: string | null;
  /** Whether everything is theirs to see, to hear of and to change. */
  readonly seesAll: boolean;
}

/** Which state of an endpoint a change is meant for; absent means whatever it is now. */
export type VersionTest = (endpoint: Endpoint) => boolean;

/** Endpoints and what was sent to them. What is somebody else's is not there. */
export class WebhookService {
  readonly #options: WebhookServiceOptions;

  constructor(options: WebhookServiceOptions) {
    this.#options = options;
  }

  /**
   * The second value is the secret, which nobody can learn later. Rejects with `forbidden`, `invalid_request`,
   * `webhook_refused` for an address that may not be asked, or `too_many_webhooks`.
   */
  async create(caller: Caller, wanted: NewWebhook): Promise<[Endpoint, Uint8Array]> {
    const { endpoints, secrets, inTransaction, createId } = this.#options;
    const { userId: ownerId } = caller;
    const scope = scopeOf(caller, wanted);
    assertHeard(scope, wanted.eventTypes);
    const url = await this.#checkedUrl(wanted.url);
    const id = createId();
    const { secret, sealed } = secrets.make(id);
    const endpoint = await inTransaction(async (transaction) => {
      const { ofOwner, ofScope } = await endpoints.count(transaction, { ownerId, scope });
      if (ofOwner >= ENDPOINTS_PER_OWNER_MAX) throw tooMany(`One has at most ${ENDPOINTS_PER_OWNER_MAX}`);
      if (scope === 'all' && ofScope >= ENDPOINTS_FOR_ALL_MAX) {
        throw tooMany(`At most ${ENDPOINTS_FOR_ALL_MAX} hear of everything`);
      }
      const { description, eventTypes, enabled } = wanted;
      const made = await endpoints.insert(transaction, {
        ...{ id, ownerId, scope, url, description, eventTypes, enabled },
      });
      await endpoints.replaceSecret(transaction, id, { id: createId(), sealed, overlapMs: 0 });
      return made;
    });
    this.#options.logger.info({ webhookId: id, ownerId, scope }, 'a webhook endpoint was made');
    return [endpoint, secret];
  }

  /** Newest first; `next` is where the following page begins. */
  async list(
    caller: Caller,
    { limit, after }: { readonly limit: number; readonly after?: string | undefined },
  ): Promise<{ endpoints: Endpoint[]; next: string | null }> {
    const ownerId = caller.seesAll ? undefined : caller.userId!;
    const found = await this.#options.endpoints.list({ limit: limit + 1, after, ownerId });
    const endpoints = found.slice(0, limit);
    return { endpoints, next: found.length > limit ? endpoints.at(-1)!.id : null };
  }

  /** Throws `webhook_not_found`, as everything below does. */
  async find(caller: Caller, id: string): Promise<Endpoint> {
    return visible(caller, await this.#options.endpoints.find(id), id);
  }

  /**
   * Throws `precondition_failed` when the test does not accept the current state, and like `create`. What waits to be sent
   * to an endpoint that is disabled is held; one that is enabled gets what happens from then on.
   */
  async change(
    caller: Caller,
    id: string,
    changes: WebhookChanges,
    accepts?: VersionTest,
  ): Promise<Endpoint> {
    const { endpoints, deliveries, announce } = this.#options;
    const url = changes.url === undefined ? undefined : await this.#checkedUrl(changes.url);
    const changed = await this.#withEndpoint(caller, id, accepts, async (transaction, current) => {
      assertHeard(current.scope, changes.eventTypes ?? null);
      const given = Object.entries({ ...changes, url }).filter(([, value]) => value !== undefined);
      if (given.length === 0) return current;
      const changed = await endpoints.update(transaction, id, Object.fromEntries(given));
      await announce(transaction);
      return changed;
    });
    if (!changed.enabled) await inPortions(() => deliveries.hold(id));
    return changed;
  }

  async delete(caller: Caller, id: string, accepts?: VersionTest): Promise<void> {
    const { endpoints, deliveries, logger } = this.#options;
    await this.#withEndpoint(caller, id, accepts, (transaction) => endpoints.delete(transaction, id));
    await inPortions(() => deliveries.forgetEndpoint(id));
    logger.info({ webhookId: id }, 'a webhook endpoint was deleted');
  }

  /** The second value is the new secret; those before sign as well for `overlapS`, and no longer than they were to. */
  async rotateSecret(caller: Caller, id: string, overlapS: number): Promise<[Endpoint, Uint8Array]> {
    const { endpoints, secrets, createId, logger } = this.#options;
    const { secret, sealed } = secrets.make(id);
    const endpoint = await this.#withEndpoint(caller, id, undefined, async (transaction, current) => {
      const overlapMs = overlapS * 1000;
      await endpoints.replaceSecret(transaction, id, { id: createId(), sealed, overlapMs });
      return current;
    });
    logger.info({ webhookId: id, overlapS }, 'the secret of a webhook endpoint was replaced');
    return [endpoint, secret];
  }

  /** Sends an event that is none. Throws `conflict` when the endpoint is disabled, or `too_many_requests`. */
  async test(caller: Caller, id: string): Promise<Delivery> {
    const { deliveries, events } = this.#options;
    return await this.#withEndpoint(caller, id, undefined, async (transaction, { enabled }) => {
      if (!enabled) throw disabled();
      const last = await deliveries.list(id, { limit: TESTS_WAITING_MAX }, transaction);
      const waiting = last.filter(
        ({ state, eventType }) => state === 'pending' && eventType === TEST_EVENT_TYPE,
      );
      if (waiting.length === TESTS_WAITING_MAX) {
        throw new AppError<ErrorCode>('too_many_requests', `${waiting.length} tests are under way already.`);
      }
      const deliveryId = await events.recordFor(transaction, id, TEST_EVENT_TYPE, { webhookId: id });
      return (await deliveries.find(id, deliveryId, transaction))!;
    });
  }

  /** Newest first; `next` is where the following page begins. */
  async deliveries(
    caller: Caller,
    id: string,
    page: {
      readonly limit: number;
      readonly after?: string | undefined;
      readonly state?: WebhookDeliveryState | undefined;
    },
  ): Promise<{ deliveries: Delivery[]; next: string | null }> {
    const { limit } = page;
    await this.find(caller, id);
    const found = await this.#options.deliveries.list(id, { ...page, limit: limit + 1 });
    const deliveries = found.slice(0, limit);
    return { deliveries, next: found.length > limit ? deliveries.at(-1)!.id : null };
  }

  /** Sends a delivery again, whatever came of it. Throws `delivery_not_found`, or `conflict` when the endpoint is disabled. */
  async replay(caller: Caller, id: string, deliveryId: string): Promise<Delivery> {
    const { deliveries, announce } = this.#options;
    return await this.#withEndpoint(caller, id, undefined, async (transaction, { enabled }) => {
      if ((await deliveries.find(id, deliveryId, transaction)) === null) throw deliveryNotFound(deliveryId);
      if (!enabled) throw disabled();
      await deliveries.replay(transaction, deliveryId);
      await announce(transaction);
      return (await deliveries.find(id, deliveryId, transaction))!;
    });
  }

  /** Sends again what failed or was held of the events from then on. Throws `conflict` when the endpoint is disabled. */
  async replaySince(
    caller: Caller,
    id: string,
    since: Date,
  ): Promise<{ replayed: number; hasMore: boolean }> {
    const { deliveries, announce } = this.#options;
    let replayed = 0;
    await inPortions(async () => {
      const count = await this.#withEndpoint(caller, id, undefined, async (transaction, { enabled }) => {
        if (!enabled) throw disabled();
        const portion = await deliveries.replaySince(transaction, id, since);
        if (portion > 0) await announce(transaction);
        return portion;
      });
      replayed += count;
      return replayed < REPLAYED_AT_ONCE ? count : 0;
    });
    return { replayed, hasMore: replayed >= REPLAYED_AT_ONCE };
  }

  /** Does the work in a transaction that has the endpoint to itself. */
  async #withEndpoint<Result>(
    caller: Caller,
    id: string,
    accepts: VersionTest | undefined,
    work: (transaction: Transaction, endpoint: Endpoint) => Promise<Result>,
  ): Promise<Result> {
    const { endpoints, inTransaction } = this.#options;
    return await inTransaction(async (transaction) => {
      const endpoint = visible(caller, await endpoints.lock(transaction, id), id);
      if (accepts && !accepts(endpoint)) {
        throw new AppError<ErrorCode>(
          'precondition_failed',
          'The webhook is not in the state that If-Match names.',
        );
      }
      return await work(transaction, endpoint);
    });
  }

  /**
   * A name that leads to an address which may not be asked is refused at once, if it can be looked up now; what counts is
   * the look of each delivery.
   */
  async #checkedUrl(text: string): Promise<string> {
    const { guard, clock } = this.#options;
    const { href, hostname } = guard.check(text);
    const looked = new Promise<void>((resolve, reject) => {
      guard.lookup(hostname.replace(/^\[|\]$/g, ''), { all: true }, (error) => {
        if (isAppError(error)) reject(error);
        else resolve();
      });
    });
    const enough = new AbortController();
    const timeout = clock.sleep(LOOKUP_TIMEOUT_MS, enough.signal).catch(() => {});
    await Promise.race([looked, timeout]).finally(() => enough.abort());
    return href;
  }
}

function scopeOf({ userId, seesAll }: Caller, wanted: Pick<NewWebhook, 'scope'>): WebhookScope {
  const scope = wanted.scope ?? (seesAll ? 'all' : 'own');
  if (scope === 'all' && !seesAll) {
    throw new AppError<ErrorCode>('forbidden', 'Only administrators may hear of everything.');
  }
  if (scope === 'own' && userId === null) {
    throw invalidRequest([{ field: 'scope', message: 'own is for those who are logged in' }]);
  }
  return scope;
}

/** An endpoint for one's own videos hears nothing of nodes. */
function assertHeard(scope: WebhookScope, eventTypes: readonly string[] | null): void {
  const isForAll = (type: string) => (NODE_EVENT_TYPES as readonly string[]).includes(type);
  if (scope === 'all' || !eventTypes?.some(isForAll)) return;
  throw invalidRequest([{ field: 'eventTypes', message: 'events of nodes are for the scope all' }]);
}

function visible({ userId, seesAll }: Caller, endpoint: Endpoint | null, id: string): Endpoint {
  if (endpoint !== null && (seesAll || (userId !== null && endpoint.ownerId === userId))) return endpoint;
  throw new AppError<ErrorCode>('webhook_not_found', `There is no webhook ${id}.`);
}

function deliveryNotFound(id: string): AppError {
  return new AppError<ErrorCode>('delivery_not_found', `There is no delivery ${id}, or not any more.`);
}

function disabled(): AppError {
  return new AppError<ErrorCode>('conflict', 'The webhook is disabled; enable it first.');
}

function tooMany(what: string): AppError {
  return new AppError<ErrorCode>('too_many_webhooks', `${what}; delete another one first.`);
}
