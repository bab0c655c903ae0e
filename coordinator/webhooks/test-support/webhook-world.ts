import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { v7 as uuidv7 } from 'uuid';
import { deriveKey } from '../../../lib/signing/signed-url.ts';
import { ManualClock } from '../../cluster/test-support/manual-clock.ts';
import type { DatabaseHandle, Transaction } from '../../database/database.ts';
import type { Role } from '../../database/schema.ts';
import { type Engine, openTestDatabase } from '../../database/test-support/engines.ts';
import { silentLogger } from '../../database/test-support/silent-logger.ts';
import { AddressGuard } from '../../imports/address-guard.ts';
import { Deliverer } from '../deliverer.ts';
import { DeliveryRepository } from '../delivery-repository.ts';
import type { Endpoint, Now } from '../endpoint.ts';
import { EndpointRepository } from '../endpoint-repository.ts';
import { EventRecorder, WEBHOOKS_CHANNEL, type WebhookEvent } from '../event-recorder.ts';
import { newWebhookSchema } from '../schema.ts';
import { SecretBox } from '../secret-box.ts';
import type { Sent } from '../sender.ts';
import { type Caller, WebhookService } from '../service.ts';
import { formatSecret } from '../signature.ts';

export const OPERATOR: Caller = { userId: null, seesAll: true };

/** One attempt as an endpoint sees it. */
export interface Seen {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly atMs: number;
}

/** What an endpoint answers; null: it never does. */
export type Answering = (seen: Seen) => Partial<Sent> | null;

export const answering = (statusCode: number, more: Partial<Sent> = {}): Partial<Sent> => ({
  statusCode,
  error: statusCode >= 200 && statusCode <= 299 ? null : `The endpoint answered ${statusCode}.`,
  ...more,
});

/** A coordinator's deliveries. */
export interface Coordinator {
  readonly deliverer: Deliverer;
  readonly deliveries: DeliveryRepository;
}

