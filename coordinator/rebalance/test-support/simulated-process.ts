import type { KyselyPlugin } from 'kysely';
import { type Clock, sleepOn, systemClock } from '../../../lib/clock/clock.ts';
import type { Database, DatabaseHandle } from '../../database/database.ts';
import { Leases } from '../../database/leases.ts';

/**
 * What one coordinator is run by: its ways to the outside can stand still together, as when a process is stopped and
 * goes on later, be slow to hear news, or end for good.
 */
export class SimulatedProcess {
  readonly id: string;
  #isDead = false;
  #resumed: Promise<void> | undefined;
  #resume: () => void = () => {};
  /** How long news from the database take to arrive. */
  lagMs = 0;

  constructor(id: string) {
    this.id = id;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#resumed !== undefined;
  }

  /** From now on nothing it does has any effect, and it hears of nothing. */
  kill(): void {
    this.#isDead = true;
    this.resume();
  }

  /** It does nothing until it is resumed; what is on its way meanwhile arrives afterwards. Time goes on. */
  pause(): void {
    if (this.isDead || this.isPaused) return;
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resumed = undefined;
    this.#resume();
  }

  /** Its own view of the time: timers do not fire while it stands still. */
  readonly clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    monotonicMs: () => systemClock.monotonicMs(),
    after: (delayMs, action) => {
      let isCancelled = false;
      const fire = () => {
        if (isCancelled) return;
        if (this.#resumed === undefined) action();
        else void this.#resumed.then(fire);
      };
      const cancel = systemClock.after(delayMs, fire);
      return () => {
        isCancelled = true;
        cancel();
      };
    },
    sleep: (delayMs, signal) => sleepOn(this.clock, delayMs, signal),
  };

  /** The same object, its asynchronous methods called and answered only while the process runs. */
  wrap<Service extends object>(service: Service): Service {
    return new Proxy(service, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...parameters: unknown[]) => this.#through(async () => value.apply(target, parameters));
      },
    });
  }

  /** The database as this process reaches it. Statements of a transaction are answered while it stands still, too. */
  reach(handle: DatabaseHandle): DatabaseHandle {
    const plain = handle.kysely.withPlugin(this.#plugin(() => {}));
    const pausing = plain.withPlugin(this.#plugin(() => this.#resumed));
    const kysely: Database = new Proxy(pausing, {
      get: (target, key) => {
        const source = key === 'transaction' ? plain : target;
        const value: unknown = Reflect.get(source, key, source);
        return typeof value === 'function' ? value.bind(source) : value;
      },
    });
    const { notifications } = handle;
    return {
      kysely,
      kind: handle.kind,
      notifications: {
        publish: async (channel, payload, within) => {
          this.#throwIfDead();
          await notifications.publish(channel, payload, within);
        },
        subscribe: (channel, listener) =>
          notifications.subscribe(channel, (payload) => this.#hear(() => listener(payload))),
        onGap: (listener) => notifications.onGap(listener),
      },
      copyIn: () => Promise.reject(new Error('nothing that is simulated copies rows')),
      [Symbol.asyncDispose]: async () => {},
    };
  }

  /** Leases that it does not give back when it dies. */
  leases(handle: DatabaseHandle): Leases {
    return new Leases(this.reach(handle).kysely, this.id);
  }

  #plugin(wait: () => Promise<void> | void): KyselyPlugin {
    return {
      transformQuery: ({ node }) => {
        this.#throwIfDead();
        return node;
      },
      transformResult: async ({ result }) => {
        await wait();
        this.#throwIfDead();
        return result;
      },
    };
  }

  #hear(listener: () => void): void {
    this.clock.after(this.lagMs, () => {
      if (!this.isDead) listener();
    });
  }

  async #through<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#throwIfDead();
    await this.#resumed;
    const [outcome] = await Promise.allSettled([call()]);
    await this.#resumed;
    this.#throwIfDead();
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  }

  #throwIfDead(): void {
    if (this.isDead) throw new Error(`process ${this.id} is dead`);
  }
}
