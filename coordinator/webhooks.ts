import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import type { Hono } from 'hono';
import { Agent } from 'undici';
import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { deriveKey } from '../lib/signing/signed-url.ts';
import type { Cluster } from './cluster/cluster.ts';
import type { OnNodeState } from './cluster/node-repository.ts';
import type { Config } from './config.ts';
import type { DatabaseHandle, Transaction } from './database/database.ts';
import { AddressGuard } from './imports/address-guard.ts';
import { LIMITS } from './limits.ts';
import type { Metrics } from './system/metrics.ts';
import type { OnVideoEvent } from './videos/video-event.ts';
import { Deliverer } from './webhooks/deliverer.ts';
import { DeliveryRepository } from './webhooks/delivery-repository.ts';
import { EndpointRepository } from './webhooks/endpoint-repository.ts';
import { EventRecorder, WEBHOOKS_CHANNEL } from './webhooks/event-recorder.ts';
import { CONNECT_TIMEOUT_MS, PENDING_COUNTED_MAX } from './webhooks/limits.ts';
import { NodeHealthEvents, nodeStateListener } from './webhooks/node-events.ts';
import { createWebhookRoutes } from './webhooks/routes.ts';
import { SecretBox } from './webhooks/secret-box.ts';
import { Sender } from './webhooks/sender.ts';
import { WebhookService } from './webhooks/service.ts';
import { videoEventListener } from './webhooks/video-events.ts';

export interface WebhooksParts {
  readonly config: Config;
  readonly database: DatabaseHandle;
  readonly coordinatorId: string;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly basePath: string;
}

/** What the rest of the coordinator needs of webhooks. */
export interface Webhooks {
  readonly onVideoEvent: OnVideoEvent;
  readonly onNodeState: OnNodeState;
  // biome-ignore lint/suspicious/noExplicitAny: features have bindings and variables of their own
  readonly routes: Hono<any>;
  /** Starts the deliveries, and to watch the health of nodes; `onDisabled` hears of endpoints that were disabled for failing. */
  start(parts: {
    readonly cluster: Pick<Cluster, 'registeredNodes' | 'health'>;
    readonly onDisabled: (webhookId: string, reason: string) => void;
  }): void;
}

/** Puts webhooks together; what has to be closed goes on the stack. */
export async function openWebhooks(stack: AsyncDisposableStack, parts: WebhooksParts): Promise<Webhooks> {
  const { config, database, coordinatorId, metrics, clock, logger, basePath } = parts;
  const { kysely, notifications } = database;
  const createId = () => uuidv7();
  const inTransaction = <Result>(work: (transaction: Transaction) => Promise<Result>) =>
    kysely.transaction().execute(work);

  // 1. What is noted.
  const events = new EventRecorder({ notifications, clock, createId });
  const endpoints = new EndpointRepository(kysely);
  const deliveries = new DeliveryRepository(kysely, coordinatorId);
  const secrets = new SecretBox({
    sealingKey: deriveKey(config.CLUSTER_SECRET, 'webhook-secrets'),
    randomBytes,
    logger,
  });

  // 2. What is sent.
  const guard = new AddressGuard({
    resolve: (hostname) => lookup(hostname, { all: true }),
    allowPrivate: config.WEBHOOK_ALLOW_PRIVATE,
    ports: null,
    refusal: 'webhook_refused',
  });
  const dispatcher = stack.adopt(
    // Without connections that are kept: each delivery's address is looked at.
    new Agent({ connect: { lookup: guard.lookup, timeout: CONNECT_TIMEOUT_MS }, pipelining: 0 }),
    (agent) => agent.destroy(),
  );
  const attempts = metrics.count(
    'orbitvids_webhook_attempts_total',
    'Attempts to deliver webhooks, by what came of them',
    'outcome',
  );
  let tellDisabled: (webhookId: string, reason: string) => void = () => {};
  const deliverer = new Deliverer({
    ...{ deliveries, endpoints, secrets, clock, logger },
    sender: new Sender({ guard, dispatcher, clock }),
    random: Math.random,
    onAttempt: (outcome) => attempts.inc({ outcome }),
    onDisabled: (webhookId, reason) => tellDisabled(webhookId, reason),
    announce: () => notifications.publish(WEBHOOKS_CHANNEL, ''),
  });
  observePending(metrics, deliveries, logger);
  stack.defer(await notifications.subscribe(WEBHOOKS_CHANNEL, () => deliverer.notify()));
  stack.defer(notifications.onGap(() => deliverer.notify()));

  const service = new WebhookService({
    ...{ endpoints, deliveries, events, secrets, guard, inTransaction, clock, logger, createId },
    announce: (transaction) => notifications.publish(WEBHOOKS_CHANNEL, '', transaction),
  });
  return {
    onVideoEvent: videoEventListener(events, basePath),
    onNodeState: nodeStateListener(events),
    routes: createWebhookRoutes({ service, basePath, bodyTimeoutMs: LIMITS.jsonBodyTimeoutMs }),
    start: ({ cluster, onDisabled }) => {
      tellDisabled = onDisabled;
      const { health } = cluster;
      const nodeHealth = new NodeHealthEvents({
        ...{ events, inTransaction, coordinatorId, clock, logger },
        nodes: () => cluster.registeredNodes(),
        healthOf: (nodeId) => health.healthOf(nodeId),
        reasonOf: (nodeId) => health.reasonOf(nodeId),
      });
      nodeHealth.start();
      stack.use(nodeHealth);
      stack.defer(
        health.onChange(({ nodeId, to }) => {
          if (to !== 'suspect') nodeHealth.notify(nodeId);
        }),
      );
      deliverer.start();
      stack.use(deliverer);
    },
  };
}

/** Asking for the metrics waits for no database: it is shown what was counted when they were last asked for. */
function observePending(metrics: Metrics, deliveries: DeliveryRepository, logger: Logger): void {
  let pending = 0;
  let isCounting = false;
  const count = async () => {
    isCounting = true;
    try {
      pending = await deliveries.pending(PENDING_COUNTED_MAX);
    } catch (error) {
      logger.warn({ err: error }, 'deliveries of webhooks cannot be counted');
    } finally {
      isCounting = false;
    }
  };
  metrics.observe(
    'orbitvids_webhook_deliveries_pending',
    `Deliveries of webhooks, on all coordinators, that were due or waited for another try when this was last asked for; ${PENDING_COUNTED_MAX} at most`,
    () => {
      if (!isCounting) void count();
      return pending;
    },
  );
}