/** Everything about webhooks but the network, on a database whose time stands still until a test moves it. */
export class WebhookWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly database: DatabaseHandle;
  readonly endpoints: EndpointRepository;
  readonly events: EventRecorder;
  readonly service: WebhookService;
  readonly here: Coordinator;
  /** What endpoints were sent, and in what order. */
  readonly seen: Seen[] = [];
  readonly disabled: string[] = [];
  readonly outcomes: string[] = [];
  answer: Answering = () => answering(200);
  readonly now: Now = () => sql<Date>`${new Date(this.clock.nowMs())}::timestamptz`;
  readonly #secrets: SecretBox;
  #users = 0;

  private constructor(database: DatabaseHandle) {
    this.database = database;
    const { kysely, notifications } = database;
    const createId = () => uuidv7();
    this.#secrets = this.secretBox('the-secret-of-the-cluster');
    this.endpoints = new EndpointRepository(kysely, this.now);
    this.events = new EventRecorder({ notifications, clock: this.clock, createId, now: this.now });
    this.here = this.addCoordinator();
    this.service = new WebhookService({
      endpoints: this.endpoints,
      deliveries: this.here.deliveries,
      events: this.events,
      secrets: this.#secrets,
      guard: new AddressGuard({
        resolve: async (name) => {
          if (name === 'unknown.example') throw new Error('ENOTFOUND');
          return [{ address: name === 'inner.example' ? '10.0.0.1' : '8.8.8.8', family: 4 }];
        },
        allowPrivate: false,
        ports: null,
        refusal: 'webhook_refused',
      }),
      inTransaction: (work) => kysely.transaction().execute(work),
      announce: (transaction: Transaction) => notifications.publish(WEBHOOKS_CHANNEL, '', transaction),
      clock: this.clock,
      logger: silentLogger,
      createId,
    });
  }

  static async open(engine: Engine): Promise<WebhookWorld> {
    const world = new WebhookWorld(await openTestDatabase(engine));
    await world.database.kysely
      .insertInto('cluster')
      .values({ replicas: 3, range_count: 256, admin_token_hash: null })
      .execute();
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database[Symbol.asyncDispose]();
  }

  /** As it is before anything was made. */
  async reset(): Promise<void> {
    const { kysely } = this.database;
    for (const table of [
      'webhook_endpoints',
      'webhook_events',
      'webhook_deliveries',
      'webhook_node_health',
    ] as const)
      await kysely.deleteFrom(table).execute();
    for (const list of [this.seen, this.disabled, this.outcomes]) list.length = 0;
    this.answer = () => answering(200);
  }

  secretBox(clusterSecret: string): SecretBox {
    const sealingKey = deriveKey(clusterSecret, 'webhook-secrets');
    return new SecretBox({ sealingKey, randomBytes, logger: silentLogger });
  }

  addCoordinator({ secrets = this.#secrets } = {}): Coordinator {
    const deliveries = new DeliveryRepository(this.database.kysely, uuidv7(), this.now);
    const deliverer = new Deliverer({
      deliveries,
      endpoints: this.endpoints,
      secrets,
      sender: { post: (url, headers, body, stopping) => this.#post({ url, headers, body }, stopping) },
      clock: this.clock,
      logger: silentLogger,
      random: () => 0,
      onAttempt: (outcome) => void this.outcomes.push(outcome),
      onDisabled: (id, reason) => void this.disabled.push(`${id} ${reason}`),
      announce: async () => {},
    });
    return { deliverer, deliveries };
  }

  async addUser(role: Role): Promise<Caller & { readonly userId: string }> {
    const userId = uuidv7();
    this.#users += 1;
    const row = {
      id: userId,
      email: `user-${this.#users}-${userId}@example.org`,
      name: 'U',
      password_hash: '',
      role,
    };
    await this.database.kysely
      .insertInto('users')
      .values({ ...row, quota_bytes: null, quota_videos: null, last_login_at: null })
      .execute();
    return { userId, seesAll: role === 'admin' };
  }

  async addEndpoint(
    fields: object = {},
    caller: Caller = OPERATOR,
  ): Promise<{ endpoint: Endpoint; secret: string }> {
    const wanted = newWebhookSchema.parse({ url: 'https://hooks.example/one', ...fields });
    const [endpoint, secret] = await this.service.create(caller, wanted);
    return { endpoint, secret: formatSecret(secret) };
  }

  /** Something happens. */
  async happen(event: Partial<WebhookEvent> = {}): Promise<void> {
    await this.database.kysely.transaction().execute((transaction) =>
      this.events.record(transaction, {
        type: 'video.uploaded',
        ownerId: null,
        data: { id: uuidv7() },
        ...event,
      }),
    );
  }

  /** Sends what is due, waits for what falls due, and so on until nothing is left to send. */
  async runDry({ deliverer, deliveries }: Coordinator = this.here): Promise<void> {
    for (;;) {
      while ((await deliverer.runOnce()) > 0);
      const ms = await deliveries.nextDueInMs();
      if (ms === null) return;
      await this.clock.advance(ms);
    }
  }

  /** The endpoint's deliveries as its owner sees them, oldest first. */
  async deliveriesOf({ id }: Pick<Endpoint, 'id'>) {
    return (await this.here.deliveries.list(id, { limit: 1000 })).reverse();
  }

  async #post(seen: Omit<Seen, 'atMs'>, stopping: AbortSignal): Promise<Sent> {
    const complete = { ...seen, atMs: this.clock.nowMs() };
    this.seen.push(complete);
    const answer = this.answer(complete);
    if (answer === null) {
      stopping.throwIfAborted();
      await new Promise((_, reject) => {
        stopping.addEventListener('abort', () => reject(stopping.reason), { once: true });
      });
    }
    return { statusCode: null, error: null, response: null, durationMs: 7, retryAfterMs: null, ...answer };
  }
}
