import type { ByteClient } from '../lib/byte-client/byte-client.ts';
import type { Clock } from '../lib/clock/clock.ts';
import type { Logger } from '../lib/logging/logger.ts';
import { type SigningKey, signTarget } from '../lib/signing/signed-url.ts';
import { JOIN_BACKOFF_MAX_MS, JOIN_BACKOFF_MIN_MS, SIGNATURE_LIFETIME_S } from './limits.ts';

const TARGET = '/api/v1/admin/nodes';
const ANSWER_BYTES_MAX = 64 * 1024;

export interface RegistrationOptions {
  /** Base URL of the coordinator, without a trailing slash. */
  readonly coordinator: string;
  readonly node: { readonly url: string; readonly zone: string; readonly weight: number };
  readonly key: SigningKey;
  readonly client: Pick<ByteClient, 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Registers the node with a coordinator. */
export class Registration {
  readonly #options: RegistrationOptions;
  #lastRefusal = '';

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** Tries until the coordinator accepts, less and less often; resolves early when the signal aborts. */
  async runUntilAccepted(signal: AbortSignal): Promise<void> {
    const { clock, logger, coordinator } = this.#options;
    let delayMs = JOIN_BACKOFF_MIN_MS;
    while (!signal.aborted) {
      const refusal = await this.#tryOnce(signal);
      if (refusal === undefined) {
        logger.info({ coordinator }, 'joined the cluster');
        return;
      }
      if (signal.aborted) return;
      // Once per reason: a coordinator that starts minutes later must not fill the log.
      if (refusal !== this.#lastRefusal) {
        logger.warn({ coordinator, reason: refusal }, 'not part of the cluster yet; trying again');
      }
      this.#lastRefusal = refusal;
      await clock.sleep(delayMs, signal).catch(() => {});
      delayMs = Math.min(delayMs * 2, JOIN_BACKOFF_MAX_MS);
    }
  }

  /** Undefined when the coordinator accepted, otherwise why it did not. */
  async #tryOnce(signal: AbortSignal): Promise<string | undefined> {
    const { client, coordinator, key, node, clock } = this.#options;
    const expiresAtS = Math.floor(clock.nowMs() / 1000) + SIGNATURE_LIFETIME_S;
    try {
      const response = await client.request({
        method: 'POST',
        url: coordinator + signTarget(key, { method: 'POST', target: TARGET, expiresAtS }),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(node),
        signal,
      });
      const text = await response.text(ANSWER_BYTES_MAX);
      if (response.status >= 200 && response.status < 300) return undefined;
      return `the coordinator answered ${response.status}: ${text.slice(0, 300)}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}
