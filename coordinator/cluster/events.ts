import { sql } from 'kysely';
import { z } from 'zod';
import type { Logger } from '../../lib/logging/logger.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { EVENT_PAYLOAD_BYTES_MAX, EVENTS_KEPT } from './limits.ts';

const CHANNEL = 'events';

export interface ClusterEvent {
  /** Grows from event to event; null for those that are told once and not kept. */
  readonly id: number | null;
  readonly at: string;
  /** For example `node_down`, `rebalance_started`. Names are part of the API. */
  readonly kind: string;
  readonly nodeId: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

const eventSchema = z.object({
  id: z.int().nullable(),
  at: z.string(),
  kind: z.string(),
  nodeId: z.string().nullable(),
  details: z.record(z.string(), z.unknown()),
});

/** What happens to nodes, ring and copies, told to every coordinator, the latest kept for who comes later. */
export class ClusterEvents implements AsyncDisposable {
  readonly #database: DatabaseHandle;
  readonly #logger: Logger;
  readonly #stack = new AsyncDisposableStack();
  readonly #listeners = new Set<(event: ClusterEvent) => void>();
  #pending: Promise<unknown> = Promise.resolve();

  private constructor(database: DatabaseHandle, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  static async open(database: DatabaseHandle, logger: Logger): Promise<ClusterEvents> {
    const events = new ClusterEvents(database, logger);
    events.#stack.defer(await database.notifications.subscribe(CHANNEL, (text) => events.#deliver(text)));
    return events;
  }

  /** What was recorded before is stored when it resolves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pending;
    await this.#stack.disposeAsync();
  }

  /** Keeps the event and tells it. Returns at once; a failure is logged: no event is worth stopping for. */
  record(kind: string, nodeId: string | null, details: Readonly<Record<string, unknown>> = {}): void {
    this.#queue(async () => {
      const row = await this.#database.kysely
        .insertInto('cluster_events')
        .values({ kind, node_id: nodeId, details: JSON.stringify(details) })
        .returning(['id', 'at'])
        .executeTakeFirstOrThrow();
      await this.#tell({ id: Number(row.id), at: row.at.toISOString(), kind, nodeId, details });
      if (Number(row.id) % 100 === 0) await this.#forgetOld(Number(row.id));
    });
  }

  /** Tells the event without keeping it: progress, which the next one outdates. */
  announce(kind: string, nodeId: string | null, details: Readonly<Record<string, unknown>> = {}): void {
    this.#queue(() => this.#tell({ id: null, at: new Date().toISOString(), kind, nodeId, details }));
  }

  /** Kept events behind the id, oldest first, at most `limit`. */
  async since(id: number, limit: number): Promise<ClusterEvent[]> {
    const rows = await this.#database.kysely
      .selectFrom('cluster_events')
      .selectAll()
      .where('id', '>', id)
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(eventOf);
  }

  /** The latest kept events, newest first. */
  async latest(limit: number): Promise<ClusterEvent[]> {
    const rows = await this.#database.kysely
      .selectFrom('cluster_events')
      .selectAll()
      .orderBy('id', 'desc')
      .limit(limit)
      .execute();
    return rows.map(eventOf);
  }

  /** The listener hears every event of every coordinator from now on. The returned function ends that. */
  listen(listener: (event: ClusterEvent) => void): () => void {
    const own = (event: ClusterEvent) => listener(event);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  /** One after the other, so that they are told in the order in which they were recorded. */
  #queue(action: () => Promise<void>): void {
    this.#pending = this.#pending.then(action).catch((error: unknown) => {
      this.#logger.warn({ err: error }, 'an event could not be recorded');
    });
  }

  async #tell(event: ClusterEvent): Promise<void> {
    let payload = JSON.stringify(event);
    if (Buffer.byteLength(payload) > EVENT_PAYLOAD_BYTES_MAX) {
      payload = JSON.stringify({ ...event, details: { truncated: true } });
    }
    await this.#database.notifications.publish(CHANNEL, payload);
  }

  async #forgetOld(latest: number): Promise<void> {
    await sql`delete from cluster_events where id <= ${latest - EVENTS_KEPT}`.execute(this.#database.kysely);
  }

  #deliver(payload: string): void {
    const event = eventSchema.parse(JSON.parse(payload));
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error({ err: error }, 'a listener of events failed');
      }
    }
  }
}

function eventOf(row: {
  id: number;
  at: Date;
  kind: string;
  node_id: string | null;
  details: unknown;
}): ClusterEvent {
  return {
    id: Number(row.id),
    at: row.at.toISOString(),
    kind: row.kind,
    nodeId: row.node_id,
    details: row.details as Record<string, unknown>,
  };
}
