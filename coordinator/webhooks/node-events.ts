import { type RawBuilder, sql } from 'kysely';
import type { Clock } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { OnNodeState, RegisteredNode } from '../cluster/node-repository.ts';
import type { NodeHealth } from '../cluster/placement.ts';
import type { Transaction } from '../database/database.ts';
import type { NodeState } from '../database/schema.ts';
import { databaseNow, later, type Now } from './endpoint.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { NodeEventType } from './event-schema.ts';
import { EVENT_REASON_LENGTH_MAX, NODE_VIEW_MS } from './limits.ts';

type KnownNode = Pick<RegisteredNode, 'id' | 'url' | 'zone'>;

/** Notes what becomes of nodes in the transactions that decide it, so each change once. */
export function nodeStateListener(events: Pick<EventRecorder, 'record'>): OnNodeState {
  return async (transaction, node, change) => {
    const type = typeOf(change);
    if (type === undefined) return;
    await recordNode(events, transaction, type, node, null);
    // One that comes back later does so as a new one, which is up.
    if (change.to !== 'removed') return;
    await transaction.deleteFrom('webhook_node_health').where('node_id', '=', node.id).execute();
  };
}

function typeOf({ from, to }: { from: NodeState | null; to: NodeState }): NodeEventType | undefined {
  if (to === 'drained' || to === 'lost' || to === 'removed') return `node.${to}`;
  // A join that is taken back leaves the node as it came.
  if (to === 'joined' && (from === null || from === 'removed' || from === 'lost')) return 'node.joined';
  return undefined;
}

async function recordNode(
  events: Pick<EventRecorder, 'record'>,
  transaction: Transaction,
  type: NodeEventType,
  { id, url, zone }: KnownNode,
  reason: string | null,
): Promise<void> {
  const data = { id, url, zone, reason: reason?.slice(0, EVENT_REASON_LENGTH_MAX).toWellFormed() ?? null };
  await events.record(transaction, { type, ownerId: null, data });
}

export interface NodeHealthEventsOptions {
  readonly events: Pick<EventRecorder, 'record'>;
  readonly inTransaction: <Result>(work: (transaction: Transaction) => Promise<Result>) => Promise<Result>;
  /** Nodes, and how this coordinator sees them. */
  readonly nodes: () => readonly (KnownNode & { readonly state: NodeState })[];
  readonly healthOf: (nodeId: string) => NodeHealth;
  readonly reasonOf: (nodeId: string) => string | null;
  readonly coordinatorId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly now?: Now;
}

/**
 * Tells when nodes go down and come back. Each coordinator sees that for itself; the table `webhook_node_health` has what was
 * told last, so the first one tells it and the others find it told. One that sees it otherwise than the last teller does is
 * believed when it still does after a while: coordinators do not notice the same thing at the same moment.
 */
export class NodeHealthEvents implements AsyncDisposable {
  readonly #options: NodeHealthEventsOptions;
  #pending: Promise<void> = Promise.resolve();
  #cancelLook: (() => void) | undefined;
  #isStopped = false;

  constructor(options: NodeHealthEventsOptions) {
    this.#options = options;
  }

  /** What was told before this coordinator began may not be so any more; it needs a while to see that. */
  start(): void {
    this.#lookLater();
  }

  /** This coordinator has just seen that the node went down, or came back. */
  notify(nodeId: string): void {
    this.#look(nodeId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true;
    this.#cancelLook?.();
    await this.#pending;
  }

  /**
   * Compares what was told with what is seen of one node, or of all, and tells what differs; true when something is left for
   * later.
   */
  async runOnce(nodeId?: string): Promise<boolean> {
    const { inTransaction, nodes, healthOf } = this.#options;
    const told = await inTransaction((transaction) =>
      transaction.selectFrom('webhook_node_health').select('node_id').where('health', '=', 'down').execute(),
    );
    const isToldDown = new Set(told.map(({ node_id }) => node_id));
    let isLeft = false;
    for (const node of nodes()) {
      if (node.state === 'removed' || (nodeId !== undefined && node.id !== nodeId)) continue;
      const health = healthOf(node.id);
      // Of a suspect nobody knows.
      if (health === 'suspect' || (health === 'down') === isToldDown.has(node.id)) continue;
      isLeft = !(await this.#tell(node, health)) || isLeft;
    }
    return isLeft;
  }

  /** False when another coordinator has just said the opposite. */
  async #tell(node: KnownNode, health: 'up' | 'down'): Promise<boolean> {
    const { events, inTransaction, reasonOf, coordinatorId, now = databaseNow } = this.#options;
    const at: RawBuilder<Date> = now();
    return await inTransaction(async (transaction) => {
      const { rows } = await sql<{ isNew: boolean }>`
        insert into webhook_node_health as told (node_id, health, seen_by, changed_at)
        values (${node.id}::uuid, ${health}::text, ${coordinatorId}::uuid, ${at})
        on conflict (node_id) do update
        set health = excluded.health, seen_by = excluded.seen_by, changed_at = excluded.changed_at
        where told.health <> excluded.health
          and (told.seen_by = excluded.seen_by or told.changed_at <= ${later(now, -NODE_VIEW_MS)})
        returning true as "isNew"
      `.execute(transaction);
      if (rows.length > 0) {
        await recordNode(
          events,
          transaction,
          `node.${health}`,
          node,
          health === 'down' ? reasonOf(node.id) : null,
        );
        return true;
      }
      const row = await transaction
        .selectFrom('webhook_node_health')
        .select('health')
        .where('node_id', '=', node.id)
        .executeTakeFirst();
      return row?.health === health;
    });
  }

  #look(nodeId?: string): void {
    const { logger } = this.#options;
    this.#pending = this.#pending.then(async () => {
      if (this.#isStopped) return;
      try {
        if (await this.runOnce(nodeId)) this.#lookLater();
      } catch (error) {
        logger.warn({ err: error }, 'the health of nodes could not be told to webhooks');
        this.#lookLater();
      }
    });
  }

  #lookLater(): void {
    this.#cancelLook?.();
    if (this.#isStopped) return;
    this.#cancelLook = this.#options.clock.after(NODE_VIEW_MS, () => this.#look());
  }
}
