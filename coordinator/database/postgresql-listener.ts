import { Client, type ClientConfig } from 'pg';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import {
  HEARTBEAT_INTERVAL_MS,
  HEARTBEAT_TIMEOUT_MS,
  RECONNECT_DELAY_MAX_MS,
  RECONNECT_DELAY_MIN_MS,
} from './limits.ts';

export interface PostgresqlListenerOptions {
  readonly config: ClientConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onMessage: (channel: string, payload: string) => void;
  readonly onGap: () => void;
}

interface Connection {
  readonly client: Client;
  /** Resolves with the reason when the connection is lost. */
  readonly lost: Promise<unknown>;
}

/** One connection that only listens. When it breaks, it is made again, and every channel is listened to again. */
export class PostgresqlListener implements AsyncDisposable {
  readonly #options: PostgresqlListenerOptions;
  readonly #channels = new Set<string>();
  readonly #stop = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> = Promise.resolve();

  private constructor(options: PostgresqlListenerOptions) {
    this.#options = options;
  }

  /** Resolves when the first connection stands; rejects when it cannot be made. */
  static async open(options: PostgresqlListenerOptions): Promise<PostgresqlListener> {
    const listener = new PostgresqlListener(options);
    const connection = await listener.#connect();
    listener.#running = listener.#keepConnected(connection);
    return listener;
  }

  /** Resolves when messages arrive, or a gap will be reported once they do. */
  async listen(channel: string): Promise<void> {
    if (this.#channels.has(channel)) return;
    this.#channels.add(channel);
    const client = this.#client;
    // Without a connection the next one listens to the channel and reports a gap.
    await client?.query(`listen "${channel}"`).catch(() => cut(client));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the listener is closed'));
    if (this.#client !== undefined) cut(this.#client);
    await this.#running;
  }

  async #connect(): Promise<Connection> {
    const client = new Client(this.#options.config);
    const lost = new Promise<unknown>((resolve) => {
      client.once('error', resolve);
      client.once('end', () => resolve(new Error('the connection ended')));
    });
    // An error without a listener would end the process, and a broken connection may report several.
    client.on('error', () => {});
    client.on('notification', ({ channel, payload }) => this.#options.onMessage(channel, payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.#channels) await client.query(`listen "${channel}"`);
    } catch (error) {
      cut(client);
      throw error;
    }
    this.#client = client;
    return { client, lost };
  }

  async #keepConnected(first: Connection): Promise<void> {
    const { clock, logger, onGap } = this.#options;
    const { signal } = this.#stop;
    let connection: Connection | undefined = first;
    let delayMs = RECONNECT_DELAY_MIN_MS;
    while (!signal.aborted) {
      if (connection !== undefined) {
        const reason = await this.#watch(connection);
        if (signal.aborted) return;
        logger.warn({ err: reason }, 'lost the connection for database notifications');
        onGap();
        delayMs = RECONNECT_DELAY_MIN_MS;
      }
      await clock.sleep(delayMs, signal).catch(() => {});
      if (signal.aborted) return;
      delayMs = Math.min(delayMs * 2, RECONNECT_DELAY_MAX_MS);
      connection = await this.#connect().catch(() => undefined);
      if (connection !== undefined) {
        logger.info('database notifications are back');
        onGap();
      }
    }
    if (connection !== undefined) cut(connection.client);
  }

  /** Waits until the connection is lost, and cuts it itself when it no longer answers. Returns the reason. */
  async #watch({ client, lost }: Connection): Promise<unknown> {
    const { clock } = this.#options;
    const ended = new AbortController();
    const beat = async () => {
      for (;;) {
        await clock.sleep(HEARTBEAT_INTERVAL_MS, ended.signal);
        const cancel = clock.after(HEARTBEAT_TIMEOUT_MS, () => cut(client));
        await client.query('select 1').finally(cancel);
      }
    };
    beat().catch(() => cut(client));
    const reason = await lost;
    ended.abort();
    cut(client);
    this.#client = undefined;
    return reason;
  }
}

/** Closes the socket at once, without the farewell that a dead peer would never answer. */
function cut(client: Client): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
