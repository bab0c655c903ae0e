import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../lib/clock/clock.ts';
import { assign } from '../../lib/hashring/index.ts';
import type { DatabaseHandle } from '../database/database.ts';
import { ENGINES, openTestDatabase } from '../database/test-support/engines.ts';
import { silentLogger } from '../database/test-support/silent-logger.ts';
import { LayoutRepository } from './layout-repository.ts';
import { Presence } from './presence.ts';
import { RingRepository } from './ring-repository.ts';
import { StepGate } from './step-gate.ts';

const LONG_MS = 60_000;

describe.each(ENGINES)('coordinators on %s', (engine) => {
  let database: DatabaseHandle;
  let stack: AsyncDisposableStack;
  beforeAll(async () => {
    database = await openTestDatabase(engine);
  });
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(async () => {
    for (const table of ['coordinators', 'ring', 'layouts'] as const) {
      await database.kysely.deleteFrom(table).execute();
    }
    stack = new AsyncDisposableStack();
  });
  afterEach(() => stack.disposeAsync());

  async function open(id: string, ttlMs = LONG_MS) {
    const gate = new StepGate(systemClock);
    let behind = 0;
    const presence = stack.use(
      await Presence.open({
        database,
        gate,
        clock: systemClock,
        logger: silentLogger,
        id,
        ttlMs,
        onBehind: () => {
          behind += 1;
        },
      }),
    );
    return { gate, presence, timesBehind: () => behind };
  }

  async function storeRing(step: number) {
    const members = ['a', 'b', 'c'].map((id) => ({ id, zone: id, weight: 1 }));
    const layout = assign(null, members, { epoch: 1, replicas: 3, rangeCount: 4 });
    const rings = new RingRepository(database.kysely);
    await database.kysely.transaction().execute(async (transaction) => {
      await new LayoutRepository(database.kysely).append(layout, transaction);
      await rings.begin(transaction, layout);
    });
    for (let next = 2; next <= step; next++) {
      await rings.advance({ step: next, base: layout, target: null, phases: null, rebalanceId: null });
    }
  }

  /** Whether the barrier falls while `action` has not been called yet, and that it does afterwards. */
  async function expectHeldUntil(barrier: Promise<void>, action: () => Promise<void> | void) {
    let hasFallen = false;
    const fallen = barrier.then(() => {
      hasFallen = true;
    });
    await database.kysely.selectFrom('coordinators').selectAll().execute();
    expect(hasFallen).toBe(false);
    await action();
    await fallen;
  }

  test('a barrier falls when every coordinator has acknowledged the step', async () => {
    const [one, two] = [await open('one'), await open('two')];
    for (const { gate } of [one, two]) gate.moveTo(3);
    await one.presence.acknowledge(3);
    await expectHeldUntil(one.presence.barrier(3, AbortSignal.timeout(LONG_MS)), () =>
      two.presence.acknowledge(3),
    );
    await two.presence.barrier(3, AbortSignal.timeout(LONG_MS));
  });

  test('a write that began before holds up the acknowledgement, and so the barrier', async () => {
    const { gate, presence } = await open('one');
    gate.moveTo(1);
    const permit = gate.enter();
    gate.moveTo(2);
    const acknowledged = presence.acknowledge(2);
    await expectHeldUntil(presence.barrier(2, AbortSignal.timeout(LONG_MS)), () => permit.leave());
    await acknowledged;
  });

  test('one that leaves, and one whose row expires, hold up nothing', async () => {
    const one = await open('one');
    const two = await open('two');
    await database.kysely
      .insertInto('coordinators')
      .values({ id: 'dead', step: 1, read_p99_ms: null, expires_at: new Date(0) })
      .execute();
    await one.presence.acknowledge(5);
    await expectHeldUntil(one.presence.barrier(5, AbortSignal.timeout(LONG_MS)), () =>
      two.presence[Symbol.asyncDispose](),
    );
    expect((await one.presence.list()).map(({ id, step }) => [id, step])).toEqual([['one', 5]]);
  });

  test('a barrier that nobody lets fall ends with the signal', async () => {
    const { presence } = await open('one');
    const abort = new AbortController();
    const barrier = presence.barrier(1, abort.signal);
    abort.abort(new Error('enough'));
    await expect(barrier).rejects.toThrow('enough');
  });

  test('one that starts while the ring is further on writes only when it has caught up', async () => {
    await storeRing(3);
    const { gate, presence, timesBehind } = await open('late');
    expect(gate.isOpen).toBe(false);
    expect(() => gate.enter()).toThrow();
    await expect.poll(timesBehind).toBeGreaterThan(0);
    gate.moveTo(3);
    await presence.acknowledge(3);
    expect(gate.isOpen).toBe(true);
  });

  test('an acknowledged step is never taken back', async () => {
    const { presence } = await open('one');
    await presence.acknowledge(4);
    await presence.acknowledge(2);
    expect(await presence.list()).toMatchObject([{ id: 'one', step: 4 }]);
  });

  test('of those that advance the ring to the same step one succeeds', async () => {
    await storeRing(1);
    const rings = new RingRepository(database.kysely);
    const { base } = (await rings.read())!;
    const next = { step: 2, base, target: base, phases: Uint8Array.of(0, 1, 2, 3), rebalanceId: null };
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => rings.advance(next)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'conflict' });
    }
    expect(await rings.read()).toEqual(next);
    await expect(rings.advance({ ...next, step: 4 })).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      database.kysely.transaction().execute((transaction) => rings.begin(transaction, base)),
    ).rejects.toMatchObject({ code: 'conflict' });
  });
});
