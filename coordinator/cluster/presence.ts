import { sql } from 'kysely';
import { type Clock, repeat } from '../../lib/clock/clock.ts';
import type { Logger } from '../../lib/logging/logger.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { BARRIER_POLL_MS, PRESENCE_INTERVAL_MS, PRESENCE_SAFETY_SHARE, PRESENCE_TTL_MS } from './limits.ts';
import type { StepGate } from './step-gate.ts';

/** Tells all coordinators that one of them acknowledged a step, came or went. */
const CHANNEL = 'coordinators';

export interface PresenceOptions {
  readonly database: DatabaseHandle;
  readonly gate: StepGate;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Unique to this process. */
  readonly id: string;
  /** How long this coordinator's reads took to begin lately, 99th percentile; null when there were too few. */
  readonly readP99Ms?: () => number | null;
  /** Called when the ring has moved on without this coordinator: it has to be read again. */
  readonly onBehind: () => void;
  readonly ttlMs?: number | undefined;
}

export interface LiveCoordinator {
  readonly id: string;
  readonly step: number;
  readonly readP99Ms: number | null;
  readonly startedAt: Date;
}

/**
 * This coordinator among the others. Each has a row that it renews, with the latest step of the ring that it uses.
 * A **barrier** waits until every live one has acknowledged a step: it uses that step, and nothing is under way
 * that began before. One whose row expires counts as dead, and has by then stopped writing by its own clock, so
 * it holds up a barrier for no longer than its row lasts.
 */
export class Presence implements AsyncDisposable {
  readonly #options: PresenceOptions;
  readonly #ttlMs: number;
  readonly #stop = new AbortController();
  readonly #stack = new AsyncDisposableStack();
  /** What the others may know of this one; 0 before the first acknowledgement. */
  #acknowledged = 0;
  /** The latest step that the others were told of. */
  #told = 0;
  /** Before that, who opens this is about to read the ring, and nobody could acknowledge what it would be told of. */
  #isOpen = false;
  /** Woken when any coordinator acknowledges something. */
  readonly #waiting = new Set<() => void>();

  private constructor(options: PresenceOptions) {
    this.#options = options;
    this.#ttlMs = options.ttlMs ?? PRESENCE_TTL_MS;
  }

  /** Registers this coordinator. It has to be done before it reads the ring: from here on barriers wait for it. */
  static async open(options: PresenceOptions): Promise<Presence> {
    const presence = new Presence(options);
    await using stack = new AsyncDisposableStack();
    stack.use(presence);
    await presence.#renew();
    const { notifications } = options.database;
    const wake = () => presence.#wakeAll();
    presence.#stack.defer(await notifications.subscribe(CHANNEL, wake));
    presence.#stack.defer(notifications.onGap(wake));
    const interval = Math.min(PRESENCE_INTERVAL_MS, presence.#ttlMs / 5);
    const { signal } = presence.#stop;
    const loop = repeat(options.clock, interval, signal, () => presence.#tryRenew());
    presence.#stack.defer(() => loop);
    stack.move();
    presence.#isOpen = true;
    return presence;
  }

  /** Says goodbye, so that nobody waits for this coordinator. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { gate, database, id } = this.#options;
    gate.close();
    this.#stop.abort(new Error('this coordinator leaves'));
    this.#wakeAll();
    await this.#stack.disposeAsync();
    await database.kysely
      .deleteFrom('coordinators')
      .where('id', '=', id)
      .execute()
      .then(() => database.notifications.publish(CHANNEL, id))
      .catch(() => {});
  }

  get id(): string {
    return this.#options.id;
  }

  /** This coordinator uses the step; the others are told once nothing from before is under way. Never rejects. */
  async acknowledge(step: number): Promise<void> {
    const { gate, logger } = this.#options;
    await gate.emptiedBefore(step);
    if (step <= this.#acknowledged || this.#stop.signal.aborted) return;
    this.#acknowledged = step;
    try {
      await this.#renew();
    } catch (error) {
      // The next renewal carries it.
      logger.warn({ err: error, step }, 'a step of the ring could not be acknowledged yet');
    }
  }

  /** Resolves when every live coordinator has acknowledged the step; rejects when the signal aborts. */
  async barrier(step: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const woken = this.#woken();
      const behind = await this.#countBehind(step);
      if (behind === 0) return;
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      await Promise.race([
        woken,
        this.#options.clock.sleep(Math.min(BARRIER_POLL_MS, this.#ttlMs / 8), either).catch(() => {}),
      ]);
      pause.abort();
    }
  }

  /** All coordinators that are alive, this one included. */
  async list(): Promise<LiveCoordinator[]> {
    const rows = await this.#options.database.kysely
      .selectFrom('coordinators')
      .selectAll()
      .where('expires_at', '>', sql<Date>`clock_timestamp()`)
      .orderBy('id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      step: row.step,
      // Others tell theirs now and then only.
      readP99Ms: row.id === this.#options.id ? (this.#options.readP99Ms?.() ?? null) : row.read_p99_ms,
      startedAt: row.started_at,
    }));
  }

  async #countBehind(step: number): Promise<number> {
    const row = await this.#options.database.kysely
      .selectFrom('coordinators')
      .select(({ fn }) => fn.countAll<number>().as('behind'))
      .where('step', '<', step)
      .where('expires_at', '>', sql<Date>`clock_timestamp()`)
      .executeTakeFirstOrThrow();
    return Number(row.behind);
  }

  async #tryRenew(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#options.logger.warn({ err: error }, 'the presence of this coordinator could not be renewed');
    }
  }

  async #renew(): Promise<void> {
    const { database, clock, gate, id, readP99Ms } = this.#options;
    const startMs = clock.monotonicMs();
    const step = this.#acknowledged;
    const p99 = readP99Ms?.() ?? null;
    const expiresAt = sql<Date>`clock_timestamp() + ${this.#ttlMs}::integer * interval '1 millisecond'`;
    const row = await database.kysely
      .insertInto('coordinators')
      .values({ id, step, read_p99_ms: p99, expires_at: expiresAt })
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet({
          step: sql<number>`greatest(coordinators.step, excluded.step)`,
          read_p99_ms: p99,
          expires_at: expiresAt,
        }),
      )
      .returning('step')
      .executeTakeFirstOrThrow();
    // While the lease lasted the ring could not get away from this coordinator. After a gap it may have.
    if (gate.isOpen || (await this.#isCurrent())) {
      gate.extendTo(startMs + this.#ttlMs * PRESENCE_SAFETY_SHARE);
    }
    if (row.step <= this.#told) return;
    await database.notifications.publish(CHANNEL, id);
    this.#told = row.step;
  }

  /** Whether the ring is at the step that this coordinator uses. Its row is there already, so the ring now waits for it. */
  async #isCurrent(): Promise<boolean> {
    const { database, gate, onBehind } = this.#options;
    const row = await database.kysely.selectFrom('ring').select('step').executeTakeFirst();
    if ((row?.step ?? 0) === gate.step) return true;
    if (this.#isOpen) onBehind();
    return false;
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
