import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { AttemptResult, ClaimedDelivery, Disabled } from './delivery.ts';
import type { DeliveryRepository } from './delivery-repository.ts';
import type { EndpointRepository } from './endpoint-repository.ts';
import { TEST_EVENT_TYPE } from './event-schema.ts';
import {
  ATTEMPTS_AT_ONCE,
  LOOK_INTERVAL_MS,
  LOOK_RETRY_MS,
  STOP_GRACE_MS,
  UPKEEP_INTERVAL_MS,
} from './limits.ts';
import type { SecretBox } from './secret-box.ts';
import type { Sender } from './sender.ts';
import { signatureHeaders } from './signature.ts';
import { inPortions, tidyWebhooks } from './upkeep.ts';
import { judge } from './verdict.ts';

export interface DelivererOptions {
  readonly deliveries: DeliveryRepository;
  readonly endpoints: Pick<EndpointRepository, 'secretsOf' | 'forgetSecrets'>;
  readonly secrets: Pick<SecretBox, 'open'>;
  readonly sender: Pick<Sender, 'post'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly onAttempt: (outcome: 'delivered' | 'retried' | 'failed') => void;
  readonly onDisabled: (endpointId: string, reason: NonNullable<Disabled>) => void;
  /** What was given back is there for other coordinators. */
  readonly announce: () => Promise<void>;
}

/**
 * Brings events to endpoints. What is to be brought stands in the database, and whichever coordinator has a place free takes
 * it; so what one that died had under way is taken over when its lease runs out. At least once, in any order.
 */
export class Deliverer implements AsyncDisposable {
  readonly #options: DelivererOptions;
  /** Ends the taking, and after a while what is under way. */
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #loops: Promise<void>[] = [];
  #wake = Promise.withResolvers<void>();

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  start(): void {
    const { signal } = this.#stop;
    this.#loops.push(this.#work(signal));
    this.#loops.push(repeat(this.#options.clock, UPKEEP_INTERVAL_MS, signal, () => this.#tryUpkeep()));
  }

  /** Something may have become due. */
  notify(): void {
    this.#wake.resolve();
  }

  /** What is under way gets a moment to end; the rest is given back, for others to send at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the delivery of webhooks is stopped'));
    this.notify();
    const cancel = this.#options.clock.after(STOP_GRACE_MS, () =>
      this.#abort.abort(new Error('the delivery of webhooks is stopped')),
    );
    await Promise.all(this.#loops);
    await Promise.all(this.#running);
    cancel();
  }

  /** Takes what is due and sends it; resolves when all of that has ended. */
  async runOnce(): Promise<number> {
    const begun = await this.#begin();
    await Promise.all(this.#running);
    return begun;
  }

  async upkeepOnce(): Promise<void> {
    const { deliveries, endpoints } = this.#options;
    await tidyWebhooks(deliveries, endpoints, this.#stop.signal);
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { deliveries, clock, logger } = this.#options;
    while (!signal.aborted) {
      // Before the look, so that what comes after it is not overslept.
      this.#wake = Promise.withResolvers();
      let pauseMs = LOOK_INTERVAL_MS;
      try {
        // Asked first: what falls due between the two is taken at once, or was counted here.
        const nextMs = await deliveries.nextDueInMs();
        pauseMs = Math.min(pauseMs, nextMs ?? pauseMs);
        await this.#begin();
      } catch (error) {
        if (!signal.aborted) logger.warn({ err: error }, 'deliveries of webhooks cannot be looked up');
        pauseMs = LOOK_RETRY_MS;
      }
      const woken = new AbortController();
      const pause = clock.sleep(pauseMs, AbortSignal.any([signal, woken.signal])).catch(() => {});
      await Promise.race([pause, this.#wake.promise]);
      woken.abort(new Error('there may be work'));
    }
  }

  /** Takes what is due, as far as places are free, and begins to send it; returns how many. */
  async #begin(): Promise<number> {
    const { deliveries, endpoints, secrets, logger } = this.#options;
    const free = ATTEMPTS_AT_ONCE - this.#running.size;
    if (free <= 0) return 0;
    const claimed = await deliveries.claim(free);
    if (claimed.length === 0) return 0;
    const stored = await endpoints.secretsOf(claimed.map(({ endpointId }) => endpointId));
    for (const delivery of claimed) {
      const keys = secrets.open(delivery.endpointId, stored.get(delivery.endpointId) ?? []);
      const attempt = this.#attempt(delivery, keys)
        .catch((error: unknown) => {
          // The lease runs out, and it is tried again.
          logger.warn({ err: error, deliveryId: delivery.id }, 'what became of a webhook could not be noted');
        })
        .finally(() => {
          this.#running.delete(attempt);
          // Its place is free, and so is one of its endpoint's.
          this.notify();
        });
      this.#running.add(attempt);
    }
    return claimed.length;
  }

  async #attempt(delivery: ClaimedDelivery, keys: readonly Uint8Array[]): Promise<void> {
    const { sender, deliveries, clock, random, onAttempt, onDisabled, logger } = this.#options;
    const { endpointId, eventId, payload, tries } = delivery;
    let result: AttemptResult & { readonly retryAfterMs: number | null };
    if (keys.length === 0) {
      const error = 'No secret of the endpoint can be read; rotate it.';
      result = { statusCode: null, error, response: null, durationMs: 0, retryAfterMs: null };
    } else {
      const timestampS = Math.floor(clock.nowMs() / 1000);
      const headers = signatureHeaders(keys, { id: eventId, timestampS, body: payload });
      try {
        result = await sender.post(delivery.url, headers, payload, this.#abort.signal);
      } catch (error) {
        if (!this.#abort.signal.aborted) throw error;
        await deliveries.release(delivery);
        await this.#options.announce();
        return;
      }
    }
    const isTest = delivery.eventType === TEST_EVENT_TYPE;
    const { retryAfterMs } = result;
    const verdict = judge(result, { tries, isTest, retryAfterMs, random: random() });
    const disabled = await deliveries.finish(delivery, result, verdict);
    onAttempt(verdict.state === 'pending' ? 'retried' : verdict.state);
    if (verdict.state !== 'delivered') {
      const { statusCode, error } = result;
      const about = { webhookId: endpointId, deliveryId: delivery.id, statusCode, problem: error, tries };
      logger.info(about, 'a webhook was not delivered');
    }
    if (disabled === null) return;
    logger.warn({ webhookId: endpointId, reason: disabled }, 'a webhook endpoint was disabled');
    onDisabled(endpointId, disabled);
    await inPortions(() => deliveries.hold(endpointId), this.#stop.signal);
  }

  async #tryUpkeep(): Promise<void> {
    try {
      await this.upkeepOnce();
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#options.logger.warn({ err: error }, 'the upkeep of webhooks failed');
      }
    }
  }
}
