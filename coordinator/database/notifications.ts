import { sql } from 'kysely';
import { assert } from '../../lib/errors/app-error.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import { NOTIFICATION_BYTES_MAX } from './limits.ts';
import type { Database, Transaction } from './schema.ts';

/** Short messages between all coordinators on one database (LISTEN/NOTIFY). */
export interface Notifications {
  /**
   * Tells every subscriber of the channel, those of this process included. Inside a transaction they are told
   * when it commits, and never if it does not. At most 7999 bytes; equal messages of one transaction are one.
   */
  publish(channel: string, payload: string, within?: Transaction): Promise<void>;
  /**
   * Once this resolves, the listener is called for every message published after, in commit order, unless a
   * gap is reported. The returned function ends the subscription. Not to be called inside a transaction.
   */
  subscribe(channel: string, listener: (payload: string) => void): Promise<() => void>;
  /**
   * The listener is called when the connection is lost and again when it is back: messages in between are lost
   * for good, so whatever was derived from earlier ones has to be read again.
   */
  onGap(listener: () => void): () => void;
}

/** What the engines share: the listeners of this process, and publishing. */
export class NotificationHub implements Notifications {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #listen: (channel: string) => Promise<void>;
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  readonly #gapListeners = new Set<() => void>();

  /** `listen` makes the engine deliver a channel's messages to `deliver`, whatever happens to the connection. */
  constructor(options: { database: Database; logger: Logger; listen: (channel: string) => Promise<void> }) {
    this.#database = options.database;
    this.#logger = options.logger;
    this.#listen = options.listen;
  }

  async publish(channel: string, payload: string, within?: Transaction): Promise<void> {
    checkChannel(channel);
    assert(Buffer.byteLength(payload) <= NOTIFICATION_BYTES_MAX, 'the notification is too long');
    await sql`select pg_notify(${channel}, ${payload})`.execute(within ?? this.#database);
  }

  async subscribe(channel: string, listener: (payload: string) => void): Promise<() => void> {
    checkChannel(channel);
    let listeners = this.#listeners.get(channel);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(channel, listeners);
    }
    // One function may be subscribed twice; each subscription is its own.
    const own = (payload: string) => listener(payload);
    listeners.add(own);
    try {
      await this.#listen(channel);
    } catch (error) {
      listeners.delete(own);
      throw error;
    }
    return () => void listeners.delete(own);
  }

  onGap(listener: () => void): () => void {
    const own = () => listener();
    this.#gapListeners.add(own);
    return () => void this.#gapListeners.delete(own);
  }

  /** For the engine: a message arrived. */
  deliver(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) this.#call(() => listener(payload));
  }

  /** For the engine: messages may have been lost. */
  reportGap(): void {
    for (const listener of this.#gapListeners) this.#call(listener);
  }

  #call(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#logger.error({ err: error }, 'a notification listener failed');
    }
  }
}

/** Channels are identifiers in SQL that takes no parameters. */
function checkChannel(channel: string): void {
  assert(/^[a-z][a-z_]{0,30}$/.test(channel), `"${channel}" is no channel name`);
}
